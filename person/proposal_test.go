package person_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/identity"
	"vidan/person"
	"vidan/seal"
)

// TestCompare is what the registrar sees of a proposed number, one row for each way in which papers agree or not.
func TestCompare(t *testing.T) {
	t.Parallel()
	held := newborn(t, anNotice)
	claim := person.Claim{Number: number(t, anNumber), Notice: held.Notice, Mother: held.Mother, BirthDate: held.BirthDate, Sex: held.Sex}
	all := person.Checks{Notice: person.Agrees, Mother: person.Agrees, BirthDate: person.Agrees, Sex: person.Agrees}
	for name, c := range map[string]struct {
		change func(*person.Profile, *person.Claim)
		want   func(*person.Checks)
	}{
		"all agree":         {func(*person.Profile, *person.Claim) {}, func(*person.Checks) {}},
		"the twin's notice": {func(_ *person.Profile, c *person.Claim) { c.Notice = must(identity.ParseBirthNotice(emNotice))(t) }, func(k *person.Checks) { k.Notice = person.Differs }},
		"no notice":         {func(_ *person.Profile, c *person.Claim) { c.Notice = identity.BirthNotice{} }, func(k *person.Checks) { k.Notice = person.NotTold }},
		"no notice held":    {func(p *person.Profile, _ *person.Claim) { p.Notice = identity.BirthNotice{} }, func(k *person.Checks) { k.Notice = person.NotTold }},
		"another mother":    {func(_ *person.Profile, c *person.Claim) { c.Mother = number(t, hoaNumber) }, func(k *person.Checks) { k.Mother = person.Differs }},
		"mother not told":   {func(p *person.Profile, _ *person.Claim) { p.Mother = identity.PersonalNumber{} }, func(k *person.Checks) { k.Mother = person.NotTold }},
		"another day": {func(_ *person.Profile, c *person.Claim) {
			c.BirthDate = must(identity.ParsePartialDate("2026-09-29"))(t)
		}, func(k *person.Checks) { k.BirthDate = person.Differs }},
		"the year alone": {func(_ *person.Profile, c *person.Claim) { c.BirthDate = must(identity.ParsePartialDate("2026"))(t) }, func(*person.Checks) {}},
		"no date":        {func(_ *person.Profile, c *person.Claim) { c.BirthDate = identity.PartialDate{} }, func(k *person.Checks) { k.BirthDate = person.NotTold }},
		"no sex":         {func(_ *person.Profile, c *person.Claim) { c.Sex = "" }, func(k *person.Checks) { k.Sex = person.NotTold }},
		"another sex":    {func(_ *person.Profile, c *person.Claim) { c.Sex = identity.Male }, func(k *person.Checks) { k.Sex = person.Differs }},
		"a boy's number": {func(_ *person.Profile, c *person.Claim) { c.Number = number(t, songNumber) }, func(k *person.Checks) { k.Structure = []identity.Disagreement{identity.NumberSex} }},
		"a number of 1988": {func(_ *person.Profile, c *person.Claim) { c.Number = number(t, "099188000010") }, func(k *person.Checks) {
			k.Structure = []identity.Disagreement{identity.NumberCentury, identity.NumberYear}
		}},
	} {
		p, k, want := held, claim, all
		c.change(&p, &k)
		c.want(&want)
		if diff := cmp.Diff(want, person.Compare(p, k)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestProposals(t *testing.T) {
	t.Parallel()
	o := setup(t)
	an := o.pending(anNotice)
	for _, organisation := range []string{"bhxh", "bhxh", "ubnd-gia-loc"} {
		o.propose(an, number(t, anNumber), organisation)
	}
	o.propose(an, number(t, songNumber), "ubnd-gia-loc")
	profile, list, err := o.Proposals(t.Context(), open{}, registrar(t), an)
	if err != nil {
		t.Fatal(err)
	}
	if profile.Name.Reveal() != "TRẦN MINH AN" || profile.Notice.Reveal() != anNotice {
		t.Error("the profile is another's")
	}
	if len(list) != 2 || list[0].Number.Reveal() != anNumber || list[1].Number.Reveal() != songNumber ||
		list[0].Organisation != "bhxh" || list[0].State != "open" || list[0].Checks.Sex != person.Differs || list[0].Checks.Notice != person.Agrees {
		t.Fatalf("%d proposals", len(list))
	}
	// Said twice is proposed once, and recorded once; the reading is recorded.
	if diff := cmp.Diff([]string{"number_proposed done ", "number_proposed done ", "list_read done number_proposals"}, o.record(an)); diff != "" {
		t.Error(diff)
	}
	must(0, o.bind(an, number(t, anNumber)))(t)
	if _, list, err = o.Proposals(t.Context(), open{}, registrar(t), an); err != nil || list[0].State != "bound" || list[1].State != "open" {
		t.Errorf("states after the binding: %v, %v", list, err)
	}
	if _, _, err := o.Proposals(t.Context(), open{}, registrar(t), identity.NewVaultID()); !errors.Is(err, person.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

// TestProposalIsNobodyElses: a proposal copied into another vault does not open there.
func TestProposalIsNobodyElses(t *testing.T) {
	t.Parallel()
	o := setup(t)
	an, song := o.pending(anNotice), o.pending(songNotice)
	o.propose(an, number(t, anNumber), "bhxh")
	o.exec(`update number_proposals set vault_id = $1`, song)
	if _, list, err := o.Proposals(t.Context(), open{}, registrar(t), song); !errors.Is(err, seal.ErrSealed) || list != nil {
		t.Errorf("%v", err)
	}
}
