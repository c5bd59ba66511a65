package person_test

import (
	"fmt"
	"testing"

	"vidan/person"
)

// BenchmarkFind is the search of intake: one number, one of a hundred people.
func BenchmarkFind(b *testing.B) {
	o := setup(b)
	for i := range 100 {
		e := o.du()
		e.Number = number(b, fmt.Sprintf("0991930009%02d", i))
		o.enrol(e)
	}
	ids := []person.Identifier{byNumber(b, "099193000950")}
	b.ReportAllocs()
	for b.Loop() {
		if found, err := o.find(ids...); err != nil || found[0].Vault.IsZero() {
			b.Fatal(found, err)
		}
	}
}

// BenchmarkEnrol opens an account with two contacts and a code.
func BenchmarkEnrol(b *testing.B) {
	o := setup(b)
	e, i := o.du(), 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		e.Number = number(b, fmt.Sprintf("0991%08d", i))
		o.enrol(e)
	}
}

// BenchmarkBind binds a number to a newborn's vault.
func BenchmarkBind(b *testing.B) {
	o := setup(b)
	i := 0
	for b.Loop() {
		b.StopTimer()
		i++
		vault := o.pending(fmt.Sprintf("99999.GCS.%05d.26", i))
		o.keys(vault)
		b.StartTimer()
		if err := o.bind(vault, number(b, fmt.Sprintf("0991%08d", i))); err != nil {
			b.Fatal(err)
		}
	}
}
