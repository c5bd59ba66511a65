package prefill_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"vidan/consent"
	"vidan/identity"
	"vidan/prefill"
	"vidan/procedure"
)

// TestP14_WithheldGrants tries, for families of the cast, every set of people who agree while the others say no. Whatever the form reads, a field is
// filled only under the grant of somebody who was asked for it, with the value that the same paper gives under all grants; and nothing that stands only in the
// papers of who said no appears anywhere in the answer.
func TestP14_WithheldGrants(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"kindergarten_an", "kindergarten_khang", "kindergarten_khoi", "passport_an", "passport_khang", "passport_song", "residence_an", "health_card_an"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.household(id)
			full := must(w.fill(w.granted(id, terms{mode: consent.Until}), "all"))(t)
			everything := values(full)
			asked := askedOf(w, id, w.ask(id, terms{mode: consent.Until}))
			w.advance(80 * time.Hour)
			for set := range 1 << len(asked) {
				request := w.ask(id, terms{mode: consent.Until})
				plan := must(w.ledger.PlanOf(t.Context(), w.pool, request))(t)
				granted := map[string]bool{} // fields
				var no []string
				for i, who := range asked {
					if set>>i&1 == 0 {
						w.deny(who, request)
						no = append(no, who)
						continue
					}
					w.allow(who, request, nil)
					for _, f := range plan.FieldsOf(w.vault(who)) {
						granted[f] = true
					}
				}
				answer, err := w.fill(request, fmt.Sprint(set))
				if set == 0 {
					if err == nil {
						t.Error("filled without any grant")
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				w.hold(id, answer, granted, everything, no)
			}
		})
	}
}

// TestP14_FieldByField: each field alone, allowed by each person alone: it is filled, and no other is.
func TestP14_FieldByField(t *testing.T) {
	t.Parallel()
	w := setup(t)
	const id = "passport_khang"
	w.household(id)
	everything := values(must(w.fill(w.granted(id, terms{mode: consent.Until}), "all"))(t))
	request := w.ask(id, terms{mode: consent.Until})
	plan := must(w.ledger.PlanOf(t.Context(), w.pool, request))(t)
	w.advance(80 * time.Hour)
	for _, who := range askedOf(w, id, request) {
		for i, field := range plan.FieldsOf(w.vault(who)) {
			request := w.ask(id, terms{mode: consent.Until})
			w.allow(who, request, nil, field)
			answer := must(w.fill(request, fmt.Sprint(who, i)))(t)
			if len(answer.Fields) > 1 || len(answer.Fields) == 1 && answer.Fields[0].Name != field {
				t.Errorf("%s allowed %s: %d fields are filled", who, field, len(answer.Fields))
			}
			w.hold(id, answer, map[string]bool{field: true}, everything, nil)
			w.advance(80 * time.Hour)
		}
	}
}

// hold checks one answer.
func (w *world) hold(id string, answer prefill.Answer, granted map[string]bool, everything map[string]string, no []string) {
	w.t.Helper()
	for _, f := range answer.Fields {
		if !granted[f.Name] {
			w.t.Errorf("%s is filled, and nobody who was asked for it agreed", f.Name)
		}
		if want, same := everything[place(f)]; same && string(f.Answered()) != want {
			w.t.Errorf("%s has another value than with all grants", f.Name)
		}
	}
	for _, m := range answer.Missing {
		if field, _ := w.form(answer).Field(m.Name); len(field.Reuse) > 0 && !granted[m.Name] && m.Reason != prefill.NotProvided {
			w.t.Errorf("%s is %s without a grant", m.Name, m.Reason)
		}
	}
	text := plain(answer)
	for _, who := range no {
		for _, secret := range w.secrets(id, who) {
			if strings.Contains(text, secret) {
				w.t.Errorf("something of %s, who said no, is in the answer", who)
			}
		}
	}
}

func (w *world) form(a prefill.Answer) *procedure.Procedure {
	w.t.Helper()
	p, ok := w.cat.Procedure(a.Procedure)
	if !ok {
		w.t.Fatalf("no procedure %s", a.Procedure)
	}
	return p
}

// askedOf lists who is asked by a request.
func askedOf(w *world, id string, request identity.RequestID) []string {
	return slices.DeleteFunc(w.dossier(id).people(), func(who string) bool { return !w.asks(request, who) })
}

// values are the values of an answer by field and place: with fewer grants a field may be read from another paper, of who did agree.
func values(a prefill.Answer) map[string]string {
	out := map[string]string{}
	for _, f := range a.Fields {
		out[place(f)] = string(f.Answered())
	}
	return out
}

func place(f prefill.Field) string {
	if f.Source == nil {
		return f.Name
	}
	return f.Name + " " + f.Source.Document + f.Source.Pointer
}

// plain is everything of an answer in clear.
func plain(a prefill.Answer) string {
	var out strings.Builder
	for _, f := range a.Fields {
		out.Write(f.Answered())
		if f.Address != nil {
			out.WriteString(f.Address.Issued.Text)
		}
	}
	for _, c := range a.Conflicts {
		out.Write(c.Left.Value)
		out.Write(c.Right.Value)
	}
	return out.String()
}

// secrets are the texts that stand in somebody's papers and in those of nobody else of the dossier.
func (w *world) secrets(id, who string) []string {
	mine, others := map[string]bool{}, map[string]bool{}
	for _, p := range w.dossier(id).people() {
		for _, doc := range w.of(p).Papers {
			if p == who {
				leaves(w.t, doc.JSON, mine)
			} else {
				leaves(w.t, doc.JSON, others)
			}
		}
	}
	return slices.DeleteFunc(slices.Collect(maps.Keys(mine)), func(s string) bool { return others[s] || len(s) < 6 })
}

// leaves collects the texts of a JSON document.
func leaves(t interface{ Fatal(...any) }, raw json.RawMessage, into map[string]bool) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			into[v] = true
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
}
