package identity_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"pgregory.net/rapid"

	"vidan/identity"
)

// TestParseID holds I2 and I3: one text form, and the zero id is never valid.
func TestParseID(t *testing.T) {
	t.Parallel()
	id := identity.NewVaultID()
	back, err := identity.ParseVaultID(id.String())
	if err != nil || back != id {
		t.Fatalf("an id does not survive its text form: %v", err)
	}
	s := id.String()
	for _, bad := range []string{
		"", strings.ToUpper("f" + s[1:]), "{" + s + "}", "urn:uuid:" + s, strings.ReplaceAll(s, "-", ""), s + " ", s[:35],
		"00000000-0000-0000-0000-000000000000", s[:35] + "g",
	} {
		if got, err := identity.ParseVaultID(bad); !errors.Is(err, identity.ErrID) || !got.IsZero() {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestIDInJSON(t *testing.T) {
	t.Parallel()
	type row struct {
		Document identity.DocumentID `json:"document"`
	}
	want := row{Document: identity.NewID[identity.DocumentID]()}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got row
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Fatalf("%s: %v", text, err)
	}
	for _, bad := range []string{`{"document":""}`, `{"document":"00000000-0000-0000-0000-000000000000"}`, `{"document":7}`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// TestT3_IDsTravelInEveryProtocolMode: pgx must send an id as the same uuid whether or not it knows the type of the
// parameter, and the zero id as null.
func TestT3_IDsTravelInEveryProtocolMode(t *testing.T) {
	t.Parallel()
	id := identity.NewVaultID()
	raw := id.Bytes()
	types := pgtype.NewMap()
	for mode, c := range map[string]struct {
		oid    uint32
		format int16
		want   string
	}{
		"known type, binary": {pgtype.UUIDOID, pgtype.BinaryFormatCode, string(raw[:])},
		"known type, text":   {pgtype.UUIDOID, pgtype.TextFormatCode, id.String()},
		"unknown type":       {0, pgtype.TextFormatCode, id.String()},
	} {
		got, err := types.Encode(c.oid, c.format, id, nil)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v", mode, got, err)
		}
		if null, err := types.Encode(c.oid, c.format, identity.VaultID{}, nil); err != nil || null != nil {
			t.Errorf("%s: the zero id became %q, %v", mode, null, err)
		}
	}
	back := identity.NewVaultID()
	if err := types.Scan(pgtype.UUIDOID, pgtype.BinaryFormatCode, raw[:], &back); err != nil || back != id {
		t.Errorf("scan: %v", err)
	}
	if err := types.Scan(pgtype.UUIDOID, pgtype.BinaryFormatCode, nil, &back); err != nil || !back.IsZero() {
		t.Errorf("null did not become the zero id: %v", err)
	}
	list, err := types.Encode(pgtype.UUIDArrayOID, pgtype.TextFormatCode, []identity.VaultID{id}, nil)
	if err != nil || string(list) != "{"+id.String()+"}" {
		t.Errorf("list: %q, %v", list, err)
	}
}

// TestCompareIsTheOrderOfTheDatabase: several vaults are locked in this order, which is that of their text too.
func TestCompareIsTheOrderOfTheDatabase(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.Custom(func(t *rapid.T) identity.VaultID {
			var b [16]byte
			copy(b[:], rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x7f, 0x80, 0xff}), 16, 16).Draw(t, "bytes"))
			return identity.FromBytes[identity.VaultID](b)
		})
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		if got, want := a.Compare(b), strings.Compare(a.String(), b.String()); got != want {
			t.Fatalf("%s and %s: %d, want %d", a, b, got, want)
		}
		if a.Compare(b) != -b.Compare(a) || (a.Compare(b) == 0) != (a == b) {
			t.Fatalf("%s and %s: no order", a, b)
		}
	})
}

func TestNewIDs(t *testing.T) {
	t.Parallel()
	var ids []identity.EntryID
	seen := map[identity.VaultID]bool{}
	for range 1000 {
		ids = append(ids, identity.NewID[identity.EntryID]())
		v := identity.NewVaultID()
		if raw := v.Bytes(); raw[6]>>4 != 4 || seen[v] {
			t.Fatalf("%s is not a fresh random id", v)
		}
		seen[v] = true
	}
	if !slices.IsSortedFunc(ids, identity.EntryID.Compare) {
		t.Error("ids of one process are not in the order of their making")
	}
	if raw := ids[0].Bytes(); raw[6]>>4 != 7 {
		t.Errorf("%s is not time-ordered", ids[0])
	}
}

func FuzzID(f *testing.F) {
	for _, s := range []string{"018f0000-0000-7000-8000-000000000000", "{018f0000-0000-7000-8000-000000000000}", "", "00000000-0000-0000-0000-000000000000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := identity.ParseVaultID(s)
		if err != nil {
			if !errors.Is(err, identity.ErrID) || !id.IsZero() {
				t.Fatal("a refusal gives nothing")
			}
			return
		}
		if id.String() != s || id.IsZero() || fmt.Sprint(id) != s {
			t.Fatalf("%q became %q", s, id)
		}
	})
}
