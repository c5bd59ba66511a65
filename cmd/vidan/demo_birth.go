package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"vidan/internal/outside"
	"vidan/procedure/examples"
)

// birth is the first half of the story: results that come late, twice and in the wrong order.
type birth struct {
	*story
	child   examples.Person
	papers  map[string]json.RawMessage
	handle  string // of the child, for the registrar
	receipt map[string]string
}

// received is what a deliverer is told.
type received struct {
	Status     string `json:"status"`
	Receipt    string `json:"receipt"`
	DocumentID string `json:"document_id"`
	SubjectRef string `json:"subject_ref"`
}

func newBirth(s *story) *birth {
	b := &birth{story: s, papers: map[string]json.RawMessage{}, receipt: map[string]string{}}
	for _, p := range s.cast.People {
		if p.ID == "an" {
			b.child = p
			for _, paper := range p.Papers {
				b.papers[paper.Type] = paper.JSON
			}
		}
	}
	return b
}

// paper is one result of the child's, before it is signed.
func (b *birth) paper(organisation, typ, procedure string, revision int, subject map[string]string, document any) map[string]any {
	state := "issued"
	if revision > 1 {
		state = "corrected"
	}
	return map[string]any{
		"result_id": uuid.NewString(), "document_ref": "an/" + typ, "revision": revision, "state": state,
		"issued_at": time.Now().Add(-time.Minute).Format(time.RFC3339), "document_type": typ, "procedure": procedure, "dossier_code": "H24.99-260930-0001",
		"subject": subject, "issued_by": map[string]string{"organisation": organisation, "unit": "mot-cua", "officer": "cb-002"}, "document": document,
	}
}

// deliver signs and sends a result.
func (b *birth) deliver(ctx context.Context, organisation string, payload map[string]any, status int) (received, []byte, error) {
	c, err := b.agency(ctx, organisation)
	if err != nil {
		return received{}, nil, err
	}
	body, err := c.Result(payload)
	if err != nil {
		return received{}, nil, err
	}
	return b.send(ctx, c, body, status)
}

func (b *birth) send(ctx context.Context, c *outside.Client, body []byte, status int) (received, []byte, error) {
	answer, err := want(c, ctx, status, http.MethodPost, "/v1/results", body)
	if err != nil {
		return received{}, nil, err
	}
	var r received
	if err := answer.Decode(&r); err != nil || r.Receipt == "" {
		return r, nil, errors.New("the answer carries no receipt")
	}
	return r, body, nil
}

func (b *birth) without(typ, member string, change func(map[string]any)) (map[string]any, error) {
	var document map[string]any
	if err := json.Unmarshal(b.papers[typ], &document); err != nil {
		return nil, err
	}
	delete(document, member)
	if change != nil {
		change(document)
	}
	return document, nil
}

func (b *birth) play(ctx context.Context) error {
	notice := map[string]string{"birth_notice_number": b.child.BirthNoticeNumber}
	both := map[string]string{"birth_notice_number": b.child.BirthNoticeNumber, "personal_number": b.child.PersonalNumber}
	number := map[string]string{"personal_number": b.child.PersonalNumber}

	// Revision 2 first: it names the number that the registrar has not bound yet.
	second, _, err := b.deliver(ctx, "xa-dai-son", b.paper("xa-dai-son", "birth_certificate", "birth_registration", 2, both, b.papers["birth_certificate"]), http.StatusCreated)
	if err != nil {
		return err
	}
	b.step("the commune delivers the birth certificate, revision 2 before revision 1: accepted, with a signed receipt")

	card, _, err := b.deliver(ctx, "bhxh-hai-phong", b.paper("bhxh-hai-phong", "health_insurance_card", "child_health_insurance_card", 1, number, b.papers["health_insurance_card"]), http.StatusCreated)
	if err != nil {
		return err
	}
	if card.Status != second.Status {
		return errors.New("a result that waits for its number is told apart from one that is stored")
	}
	b.step("the health-insurance card arrives with a number nobody has bound: accepted, and the answer looks like any other")

	document, err := b.without("birth_certificate", "personal_number", nil)
	if err != nil {
		return err
	}
	first, body, err := b.deliver(ctx, "xa-dai-son", b.paper("xa-dai-son", "birth_certificate", "birth_registration", 1, notice, document), http.StatusCreated)
	if err != nil {
		return err
	}
	again, _, err := b.send(ctx, b.clients["xa-dai-son"], body, http.StatusOK)
	if err != nil {
		return err
	}
	if again.Receipt != first.Receipt {
		return errors.New("a repeated delivery has another receipt")
	}
	b.step("revision 1 arrives late, and twice: one revision, and the same receipt byte for byte")

	if err := b.bind(ctx); err != nil {
		return err
	}
	_, _, err = b.deliver(ctx, "cong-an-cu-tru", b.paper("cong-an-cu-tru", "residence_registration", "permanent_residence_registration", 1, number, b.papers["residence_registration"]), http.StatusCreated)
	if err != nil {
		return err
	}
	b.step("the residence registration follows, by the number")
	return b.refused(ctx, number)
}

