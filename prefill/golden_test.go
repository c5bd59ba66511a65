package prefill_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/consent"
	"vidan/identity"
	"vidan/prefill"
)

// The answer as a golden file shows it: papers are named by whose they are.
type (
	shownAnswer struct {
		Fields    []shownField      `json:"fields"`
		Missing   map[string]string `json:"missing"`
		Conflicts []shownConflict   `json:"conflicts,omitempty"`
	}
	shownField struct {
		Name     string          `json:"name"`
		Value    json.RawMessage `json:"value,omitempty"`
		Source   string          `json:"source,omitempty"`
		FactOf   string          `json:"fact_of,omitempty"`
		Choices  []shownField    `json:"choices,omitempty"`
		Editable bool            `json:"editable"`
		Proposal bool            `json:"proposal,omitempty"`
		Address  *shownAddress   `json:"address,omitempty"`
	}
	shownAddress struct {
		State      string   `json:"state"`
		Present    string   `json:"present,omitempty"`
		Successors []string `json:"successors,omitempty"`
	}
	shownConflict struct {
		Rule, Severity, Left, Right string
	}
)

func (w *world) shown(a prefill.Answer) shownAnswer {
	w.t.Helper()
	out := shownAnswer{Missing: map[string]string{}}
	for _, f := range a.Fields {
		field := shownField{Name: f.Name, Value: f.Value, Editable: f.Editable, Proposal: f.Proposal, Address: shown(f.Address)}
		if f.Source != nil {
			field.Source, field.FactOf = w.source(f.Source), f.Source.FactOf
		}
		for _, c := range f.Choices {
			field.Choices = append(field.Choices, shownField{Value: c.Value, Source: w.source(&c.Source), FactOf: c.Source.FactOf, Address: shown(c.Address)})
		}
		out.Fields = append(out.Fields, field)
	}
	for _, m := range a.Missing {
		out.Missing[m.Name] = string(m.Reason)
	}
	for _, c := range a.Conflicts {
		out.Conflicts = append(out.Conflicts, shownConflict{c.Rule, c.Severity, string(c.Left.Value), string(c.Right.Value)})
	}
	return out
}

func shown(a *prefill.Address) *shownAddress {
	if a == nil {
		return nil
	}
	out := &shownAddress{State: a.State}
	if a.Present != nil {
		out.Present = a.Present.Text + " | " + a.Present.Commune + " | " + a.Present.Province
	}
	for _, s := range a.Successors {
		out.Successors = append(out.Successors, s.Unit.Name+" ("+string(s.Transfer)+")")
	}
	return out
}

// source names a paper as the examples do, and checks that the reference is the school's.
func (w *world) source(s *prefill.Source) string {
	w.t.Helper()
	raw := must(w.d.OpenRef(sectorOf(school), "document", s.Document))(w.t)
	paper := w.papers[identity.FromBytes[identity.DocumentID]([16]byte(raw))]
	if !strings.HasSuffix(paper, "/"+s.DocumentType) || s.Issuer != registry || s.IssuedAt.IsZero() || s.Revision < 1 {
		w.t.Errorf("the source of %s is not described", s.Pointer)
	}
	return paper + s.Pointer
}

// TestGolden fills forms for families of the cast: every field is what the examples expect, as the golden file has it, and signed.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"kindergarten_an", "kindergarten_khang", "kindergarten_khoi", "passport_an", "passport_khang", "passport_song"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.household(id)
			answer := must(w.fill(w.granted(id, terms{mode: consent.Until}), "1"))(t)
			got := w.shown(answer)
			w.asExpected(id, got)
			w.verify(answer)

			text := append(must(json.MarshalIndent(got, "", " "))(t), '\n')
			golden := filepath.Join("testdata", id+".json")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(golden, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want := must(os.ReadFile(golden))(t)
			if diff := cmp.Diff(string(want), string(text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// asExpected compares a form with what the examples expect of the mappings, field by field.
func (w *world) asExpected(id string, got shownAnswer) {
	w.t.Helper()
	d := w.dossier(id)
	fields := map[string]shownField{}
	for _, f := range got.Fields {
		fields[f.Name] = f
	}
	for name, want := range w.cast.Expected[id] {
		f, filled := fields[name]
		switch {
		case want == nil && filled, want == nil && got.Missing[name] == "":
			w.t.Errorf("%s: filled, or neither filled nor missing", name)
		case want == nil:
		case !filled || len(want.Values) != 1:
			w.t.Errorf("%s: %s, want one value", name, got.Missing[name])
		default:
			v := want.Values[0]
			who, _, _ := strings.Cut(v.FactOf, " ")
			if f.Source != v.Source || valueOf(f.Value) != v.Value || f.Proposal != v.Proposal || d.Roles[f.FactOf] != who {
				w.t.Errorf("%s: %s %s, a fact of %s", name, f.Source, f.Value, f.FactOf)
			}
		}
	}
	if len(got.Fields)+len(got.Missing) != len(w.cast.Expected[id]) {
		w.t.Error("not every field is answered once")
	}
}

// valueOf is a value as the examples show it.
func valueOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var address struct{ Text string }
	_ = json.Unmarshal(raw, &address)
	return address.Text
}

// verify checks the signature, and the digest of every field against the bytes that an encoder makes of it.
func (w *world) verify(a prefill.Answer) map[string]any {
	w.t.Helper()
	parts := strings.Split(a.Signed, ".")
	signature := must(base64.RawURLEncoding.DecodeString(parts[2]))(w.t)
	if !ed25519.Verify(w.key.Public().(ed25519.PublicKey), []byte(parts[0]+"."+parts[1]), signature) {
		w.t.Fatal("the signature does not verify")
	}
	var claims struct {
		Audience string            `json:"aud"`
		Digests  map[string]string `json:"digests"`
		Missing  map[string]string `json:"missing"`
	}
	payload := must(base64.RawURLEncoding.DecodeString(parts[1]))(w.t)
	if err := json.Unmarshal(payload, &claims); err != nil {
		w.t.Fatal(err)
	}
	if len(claims.Digests) != len(a.Fields) || len(claims.Missing) != len(a.Missing) || claims.Audience != client {
		w.t.Errorf("%d digests, %d missing", len(claims.Digests), len(claims.Missing))
	}
	for _, f := range a.Fields {
		var sent bytes.Buffer
		e := json.NewEncoder(&sent)
		e.SetEscapeHTML(false)
		if err := e.Encode(f.Answered()); err != nil {
			w.t.Fatal(err)
		}
		salt := must(base64.RawURLEncoding.DecodeString(f.Salt))(w.t)
		if prefill.FieldDigest(salt, f.Name, bytes.TrimSuffix(sent.Bytes(), []byte("\n"))) != claims.Digests[f.Name] {
			w.t.Errorf("the digest of %s is of something else", f.Name)
		}
	}
	var all map[string]any
	if err := json.Unmarshal(payload, &all); err != nil {
		w.t.Fatal(err)
	}
	return all
}
