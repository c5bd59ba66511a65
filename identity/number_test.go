package identity_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/identity"
)

func TestParsePersonalNumber(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "09932600000", "0993260000045", "09932600000a", " 99326000004", "099326000004 ", "099326-00004", "+99326000004",
		"０99326000004", "٠٩٩٣٢٦", "099326000004\x00", strings.Repeat("0", 1<<16),
	} {
		if n, err := identity.ParsePersonalNumber(s); !errors.Is(err, identity.ErrNumber) || !n.IsZero() {
			t.Errorf("%q was accepted", s)
		}
	}
}

// TestDisagreements holds the rule of digits 4–6 against the fictional cast; none of it ever refuses a number.
func TestDisagreements(t *testing.T) {
	t.Parallel()
	const male, female = identity.Male, identity.Female
	for _, c := range []struct {
		who, number, born string
		sex               identity.Sex
		want              []identity.Disagreement
	}{
		{"newborn of the 21st century", "099326000004", "2026-09-28", female, nil},
		{"grandfather, year only", "099044000001", "1944", male, nil},
		{"mother", "099193000003", "1993-11-08", female, nil},
		{"sex not told", "099193000003", "1993-11-08", "", nil},
		{"other sex", "099193000003", "1993-11-08", male, []identity.Disagreement{identity.NumberSex}},
		{"other century", "099193000003", "2093-11-08", female, []identity.Disagreement{identity.NumberCentury}},
		{"other year", "099193000003", "1994", female, []identity.Disagreement{identity.NumberYear}},
		{"nothing fits", "099193000003", "2004", male, []identity.Disagreement{identity.NumberSex, identity.NumberCentury, identity.NumberYear}},
		{"born before 1900", "099044000001", "1844", male, []identity.Disagreement{identity.NumberCentury}},
		{"no date: sex alone is compared", "099193000003", "", male, []identity.Disagreement{identity.NumberSex}},
		{"24th century", "099999000003", "2399-01-01", female, nil},
	} {
		var born identity.PartialDate
		if c.born != "" {
			born = date(t, c.born)
		}
		if diff := cmp.Diff(c.want, number(t, c.number).Disagreements(born, c.sex)); diff != "" {
			t.Errorf("%s: %s", c.who, diff)
		}
	}
	if got := (identity.PersonalNumber{}).Disagreements(date(t, "1993"), female); got != nil {
		t.Errorf("a number that is not known disagrees: %v", got)
	}
}

func TestParseBirthNotice(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"99999.GCS.00001.26", "A1B2C.GCS.Z9999.00"} {
		if got := notice(t, s).Reveal(); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	for _, s := range []string{
		"", "99999.GCS.00001", "99999.gcs.00001.26", "99999.GCS.0000l.26", "9999.GCS.00001.26", "99999.GCS.00001.2A", "99999.GCS.00001.26.",
		"99999 GCS 00001 26", "9999é.GCS.0001.26", "99999.GCS.00001.26\n", "999é.GCS.00001.26",
	} {
		if b, err := identity.ParseBirthNotice(s); !errors.Is(err, identity.ErrNotice) || !b.IsZero() {
			t.Errorf("%q was accepted", s)
		}
	}
}

func FuzzPersonalNumber(f *testing.F) {
	for _, s := range []string{"099326000004", "09932600000", "0993260000045", "09932600000a", "", "０99326000004"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := identity.ParsePersonalNumber(s)
		if err != nil {
			if !errors.Is(err, identity.ErrNumber) || err.Error() != identity.ErrNumber.Error() || !n.IsZero() {
				t.Fatal("a refusal says nothing but that it is one")
			}
			return
		}
		if n.Reveal() != s || len(s) != 12 || strings.Trim(s, "0123456789") != "" {
			t.Fatalf("%q became %q", s, n.Reveal())
		}
		n.Disagreements(identity.PartialDate{}, identity.Male)
	})
}

func FuzzBirthNotice(f *testing.F) {
	for _, s := range []string{"99999.GCS.00001.26", "99999.gcs.00001.26", "A1B2C.GCS.Z9999.00", "....", "é.GCS.00001.26"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := identity.ParseBirthNotice(s)
		if err != nil {
			if !errors.Is(err, identity.ErrNotice) || !b.IsZero() {
				t.Fatal("a refusal gives nothing")
			}
			return
		}
		if b.Reveal() != s || len(s) != 18 || s[5:10] != ".GCS." || s[15] != '.' {
			t.Fatalf("%q became %q", s, b.Reveal())
		}
	})
}
