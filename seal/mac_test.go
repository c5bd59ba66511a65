package seal_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vidan/seal"
)

func grantRow(b *bundle) *seal.Columns {
	return new(seal.Columns).UUID(b.an.Bytes()).UUID([16]byte{3}).Text("mam-non-hoa-mai").Text("once").
		Time(time.Date(2026, 11, 22, 8, 0, 0, 123456789, time.UTC)).Int(3).Bool(true).Bytes([]byte{1, 2}).
		UUIDs([][16]byte{{7}, {8}}).Ints([]int64{1, 2}).Texts([]string{"a", "b"})
}

func TestC6_AlteredRowIsFound(t *testing.T) {
	t.Parallel()
	b, other := setup(t), setup(t)
	mac := b.MAC("grants", grantRow(b))
	if len(mac) != 37 || mac[0] != 1 {
		t.Errorf("MAC of %d bytes", len(mac))
	}
	if err := b.VerifyMAC("grants", grantRow(b), mac); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another table":      b.VerifyMAC("mandates", grantRow(b), mac),
		"another deployment": other.VerifyMAC("grants", grantRow(b), mac),
		"a column more":      b.VerifyMAC("grants", grantRow(b).Null(), mac),
		"no columns":         b.VerifyMAC("grants", new(seal.Columns), mac),
		"no MAC":             b.VerifyMAC("grants", grantRow(b), nil),
		"a digest as MAC":    b.VerifyMAC("grants", grantRow(b), make([]byte, 37)),
	} {
		if !errors.Is(err, seal.ErrTampered) {
			t.Errorf("%s: %v, want ErrTampered", name, err)
		}
	}
	for i := range mac {
		spoiled := slices.Clone(mac)
		spoiled[i] ^= 1
		if err := b.VerifyMAC("grants", grantRow(b), spoiled); !errors.Is(err, seal.ErrTampered) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
		if err := b.VerifyMAC("grants", grantRow(b), mac[:i]); !errors.Is(err, seal.ErrTampered) {
			t.Errorf("cut to %d: %v", i, err)
		}
	}
}

func TestC5_ColumnsDiffer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	moment := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	seen := map[string]string{}
	for name, c := range map[string]*seal.Columns{
		"none":            new(seal.Columns),
		"null":            new(seal.Columns).Null(),
		"two nulls":       new(seal.Columns).Null().Null(),
		"empty bytes":     new(seal.Columns).Bytes([]byte{}),
		"empty text":      new(seal.Columns).Text(""),
		"no texts":        new(seal.Columns).Texts(nil),
		"no ids":          new(seal.Columns).UUIDs(nil),
		"no numbers":      new(seal.Columns).Ints(nil),
		"one empty text":  new(seal.Columns).Texts([]string{""}),
		"text 1":          new(seal.Columns).Text("1"),
		"bytes 1":         new(seal.Columns).Bytes([]byte("1")),
		"number 1":        new(seal.Columns).Int(1),
		"number -1":       new(seal.Columns).Int(-1),
		"true":            new(seal.Columns).Bool(true),
		"false":           new(seal.Columns).Bool(false),
		"ab, c":           new(seal.Columns).Text("ab").Text("c"),
		"a, bc":           new(seal.Columns).Text("a").Text("bc"),
		"{ab, c}":         new(seal.Columns).Texts([]string{"ab", "c"}),
		"{a, bc}":         new(seal.Columns).Texts([]string{"a", "bc"}),
		"a moment":        new(seal.Columns).Time(moment),
		"a µs later":      new(seal.Columns).Time(moment.Add(time.Microsecond)),
		"moment as int":   new(seal.Columns).Int(moment.UnixMicro()),
		"an id":           new(seal.Columns).UUID([16]byte{1}),
		"an id as bytes":  new(seal.Columns).Bytes(append([]byte{1}, make([]byte, 15)...)),
		"an id in a list": new(seal.Columns).UUIDs([][16]byte{{1}}),
		"zero id":         new(seal.Columns).UUID([16]byte{}),
		"number in list":  new(seal.Columns).Ints([]int64{1}),
	} {
		mac := string(b.MAC("t", c))
		if before, found := seen[mac]; found {
			t.Errorf("%s and %s have one MAC", before, name)
		}
		seen[mac] = name
	}
	same := func(name string, x, y *seal.Columns) {
		t.Helper()
		if err := b.VerifyMAC("t", x, b.MAC("t", y)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	same("nil bytes are null", new(seal.Columns).Bytes(nil), new(seal.Columns).Null())
	same("the zero time is null", new(seal.Columns).Time(time.Time{}), new(seal.Columns).Null())
	same("nil and empty lists", new(seal.Columns).Texts(nil), new(seal.Columns).Texts([]string{}))
	same("as PostgreSQL gives a moment back", new(seal.Columns).Time(moment.Add(789*time.Nanosecond)),
		new(seal.Columns).Time(moment.In(time.FixedZone("ICT", 7*3600))))
}

// Two different rows never have the same encoding: rapid draws short rows, so that neighbours are likely.
func TestC5_PropertyRowsDiffer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	type column struct {
		Kind int
		Text string
		Int  int64
	}
	row := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) column {
		return column{rapid.IntRange(0, 4).Draw(r, "kind"), rapid.StringMatching(`[ab]{0,2}`).Draw(r, "text"), rapid.Int64Range(0, 1).Draw(r, "int")}
	}), 0, 3)
	encode := func(columns []column) (*seal.Columns, []any) {
		c, key := new(seal.Columns), []any{}
		for _, col := range columns {
			switch col.Kind {
			case 0:
				c.Null()
				key = append(key, nil)
			case 1:
				c.Text(col.Text)
				key = append(key, col.Text)
			case 2:
				c.Bytes([]byte(col.Text))
				key = append(key, [1]string{col.Text})
			case 3:
				c.Int(col.Int)
				key = append(key, col.Int)
			case 4:
				c.Bool(col.Int == 1)
				key = append(key, col.Int == 1)
			}
		}
		return c, key
	}
	rapid.Check(t, func(r *rapid.T) {
		x, xKey := encode(row.Draw(r, "x"))
		y, yKey := encode(row.Draw(r, "y"))
		if verified := b.VerifyMAC("t", y, b.MAC("t", x)) == nil; verified != slices.Equal(xKey, yKey) {
			r.Fatalf("%v and %v: verified %v", xKey, yKey, verified)
		}
	})
}
