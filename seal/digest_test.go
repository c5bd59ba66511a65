package seal_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vidan/seal"
)

func TestC7_DigestsAreKeyedAndApart(t *testing.T) {
	t.Parallel()
	b, other := setup(t), setup(t)
	const number = "099326000004"
	seen := map[[32]byte]string{}
	note := func(what string, g seal.Digest) {
		t.Helper()
		if g.KeyID <= 0 || g.Sum == [32]byte{} {
			t.Errorf("%s: %v with key %d", what, g, g.KeyID)
		}
		if before, found := seen[g.Sum]; found {
			t.Errorf("%s and %s have one digest", before, what)
		}
		seen[g.Sum] = what
	}
	note("number", b.Digest(seal.PersonalNumber, number))
	note("the same as another kind", b.Digest(seal.BirthNotice, number))
	note("number of another deployment", other.Digest(seal.PersonalNumber, number))
	note("another number", b.Digest(seal.PersonalNumber, "099326000005"))
	note("registration", b.Digest(seal.Registration, "org", "book", "12"))
	note("registration, parts shifted", b.Digest(seal.Registration, "org", "book1", "2"))
	note("registration in one part", b.Digest(seal.Registration, "orgbook12"))
	note("paper", b.Digest(seal.Paper, "org", "birth_certificate", "12"))
	note("contact", b.Digest(seal.Contact, "+84900000000"))
	note("nothing", b.Digest(seal.PersonalNumber))
	note("an empty part", b.Digest(seal.PersonalNumber, ""))

	again := must(seal.OpenDeployment(t.Context(), b.kek, b.id, b.rows))(t)
	if again.Digest(seal.PersonalNumber, number) != b.Digest(seal.PersonalNumber, number) {
		t.Error("opened again, the digest is another")
	}
	if g := b.Digest(seal.PersonalNumber, number); strings.Contains(fmt.Sprintf("%v %+v %#v %x", g, g, g, g), fmt.Sprintf("%x", g.Sum[:4])) {
		t.Error("a digest prints")
	}
}

// While the PRF key is replaced a value has two digests: both are written, either finds it.
func TestDigestsDuringRotation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.Digests(seal.PersonalNumber, "099326000004")
	if len(old) != 1 || old[0] != b.Digest(seal.PersonalNumber, "099326000004") {
		t.Fatalf("one key, digests %v", old)
	}
	_, rows, err := seal.NewDeployment(t.Context(), b.kek, b.id)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(rows, func(k seal.DeploymentKey) bool { return k.Purpose == seal.Identifier })
	both := slices.Clone(b.rows)
	for j := range both {
		if both[j].Purpose == seal.Identifier {
			both[j].State = seal.Retired
		}
	}
	d := must(seal.OpenDeployment(t.Context(), b.kek, b.id, append(both, rows[i])))(t)
	now := d.Digests(seal.PersonalNumber, "099326000004")
	if len(now) != 2 || now[0] == old[0] || now[1] != old[0] || now[0] != d.Digest(seal.PersonalNumber, "099326000004") {
		t.Errorf("during rotation: %v, want the new one, then %v", now, old)
	}
	if d.DocumentID("o", "t", "r") != b.DocumentID("o", "t", "r") {
		t.Error("the name of a paper changed with the PRF key of numbers")
	}
}

func TestP4_APaperHasOneName(t *testing.T) {
	t.Parallel()
	b, other := setup(t), setup(t)
	id := b.DocumentID("ubnd-thanh-dong", "birth_certificate", "123/2026")
	if id != b.DocumentID("ubnd-thanh-dong", "birth_certificate", "123/2026") {
		t.Error("the same paper has two names")
	}
	for _, different := range []any{
		b.DocumentID("ubnd-dai-son", "birth_certificate", "123/2026"),
		b.DocumentID("ubnd-thanh-dong", "death_extract", "123/2026"),
		b.DocumentID("ubnd-thanh-dong", "birth_certificate", "124/2026"),
		b.DocumentID("ubnd-thanh-dongb", "irth_certificate", "123/2026"),
		other.DocumentID("ubnd-thanh-dong", "birth_certificate", "123/2026"),
	} {
		if different == any(id) {
			t.Error("two papers have one name")
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		raw := b.DocumentID(rapid.String().Draw(r, "organisation"), rapid.String().Draw(r, "type"), rapid.String().Draw(r, "ref")).Bytes()
		if raw[6]>>4 != 8 || raw[8]>>6 != 2 {
			r.Fatalf("%x is no UUID of version 8", raw)
		}
	})
}

func TestTypeTagsTellNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tag := b.ofAn.TypeTag("criminal_record_certificate")
	if tag == [16]byte{} || tag != b.ofAn.TypeTag("criminal_record_certificate") {
		t.Error("a tag is not stable")
	}
	if tag == b.ofAn.TypeTag("birth_certificate") || tag == b.ofDa.TypeTag("criminal_record_certificate") {
		t.Error("two types, or two vaults, share a tag")
	}
}
