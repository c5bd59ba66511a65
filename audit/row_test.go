package audit

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"vidan/identity"
)

var update = flag.Bool("update", false, "write testdata anew: only when a new version of a format was decided on")

// fixed is an id that is the same in every run.
func fixed[T identity.ID[K], K any](n byte) T {
	return identity.FromBytes[T, K]([16]byte{0x01, 0x93, n, 15: n})
}

func name(tb testing.TB, s string) identity.Name {
	tb.Helper()
	n, err := identity.ParseName(s)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// samples are the entries of the vectors: the smallest, an own reading, a form filled by an organisation, everything at
// once.
func samples(tb testing.TB) map[string]Entry {
	officer := Officer{
		ID: "cb-0417", Name: name(tb, "Nguyễn Thị Hoa"), Post: "Công chức tư pháp – hộ tịch",
		Organisation: "kindergarten-hoa-sen", Unit: "van-phong", Assurance: Asserted,
	}
	return map[string]Entry{
		"smallest": {Vault: fixed[identity.VaultID](1), Kind: SessionEnded},
		"own reading": {
			Vault: fixed[identity.VaultID](1), Kind: DocumentRead, Actor: Actor{Vault: fixed[identity.VaultID](1), Client: "app"},
			Document: fixed[identity.DocumentID](2), Revision: 2, RequestTrace: "4bf92f3577b34da6a3ce929d0e0e4736",
		},
		"form filled": {
			Vault: fixed[identity.VaultID](1), Kind: Disclosure, Organisation: "kindergarten-hoa-sen",
			Actor:     Actor{Client: "kindergarten-hoa-sen-1", Officer: officer},
			Procedure: "kindergarten_enrolment", Purpose: "101", Basis: "consent", Dossier: "MN-2026-000123",
			Documents: []identity.DocumentID{fixed[identity.DocumentID](3), fixed[identity.DocumentID](2)},
			Fields: []string{
				"child_full_name", "child_birth_date", "child_sex", "child_personal_number", "child_residence", "child_insurance_card",
				"child_ethnicity", "child_nationality", "child_place_of_birth", "mother_full_name", "mother_personal_number", "mother_residence",
			},
			Request: fixed[identity.RequestID](4), Grant: fixed[identity.GrantID](5), Disclosure: fixed[identity.DisclosureID](6),
			RequestTrace: "01930c6e-8f7a-7c4e-9d3a-0123456789ab",
		},
		"everything": {
			Vault: fixed[identity.VaultID](1), Kind: AccessRefused, Organisation: "commune-a",
			Actor: Actor{Vault: fixed[identity.VaultID](9), Client: "commune-a-2", Officer: func() Officer {
				o := officer
				o.Organisation, o.Assurance = "commune-b", SignedIn
				return o
			}()},
			Procedure: "birth_registration", Purpose: "registration", Basis: "Luật 60/2014/QH13 Điều 13", Dossier: "HS 12/2026 – bổ sung",
			Document: fixed[identity.DocumentID](2), Revision: 3, Documents: []identity.DocumentID{fixed[identity.DocumentID](2)},
			Fields: []string{"a_field_of_a_later_form", "child_full_name"}, Outcome: Refused, Reason: "mandate_missing",
			Request: fixed[identity.RequestID](4), Grant: fixed[identity.GrantID](5), Disclosure: fixed[identity.DisclosureID](6),
			RequestTrace: "req-7",
		},
	}
}

// vector holds both formats of one entry, for the readers of docs/CRYPTO.md and for every later version of this
// package.
type vector struct {
	Canonical  string `json:"canonical"`
	Commitment string `json:"commitment"`
	Body       string `json:"body"`
}

var (
	vectorAt   = time.Date(2026, 11, 24, 8, 30, 15, 123456000, time.UTC)
	vectorSalt = [saltSize]byte{0: 0x5a, 31: 0xa5}
)

func TestFormatVectors(t *testing.T) {
	t.Parallel()
	r := New(nil)
	id := fixed[identity.EntryID](7)
	got := make(map[string]vector)
	for label, e := range samples(t) {
		e = e.normal()
		sum := commit(vectorSalt, e, id, vectorAt)
		body := r.encodeBody(nil, vectorSalt, e)
		got[label] = vector{
			Canonical:  hex.EncodeToString(canonical(nil, e, id, vectorAt)),
			Commitment: hex.EncodeToString(sum[:]),
			Body:       hex.EncodeToString(body),
		}
		back, salt, err := decodeBody(body, Entry{Vault: e.Vault, Kind: e.Kind, Organisation: e.Organisation})
		if err != nil || salt != vectorSalt {
			t.Fatalf("%s: body does not decode: %v", label, err)
		}
		if diff := cmp.Diff(e, back, cmpopts.EquateComparable(identity.Name{}, identity.VaultID{}, identity.DocumentID{}, identity.RequestID{}, identity.GrantID{}, identity.DisclosureID{})); diff != "" {
			t.Errorf("%s: decoded differently (-want +got):\n%s", label, diff)
		}
		t.Logf("%s: canonical %d bytes, body %d bytes", label, len(got[label].Canonical)/2, len(body))
	}
	const file = "testdata/vectors.json"
	if *update {
		out, err := json.MarshalIndent(got, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(out, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]vector
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("formats are kept for years, these changed (-want +got):\n%s", diff)
	}
}

// TestVocabularyOnlyGrows holds the positions of words for ever: they are inside sealed bodies.
func TestVocabularyOnlyGrows(t *testing.T) {
	t.Parallel()
	const file = "testdata/vocabulary.txt"
	all := strings.Join(vocabulary[:], "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(all), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	known, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(all, string(known)) {
		t.Error("words of the vocabulary were moved or removed")
	}
	seen := make(map[string]bool)
	for _, w := range vocabulary {
		if seen[w] {
			t.Errorf("%q is twice in the vocabulary", w)
		}
		seen[w] = true
	}
}

// TestA2_NoValueEntersARow tries what form fields hold where only names may stand.
func TestA2_NoValueEntersARow(t *testing.T) {
	t.Parallel()
	base := func() Entry { return Entry{Vault: fixed[identity.VaultID](1), Kind: Disclosure} }
	if err := base().check(); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"Trần Văn An", "099215000123", "0912345678", "2020-05-02", "an@example.vn", "Số 5, phố Huế", "", "Nam", strings.Repeat("a", 81)} {
		e := base()
		e.Fields = []string{"child_full_name", value}
		if err := e.check(); !errors.Is(err, ErrEntry) {
			t.Errorf("field %q was taken", value)
		} else if value != "" && strings.Contains(err.Error(), value) {
			t.Errorf("the error repeats the value: %v", err)
		}
	}
	for member, set := range map[string]func(*Entry){
		"organisation": func(e *Entry) { e.Organisation = "Trần Văn An" },
		"client":       func(e *Entry) { e.Actor.Client = "099215000123" },
		"officer id":   func(e *Entry) { e.Actor.Officer.ID = "099215000123" },
		"reason":       func(e *Entry) { e.Reason = "sinh ngày 2" },
		"purpose":      func(e *Entry) { e.Purpose = strings.Repeat("x", 129) },
		"trace":        func(e *Entry) { e.RequestTrace = "a\nb" },
		"basis":        func(e *Entry) { e.Basis = "a\x00b" },
		"dossier":      func(e *Entry) { e.Dossier = strings.Repeat("đ", 201) },
		"post":         func(e *Entry) { e.Actor.Officer.Post = "\xff" },
		"kind":         func(e *Entry) { e.Kind = "something" },
		"outcome":      func(e *Entry) { e.Outcome = "maybe" },
		"assurance":    func(e *Entry) { e.Actor.Officer.Assurance = 3 },
		"revision":     func(e *Entry) { e.Revision = -1 },
		"vault":        func(e *Entry) { e.Vault = identity.VaultID{} },
	} {
		e := base()
		set(&e)
		if err := e.check(); !errors.Is(err, ErrEntry) {
			t.Errorf("%s: %v, want ErrEntry", member, err)
		}
	}
}

// TestS5_OfficerNamePrintsMasked holds the one personal value of an entry out of logs.
func TestS5_OfficerNamePrintsMasked(t *testing.T) {
	t.Parallel()
	e := samples(t)["form filled"]
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", slog.Any("entry", e), slog.Any("officer", e.Actor.Officer))
	asJSON, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for how, out := range map[string]string{
		"%v": fmt.Sprintf("%v", e), "%+v": fmt.Sprintf("%+v", e), "%#v": fmt.Sprintf("%#v", e), "json": string(asJSON), "slog": logged.String(),
	} {
		if strings.Contains(out, "Hoa\"") || strings.Contains(out, "Nguyễn") {
			t.Errorf("%s shows the officer's name: %s", how, out)
		}
	}
}

// TestA5_EntryIDsAreInTheOrderOfTime compares ids made of any two times.
func TestA5_EntryIDsAreInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "a")).UTC()
		b := a.Add(time.Duration(rapid.Int64Range(0, 3e9).Draw(t, "later")) * time.Microsecond)
		noise := [8]byte(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "noise"))
		x, y := entryID(a, noise), firstID(b)
		if b.Sub(a) >= time.Microsecond && x.Compare(y) >= 0 {
			t.Fatalf("id of %v does not come before id of %v", a, b)
		}
		if got := timeOf(x); !got.Equal(a.Truncate(time.Millisecond)) {
			t.Fatalf("time of the id is %v, want %v", got, a)
		}
		if u := x.Bytes(); u[6]>>4 != 7 || u[8]>>6 != 2 {
			t.Fatal("not a UUIDv7")
		}
	})
}

