package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"vidan/internal/outside"
)

// patience is how long what follows a commit may take before the story says that it never came.
const patience = 10 * time.Second

func contains(body []byte, s string) bool { return bytes.Contains(body, []byte(s)) }

// until asks again until what follows a commit in another vault has happened.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(); err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: did not happen within %s", what, patience)
		case <-tick.C:
		}
	}
}

func (s *story) play(ctx context.Context) error {
	answer, err := s.get(ctx, "/v1/procedures/kindergarten_enrolment")
	if err != nil {
		return err
	}
	var procedure struct {
		Name   string `json:"name_vi"`
		Level  int    `json:"minimum_identity_level"`
		Fields []struct {
			Name    string   `json:"name"`
			Sources []string `json:"reusable_from"`
		} `json:"fields"`
	}
	if err := answer.Decode(&procedure); err != nil || len(procedure.Fields) == 0 {
		return errors.New("the catalogue does not show the kindergarten's form")
	}
	s.step("%s: a form of %d fields, online at level %d", procedure.Name, len(procedure.Fields), procedure.Level)
	b := newBirth(s)
	if err := b.play(ctx); err != nil {
		return err
	}
	mother, err := b.mother(ctx)
	if err != nil {
		return err
	}
	e := &enrolment{birth: b, mother: mother}
	if err := e.play(ctx); err != nil {
		return err
	}
	if err := s.father(ctx); err != nil {
		return err
	}
	return e.leaked(ctx)
}

// numberOf is the personal number of somebody of the cast, whether they can sign in or not.
func (s *story) numberOf(id string) string {
	for _, p := range s.cast.People {
		if p.ID == id {
			return p.PersonalNumber
		}
	}
	return ""
}

// paperItem is a line of the list of papers.
type paperItem struct {
	ID       string `json:"id"`
	Type     string `json:"document_type"`
	Title    string `json:"title"`
	Revision int    `json:"revision"`
	Person   string `json:"person"`
}

func papersOf(ctx context.Context, c *outside.Client, person string) ([]paperItem, error) {
	answer, err := want(c, ctx, http.StatusOK, http.MethodGet, "/v1/people/"+person+"/documents", nil)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []paperItem `json:"items"`
	}
	return list.Items, answer.Decode(&list)
}

type relative struct {
	Handle   string `json:"person"`
	Name     string `json:"name"`
	Relation string `json:"relation"`
}

func relatives(ctx context.Context, c *outside.Client) ([]relative, error) {
	answer, err := want(c, ctx, http.StatusOK, http.MethodGet, "/v1/people", nil)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []relative `json:"items"`
	}
	return list.Items, answer.Decode(&list)
}

// motherOf is the mother with her phone, and the child as she may name it.
type motherOf struct {
	client *outside.Client
	phone  outside.Citizen
	child  string
}

// mother signs in and sees her child's papers under her child's name.
func (b *birth) mother(ctx context.Context) (*motherOf, error) {
	c, phone, err := b.citizen(ctx, "du", true)
	if err != nil {
		return nil, err
	}
	b.step("the mother signs in: passphrase, then two digits confirmed on her phone (level 2)")
	m := &motherOf{client: c, phone: phone}
	err = until(ctx, "the mother may act for her child", func() (bool, error) {
		people, err := relatives(ctx, c)
		for _, p := range people {
			if p.Name == b.child.FullName && p.Relation == "mother" {
				m.child = p.Handle
			}
		}
		return m.child != "", err
	})
	if err != nil {
		return nil, err
	}
	var papers []paperItem
	err = until(ctx, "three papers of the child", func() (bool, error) {
		papers, err = papersOf(ctx, c, m.child)
		return len(papers) == 3, err
	})
	if err != nil {
		return nil, err
	}
	for _, p := range papers {
		if p.Type != "birth_certificate" {
			continue
		}
		if p.Revision != 2 {
			return nil, fmt.Errorf("the certificate stands at revision %d", p.Revision)
		}
		answer, err := want(c, ctx, http.StatusOK, http.MethodGet, "/v1/people/"+m.child+"/documents/"+p.ID+"/revisions", nil)
		if err != nil {
			return nil, err
		}
		var history struct {
			Items []struct{} `json:"items"`
		}
		if err := answer.Decode(&history); err != nil || len(history.Items) != 2 {
			return nil, errors.New("the history of the certificate does not show two revisions")
		}
	}
	b.step("she sees her child's three papers under her child's name; the certificate stands at revision 2, its history shows both")
	if _, err := want(c, ctx, http.StatusNotFound, http.MethodGet, "/v1/people/me/documents/"+papers[0].ID, nil); err != nil {
		return nil, err
	}
	b.step("asked for among her own papers, the child's paper answers like one that does not exist")
	return m, nil
}
