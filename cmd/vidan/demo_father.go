package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/google/uuid"
)

// father is the separated father: a court took his rights over the child away. He must see nothing new of what the mother decides, and nothing that
// tells him so.
func (s *story) father(ctx context.Context) error {
	him, _, err := s.citizen(ctx, "giai", true)
	if err != nil {
		return err
	}
	var child string
	err = until(ctx, "the father may act for his child", func() (bool, error) {
		people, err := relatives(ctx, him)
		for _, p := range people {
			if p.Relation == "father" {
				child = p.Handle
			}
		}
		return child != "", err
	})
	if err != nil {
		return err
	}
	if err := s.restrict(ctx); err != nil {
		return err
	}
	before, err := s.sees(ctx, "giai")
	if err != nil {
		return err
	}
	if err := s.otherChild(ctx); err != nil {
		return err
	}
	after, err := s.sees(ctx, "giai")
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(before, after) {
		return errors.New("the separated father sees something new")
	}
	gone, err := want(him, ctx, http.StatusNotFound, http.MethodGet, "/v1/people/"+child+"/documents", nil)
	if err != nil {
		return err
	}
	never, err := want(him, ctx, http.StatusNotFound, http.MethodGet, "/v1/people/"+child[:len(child)-1]+"A/documents", nil)
	if err != nil {
		return err
	}
	if gone.Problem().Code != never.Problem().Code || gone.Problem().Title != never.Problem().Title {
		return errors.New("the father can tell a right that was taken from one that never was")
	}
	s.step("the separated father, whose right a court took away, sees nothing new; the child answers him like somebody who does not exist")
	return nil
}

// restrict has the registrar enter the court's decision.
func (s *story) restrict(ctx context.Context) error {
	registrar, err := s.agency(ctx, "dinh-danh")
	if err != nil {
		return err
	}
	officer, err := s.officer("dinh-danh")
	if err != nil {
		return err
	}
	found, err := want(registrar, ctx, http.StatusOK, http.MethodPost, "/v1/citizens/find?organisation=dinh-danh",
		map[string]any{"who": map[string]string{"personal_number": s.numberOf("khang")}}, "Officer-Assertion", officer)
	if err != nil {
		return err
	}
	var khang struct {
		Handle string `json:"person"`
	}
	if err := found.Decode(&khang); err != nil {
		return err
	}
	path := "/v1/citizens/" + khang.Handle + "/relations"
	answer, err := want(registrar, ctx, http.StatusOK, http.MethodGet, path+"?organisation=dinh-danh", nil, "Officer-Assertion", officer)
	if err != nil {
		return err
	}
	var list struct {
		Items []struct {
			ID   string `json:"relation_id"`
			Kind string `json:"kind"`
		} `json:"items"`
	}
	if err := answer.Decode(&list); err != nil {
		return err
	}
	for _, r := range list.Items {
		if r.Kind == "father" {
			_, err := want(registrar, ctx, http.StatusNoContent, http.MethodPost, path+"/"+r.ID+"/restrict?organisation=dinh-danh",
				map[string]string{"reason": "court"}, "Officer-Assertion", officer)
			return err
		}
	}
	return errors.New("the registrar does not find the father's relation")
}

// sees is everything a person can see of themselves and others, as far as it could tell of the mother's doings.
func (s *story) sees(ctx context.Context, id string) (map[string]any, error) {
	c, _, err := s.citizen(ctx, id, true)
	if err != nil {
		return nil, err
	}
	people, err := relatives(ctx, c)
	if err != nil {
		return nil, err
	}
	papers, err := papersOf(ctx, c, "me")
	if err != nil {
		return nil, err
	}
	requests, err := want(c, ctx, http.StatusOK, http.MethodGet, "/v1/people/me/consent-requests", nil)
	if err != nil {
		return nil, err
	}
	consents, err := want(c, ctx, http.StatusOK, http.MethodGet, "/v1/people/me/consents", nil)
	if err != nil {
		return nil, err
	}
	return map[string]any{"people": len(people), "papers": papers, "requests": string(requests.Body), "consents": string(consents.Body)}, nil
}

// otherChild: the kindergarten asks for the other child too, and his mother is asked.
func (s *story) otherChild(ctx context.Context) error {
	c, err := s.agency(ctx, kindergarten)
	if err != nil {
		return err
	}
	officer, err := s.officer(kindergarten)
	if err != nil {
		return err
	}
	_, err = want(c, ctx, http.StatusCreated, http.MethodPost, "/v1/consent-requests", map[string]any{
		"organisation": kindergarten, "procedure": "kindergarten_enrolment", "dossier_code": "MN-2026-0002", "purpose": "enrolment", "mode": "once",
		"parties": []map[string]any{
			{"roles": []string{"child"}, "personal_number": s.numberOf("khang")},
			{"roles": []string{"mother", "applicant"}, "personal_number": s.box.Citizen("dan").PersonalNumber},
		},
	}, "Officer-Assertion", officer, "Idempotency-Key", uuid.NewString())
	if err != nil {
		return err
	}
	mother, _, err := s.citizen(ctx, "dan", true)
	if err != nil {
		return err
	}
	answer, err := want(mother, ctx, http.StatusOK, http.MethodGet, "/v1/people/me/consent-requests", nil)
	if err != nil {
		return err
	}
	if !contains(answer.Body, "kindergarten") {
		return fmt.Errorf("the other mother is not asked: %s", answer.Body)
	}
	return nil
}