// refused: a paper with faults is sent back with every one of them, and no value.
func (b *birth) refused(ctx context.Context, number map[string]string) error {
	document, err := b.without("residence_registration", "resident", func(d map[string]any) { d["surprise"] = b.child.PersonalNumber })
	if err != nil {
		return err
	}
	c := b.clients["cong-an-cu-tru"]
	body, err := c.Result(b.paper("cong-an-cu-tru", "residence_registration", "permanent_residence_registration", 2, number, document))
	if err != nil {
		return err
	}
	answer, err := want(c, ctx, http.StatusUnprocessableEntity, http.MethodPost, "/v1/results", body)
	if err != nil {
		return err
	}
	if n := len(answer.Problem().Errors); n == 0 || contains(answer.Body, b.child.PersonalNumber) {
		return fmt.Errorf("a bad paper was refused with %d faults, or with a value among them", n)
	}
	b.step("a paper with faults is refused: %d faults by pointer and Vietnamese title, no value among them", len(answer.Problem().Errors))
	return nil
}

// bind: the registrar sees the proposal and what agrees, and binds the number.
func (b *birth) bind(ctx context.Context) error {
	registrar, err := b.agency(ctx, "dinh-danh")
	if err != nil {
		return err
	}
	officer, err := b.officer("dinh-danh")
	if err != nil {
		return err
	}
	answer, err := want(registrar, ctx, http.StatusOK, http.MethodGet, "/v1/citizens/pending?organisation=dinh-danh", nil)
	if err != nil {
		return err
	}
	var pending struct {
		Items []struct {
			Person    string   `json:"person"`
			Proposers []string `json:"proposers"`
		} `json:"items"`
	}
	if err := answer.Decode(&pending); err != nil {
		return err
	}
	for _, p := range pending.Items {
		if len(p.Proposers) > 0 {
			b.handle = p.Person
		}
	}
	if b.handle == "" {
		return errors.New("the registrar does not see the newborn whose number was proposed")
	}
	answer, err = want(registrar, ctx, http.StatusOK, http.MethodGet, "/v1/citizens/"+b.handle+"/proposals?organisation=dinh-danh", nil, "Officer-Assertion", officer)
	if err != nil {
		return err
	}
	var seen struct {
		Proposals []struct {
			Number string `json:"personal_number"`
			Notice string `json:"notice"`
			Mother string `json:"mother"`
			Date   string `json:"birth_date"`
			Sex    string `json:"sex"`
		} `json:"proposals"`
	}
	if err := answer.Decode(&seen); err != nil || len(seen.Proposals) != 1 {
		return errors.New("the registrar does not see one proposal")
	}
	p := seen.Proposals[0]
	if p.Number != b.child.PersonalNumber || p.Notice != "agrees" || p.Mother != "agrees" || p.Date != "agrees" || p.Sex != "agrees" {
		return errors.New("the proposal does not agree with the certificate")
	}
	body := map[string]any{
		"who": map[string]string{"person": b.handle}, "personal_number": b.child.PersonalNumber,
		"evidence": map[string]string{"basis": "population_database", "reference": "demo-1"},
	}
	if _, err = want(registrar, ctx, http.StatusNoContent, http.MethodPost, "/v1/citizens/bind?organisation=dinh-danh", body, "Officer-Assertion", officer); err != nil {
		return err
	}
	b.step("the registrar sees that notice, mother, date and sex agree, and binds the number; what waited is applied by itself")
	return nil
}
