package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

const birthCertificate = "birth_certificate"

// enrolled is somebody the registrar enrols; they are of the fictional cast, under numbers of the unassigned place 099.
type enrolled struct{ number, name, birthDate, sex string }

// enrol has people enrolled, eight at a time.
func (w *world) enrol(ctx context.Context, people []enrolled) error {
	c := w.clients[registrar]
	officer, err := c.Officer(registrar, "quay-1", "cb-001", w.cast.Officers[0], "Cán bộ định danh")
	if err != nil {
		return err
	}
	path := "/v1/citizens?organisation=" + registrar
	calls := make([]call, len(people))
	err = each(ctx, len(people), func(i int) error {
		p := people[i]
		body, err := json.Marshal(map[string]any{
			"personal_number": p.number, "full_name": p.name, "birth_date": p.birthDate, "sex": p.sex, "level": 0,
			"evidence": map[string]string{"basis": "population_database", "reference": "bench"},
		})
		if err != nil {
			return err
		}
		calls[i], err = w.authorized(registrar, http.MethodPost, path, body, http.StatusCreated, "Officer-Assertion", officer)
		return err
	})
	if err != nil {
		return err
	}
	l, err := drive(ctx, w.addr, min(8, max(1, len(calls))), calls, nil)
	if err == nil && l.busy > 0 {
		err = errors.New("the server was too busy to enrol everybody")
	}
	if err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	return nil
}

// enrolAll has everybody enrolled who is not of the cast itself. Children come long before their certificates are stored, on a server that is
// started anew in between: it meets each vault for the first time, as a server of a whole country would.
func (w *world) enrolAll(ctx context.Context, couples, children int) error {
	mother, _ := w.cast.Person("du")
	father, _ := w.cast.Person("thi")
	newborn, _ := w.cast.Person("an")
	var people []enrolled
	for i := range couples {
		c := couple{fmt.Sprintf("0991931%05d", i), fmt.Sprintf("0990901%05d", i)}
		w.couples = append(w.couples, c)
		people = append(people, enrolled{c.mother, mother.FullName, mother.BirthDate, mother.Sex}, enrolled{c.father, father.FullName, father.BirthDate, father.Sex})
	}
	for i := range children {
		people = append(people, enrolled{numberOf(i), newborn.FullName, newborn.BirthDate, newborn.Sex})
	}
	w.born = children
	return w.enrol(ctx, people)
}

// results prepares n signed birth certificates, each of another child.
func (w *world) results(ctx context.Context, n int) ([]call, error) {
	first := w.stored
	if w.stored += n; w.stored > w.born {
		return nil, fmt.Errorf("%d certificates for %d children", w.stored, w.born)
	}
	calls := make([]call, n)
	return calls, each(ctx, n, func(i int) error {
		payload, err := w.result(first + i)
		if err != nil {
			return err
		}
		body, err := w.clients[registry].Result(payload)
		if err != nil {
			return err
		}
		calls[i], err = w.authorized(registry, http.MethodPost, "/v1/results", body, http.StatusCreated)
		return err
	})
}

// numberOf is the personal number of the i-th child: place 099, a girl of this century, born in 2026.
func numberOf(i int) string { return fmt.Sprintf("0993261%05d", i) }

// result is the payload of the i-th child's certificate: that of the cast's newborn under another number, with other parents.
func (w *world) result(i int) (json.RawMessage, error) {
	document, err := w.certificate(i)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"result_id": uuid.NewString(), "document_ref": fmt.Sprintf("KS/%d/2026", i+100), "revision": 1, "state": "issued",
		"issued_at": time.Now().UTC().Format(time.RFC3339), "document_type": birthCertificate, "procedure": "birth_registration",
		"dossier_code": fmt.Sprintf("H24.99-260930-%05d", i), "subject": map[string]string{"personal_number": numberOf(i)},
		"issued_by": map[string]string{"organisation": registry, "unit": "mot-cua", "officer": "cb-002"},
		"document":  document,
	})
}

func (w *world) certificate(i int) (map[string]any, error) {
	paper, ok := w.cast.Paper("an", birthCertificate)
	if !ok {
		return nil, errors.New("the newborn of the cast has no birth certificate")
	}
	var document map[string]any
	if err := json.Unmarshal(paper.JSON, &document); err != nil {
		return nil, err
	}
	parents := w.couples[i%len(w.couples)]
	document["personal_number"] = numberOf(i)
	document["birth_notice_number"] = fmt.Sprintf("99999.GCS.%05d.26", 10_000+i%90_000)
	for role, number := range map[string]string{"mother": parents.mother, "father": parents.father} {
		member, ok := document[role].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("the certificate names no %s", role)
		}
		member["personal_number"] = number
	}
	if declarant, ok := document["declarant"].(map[string]any); ok {
		if paper, ok := declarant["id_document"].(map[string]any); ok {
			paper["number"] = parents.father
		}
	}
	return document, nil
}
