package intake_test

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"

	"vidan/intake"
	"vidan/procedure/examples"
)

// payload is a result before it is signed.
type payload map[string]any

// with returns a copy with members changed; nil takes one away.
func (p payload) with(changes map[string]any) payload {
	c := make(payload, len(p)+len(changes))
	for name, v := range p {
		c[name] = v
	}
	for name, v := range changes {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return c
}

// again is the same paper in another delivery.
func (p payload) again(changes map[string]any) payload {
	return p.with(map[string]any{"result_id": uuid.NewString()}).with(changes)
}

// revision is another revision of the paper.
func (p payload) revision(n int, state intake.State) payload {
	return p.again(map[string]any{"revision": n, "state": string(state)})
}

// about names the subject.
func (p payload) about(subject map[string]any) payload {
	return p.with(map[string]any{"subject": subject})
}

// says changes members of the document, by pointer; nil takes one away.
func (p payload) says(changes map[string]any) payload {
	document := map[string]any{}
	raw, err := json.Marshal(p["document"])
	if err == nil {
		err = json.Unmarshal(raw, &document)
	}
	if err != nil {
		panic(err)
	}
	for pointer, v := range changes {
		at, path := document, strings.Split(strings.TrimPrefix(pointer, "/"), "/")
		for _, name := range path[:len(path)-1] {
			at = at[name].(map[string]any)
		}
		if at[path[len(path)-1]] = v; v == nil {
			delete(at, path[len(path)-1])
		}
	}
	return p.with(map[string]any{"document": document})
}

func byNumber(n string) map[string]any { return map[string]any{"personal_number": n} }
func byNotice(n string) map[string]any { return map[string]any{"birth_notice_number": n} }

// paper is a paper of the cast as its agency delivers it, revision 1, named by the number of its person.
func (w *world) paper(who, typ, procedure, organisation string) payload {
	w.t.Helper()
	paper, found := w.cast.Paper(who, typ)
	if !found {
		w.t.Fatalf("the cast has no %s of %s", typ, who)
	}
	return payload{
		"result_id": uuid.NewString(), "document_ref": who + "/" + typ, "revision": 1, "state": "issued", "issued_at": "2026-10-01T09:30:00+07:00",
		"document_type": typ, "procedure": procedure, "dossier_code": "H24.99-260930-0001", "subject": byNumber(w.of(who).PersonalNumber),
		"issued_by":   map[string]any{"organisation": organisation, "unit": "mot-cua", "officer": "cb-002"},
		"attachments": []any{}, "document": paper.JSON,
	}
}

// birth is the birth certificate of somebody of the cast.
func (w *world) birth(who string) payload {
	w.t.Helper()
	return w.paper(who, "birth_certificate", "birth_registration", commune)
}

// newborn is a birth certificate before the number is known.
func (w *world) newborn(who string) payload {
	w.t.Helper()
	return w.birth(who).about(byNotice(w.of(who).BirthNoticeNumber)).says(map[string]any{"/personal_number": nil})
}

func (w *world) card(who string) payload {
	w.t.Helper()
	return w.paper(who, "health_insurance_card", "child_health_insurance_card", insurance)
}

func (w *world) marriage() payload {
	w.t.Helper()
	return w.paper("chung", "marriage_certificate", "marriage_registration", commune)
}

func (w *world) death() payload {
	w.t.Helper()
	return w.paper("mau", "death_extract", "death_registration", commune)
}

// of finds somebody of the cast.
func (w *world) of(id string) examples.Person {
	w.t.Helper()
	i := slices.IndexFunc(w.cast.People, func(p examples.Person) bool { return p.ID == id })
	if i < 0 {
		w.t.Fatalf("nobody is called %s", id)
	}
	return w.cast.People[i]
}

func (w *world) commune() *agency   { return w.agencies[commune].in(w) }
func (w *world) insurance() *agency { return w.agencies[insurance].in(w) }
func (w *world) police() *agency    { return w.agencies[police].in(w) }