// TestBodyRoundTrip encodes and decodes arbitrary entries.
func TestBodyRoundTrip(t *testing.T) {
	t.Parallel()
	r := New(nil)
	rapid.Check(t, func(t *rapid.T) {
		e := drawEntry(t)
		if err := e.check(); err != nil {
			t.Fatal(err)
		}
		e = e.normal()
		back, _, err := decodeBody(r.encodeBody(nil, vectorSalt, e), Entry{Vault: e.Vault, Kind: e.Kind, Organisation: e.Organisation})
		if err != nil {
			t.Fatal(err)
		}
		id := fixed[identity.EntryID](7)
		if commit(vectorSalt, back, id, vectorAt) != commit(vectorSalt, e, id, vectorAt) {
			t.Fatalf("came back differently:\n%+v\n%+v", e, back)
		}
	})
}

func drawEntry(t *rapid.T) Entry {
	code := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[a-z][a-z0-9:./-]{0,20}`), rapid.StringMatching(`[0-9a-f]{32}`), rapid.SampledFrom(vocabulary[:]))
	id := func(label string) [16]byte {
		if rapid.Bool().Draw(t, label+" absent") {
			return [16]byte{}
		}
		return [16]byte(rapid.SliceOfN(rapid.ByteRange(1, 255), 16, 16).Draw(t, label))
	}
	e := Entry{
		Vault: fixed[identity.VaultID](1), Kind: rapid.SampledFrom(Kinds()).Draw(t, "kind"), Organisation: code.Draw(t, "organisation"),
		Procedure: code.Draw(t, "procedure"), Purpose: code.Draw(t, "purpose"), Basis: code.Draw(t, "basis"), Dossier: code.Draw(t, "dossier"),
		Document: identity.FromBytes[identity.DocumentID](id("document")), Revision: rapid.IntRange(0, 1<<31-1).Draw(t, "revision"),
		Fields:  rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(vocabulary[:]), rapid.StringMatching(`[a-z][a-z0-9_]{0,30}`)), 0, 20).Draw(t, "fields"),
		Outcome: rapid.SampledFrom(append(Outcomes(), "")).Draw(t, "outcome"), Reason: code.Draw(t, "reason"),
		Request: identity.FromBytes[identity.RequestID](id("request")), Grant: identity.FromBytes[identity.GrantID](id("grant")),
		Disclosure: identity.FromBytes[identity.DisclosureID](id("disclosure")), RequestTrace: code.Draw(t, "trace"),
	}
	e.Actor = Actor{Vault: identity.FromBytes[identity.VaultID](id("actor")), Client: code.Draw(t, "client"), Officer: Officer{
		ID: code.Draw(t, "officer"), Post: code.Draw(t, "post"), Organisation: code.Draw(t, "officer organisation"),
		Unit: code.Draw(t, "unit"), Assurance: rapid.SampledFrom([]Assurance{0, Asserted, SignedIn}).Draw(t, "assurance"),
	}}
	for range rapid.IntRange(0, 5).Draw(t, "documents") {
		e.Documents = append(e.Documents, identity.FromBytes[identity.DocumentID]([16]byte(rapid.SliceOfN(rapid.ByteRange(1, 255), 16, 16).Draw(t, "one"))))
	}
	return e
}

// FuzzBody decodes arbitrary bytes: it must not panic, and what it takes must encode to the same bytes.
func FuzzBody(f *testing.F) {
	r := New(nil)
	clear := Entry{Vault: fixed[identity.VaultID](1), Kind: Disclosure, Organisation: "kindergarten-hoa-sen"}
	for _, e := range samples(f) {
		f.Add(r.encodeBody(nil, vectorSalt, e.normal()))
	}
	f.Add([]byte{bodyVersion})
	f.Fuzz(func(t *testing.T, body []byte) {
		e, salt, err := decodeBody(body, clear)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("%v, want ErrDamaged", err)
			}
			return
		}
		back, _, err := decodeBody(r.encodeBody(nil, salt, e), clear)
		if err != nil {
			t.Fatal(err)
		}
		id := fixed[identity.EntryID](7)
		if commit(salt, e, id, vectorAt) != commit(salt, back, id, vectorAt) {
			t.Fatal("a body decodes, encodes and decodes to another entry")
		}
	})
}
