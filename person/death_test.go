package person_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vidan/delivery"
	"vidan/identity"
	"vidan/person"
)

func (o *office) life(vault identity.VaultID) person.Life {
	o.t.Helper()
	return must(o.Profile(o.t.Context(), o.db.Pool, o.keys(vault)))(o.t).Life
}

// TestAFalseReportFails: the person says that they live, everything is as it was, and the office that reported is told under its own name for them.
func TestAFalseReportFails(t *testing.T) {
	t.Parallel()
	o := setup(t)
	ctx, extract := t.Context(), evidence(person.CivilRegister)
	du := o.enrol(o.du())
	must(0, o.Alive(ctx, open{}, self(du), du))(t)
	must(0, o.ReportDeath(ctx, open{}, first(t), du, "registry", extract))(t)
	must(0, o.ReportDeath(ctx, open{}, first(t), du, "registry", extract))(t)
	if err := o.ReportDeath(ctx, open{}, other(t), du, "registry", extract); !errors.Is(err, person.ErrState) {
		t.Errorf("reported by another office as well: %v", err)
	}
	o.counts(1, `select count(*) from death_reports`)
	if o.life(du) != person.DeathReported {
		t.Error(o.life(du))
	}
	o.work()
	if len(o.texts(delivery.DeathReported)) != 2 {
		t.Error("not every contact was told")
	}
	must(0, o.Alive(ctx, open{}, self(du), du))(t)
	must(0, o.Alive(ctx, open{}, self(du), du))(t)
	if o.life(du) != person.Alive {
		t.Error(o.life(du))
	}
	o.work()
	events, _, err := delivery.Events(ctx, o.db.Pool, open{}, "registrar", 0, 10)
	if err != nil || len(events) != 1 || events[0].Kind != person.EventDeathDenied || string(events[0].Body) != `{"person": "`+o.Ref("registry", du)+`"}` {
		t.Errorf("%d events, %v", len(events), err)
	}
	if diff := cmp.Diff([]string{"enrolled done identity_card", "death_reported done reported", "death_reported refused state", "death_reported done denied"}, o.record(du)); diff != "" {
		t.Error(diff)
	}
	if err := o.ConfirmDeath(ctx, open{}, other(t), du, extract); !errors.Is(err, person.ErrState) {
		t.Errorf("confirmed after it was denied: %v", err)
	}
	must(0, o.ReportDeath(ctx, open{}, other(t), du, "registry", extract))(t) // a new report is a new one
}

// TestADeathIsConfirmed by another issuer, seven days later, on the register; then nothing but two officers takes it back.
func TestADeathIsConfirmed(t *testing.T) {
	t.Parallel()
	o := setup(t)
	ctx, extract := t.Context(), evidence(person.CivilRegister)
	du, thi := o.enrol(o.du()), o.enrol(o.thi()) // who list one telephone
	song := o.du()
	song.Number, song.Contacts = number(t, songNumber), []person.Contact{{Channel: delivery.SMS, Address: phone(t, "0900000077").Address, Verified: person.NotVerified}}
	songVault := o.enrol(song)
	confirm := func(at time.Duration, want error) {
		t.Helper()
		o.advance(at)
		if err := o.ConfirmDeath(ctx, open{}, other(t), du, extract); !errors.Is(err, want) {
			t.Errorf("confirmed: %v, want %v", err, want)
		}
	}
	confirm(0, person.ErrState)
	must(0, o.ReportDeath(ctx, open{}, first(t), du, "registry", extract))(t)
	confirm(person.DeathWait-time.Hour, person.ErrTooEarly)
	o.advance(time.Hour)
	if err := o.ConfirmDeath(ctx, open{}, second(t), du, extract); !errors.Is(err, person.ErrSameIssuer) {
		t.Errorf("by the reporter's office: %v", err)
	}
	if err := o.ConfirmDeath(ctx, open{}, other(t), du, evidence(person.IdentityCard)); !errors.Is(err, person.ErrEvidence) {
		t.Errorf("on a card: %v", err)
	}
	confirm(0, nil)
	confirm(0, nil)
	if o.life(du) != person.Dead {
		t.Error(o.life(du))
	}
	if err := o.Alive(ctx, open{}, self(du), du); !errors.Is(err, person.ErrState) {
		t.Errorf("alive after it was confirmed: %v", err)
	}
	if _, err := o.Raise(ctx, open{}, first(t), du, 2, person.Representative{}, evidence(person.IdentityCard)); !errors.Is(err, person.ErrNotAlive) {
		t.Errorf("a level for the dead: %v", err)
	}
	o.work()
	if c := o.contact(thi, "900000003"); c.State != person.ContactSuspended {
		t.Errorf("the widower's telephone, registered to the dead, is %s", c.State)
	}
	if c := o.contact(songVault, "900000077"); c.State != person.ContactActive {
		t.Errorf("a stranger's telephone is %s", c.State)
	}
	if lines := o.record(thi); !slices.Contains(lines, "contact_changed done registered_to_deceased") {
		t.Errorf("the record: %v", lines)
	}
	o.agreed(du, second, func() (person.Approval, error) { return o.Revive(ctx, open{}, first(t), du, extract) })
	if o.life(du) != person.Alive {
		t.Error(o.life(du))
	}
	o.work()
	events, _, err := delivery.Events(ctx, o.db.Pool, open{}, "registrar", 0, 10)
	if err != nil || len(events) != 1 || events[0].Kind != person.EventDeathReversed {
		t.Errorf("%d events, %v", len(events), err)
	}
	if _, err := o.Revive(ctx, open{}, first(t), du, extract); !errors.Is(err, person.ErrState) {
		t.Errorf("revived twice: %v", err)
	}
}

// TestN2_ReportsAreBelieved only as they were written.
func TestN2_ReportsAreBelieved(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		`update death_reports set reported_at = reported_at - interval '8 days'`, `update death_reports set organisation_id = 'registrar-3'`,
		`update death_reports set state = 'confirmed'`,
	} {
		o := setup(t)
		du := o.enrol(o.du())
		must(0, o.ReportDeath(t.Context(), open{}, first(t), du, "registry", evidence(person.CivilRegister)))(t)
		o.exec(sql)
		if err := o.ConfirmDeath(t.Context(), open{}, other(t), du, evidence(person.CivilRegister)); err == nil || errors.Is(err, person.ErrTooEarly) {
			t.Errorf("it was believed: %s: %v", sql, err)
		}
	}
}
