package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"vidan/internal/outside"
)

// fields are those of the form that stand in four papers of two people: identity card of the mother; birth certificate, residence registration
// and insurance card of the child.
func fields() []string {
	return []string{
		"applicant_full_name", "applicant_personal_number", "applicant_phone", "child_full_name", "child_personal_number", "child_birth_date",
		"child_sex", "child_ethnicity", "child_nationality", "child_place_of_birth", "child_residence", "child_insurance_card", "mother_full_name",
	}
}

// grantAll has the kindergarten ask, and the mother allow for her child and for herself, until a date: so a form can be filled again and again.
// n requests of one family stand for the requests of many.
func (w *world) grantAll(ctx context.Context, n int) error {
	mother, phone, err := w.citizen(ctx, "dan", true)
	if err != nil {
		return err
	}
	var people struct {
		Items []struct {
			Person   string `json:"person"`
			Relation string `json:"relation"`
		} `json:"items"`
	}
	if err := ask(ctx, mother, http.MethodGet, "/v1/people", nil, http.StatusOK, &people); err != nil {
		return err
	}
	child := ""
	for _, p := range people.Items {
		if p.Relation == "mother" {
			child = p.Person
		}
	}
	if child == "" {
		return errors.New("the mother may not act for her child")
	}
	for i := range n {
		request, err := w.askFamily(ctx, i)
		if err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
		for _, person := range []string{child, "me"} {
			if err := w.allow(ctx, mother, phone.Device, person); err != nil {
				return fmt.Errorf("request %d: %w", i, err)
			}
		}
		w.grants = append(w.grants, request)
	}
	return nil
}

func (w *world) askFamily(ctx context.Context, i int) (string, error) {
	c := w.clients[kindergarten]
	officer, err := c.Officer(kindergarten, "van-phong", "gv-007", w.cast.Officers[0], "Giáo viên")
	if err != nil {
		return "", err
	}
	mother, _ := w.cast.Person("dan")
	child, _ := w.cast.Person("khang")
	var made struct {
		Request string `json:"request_id"`
	}
	err = ask(ctx, c, http.MethodPost, "/v1/consent-requests", map[string]any{
		"organisation": kindergarten, "procedure": "kindergarten_enrolment", "dossier_code": fmt.Sprintf("MN-2026-%05d", i),
		"purpose": "kindergarten_enrolment", "mode": "until", "until": time.Now().AddDate(0, 6, 0).UTC().Truncate(time.Second), "fields": fields(),
		"parties": []map[string]any{
			{"roles": []string{"child"}, "personal_number": child.PersonalNumber},
			{"roles": []string{"mother", "applicant"}, "personal_number": mother.PersonalNumber},
		},
	}, http.StatusCreated, &made, "Officer-Assertion", officer, "Idempotency-Key", uuid.NewString())
	return made.Request, err
}

// allow says yes, signed by the phone, to the one request that waits for a person.
func (w *world) allow(ctx context.Context, c *outside.Client, phone *outside.Key, person string) error {
	path := "/v1/people/" + person + "/consent-requests"
	var waiting struct {
		Items []struct {
			ID string `json:"request_id"`
		} `json:"items"`
	}
	if err := ask(ctx, c, http.MethodGet, path, nil, http.StatusOK, &waiting); err != nil {
		return err
	}
	if len(waiting.Items) != 1 {
		return fmt.Errorf("%d requests wait for an answer, want 1", len(waiting.Items))
	}
	path += "/" + waiting.Items[0].ID
	var view struct {
		ToSign json.RawMessage `json:"to_sign"`
	}
	if err := ask(ctx, c, http.MethodGet, path, nil, http.StatusOK, &view); err != nil {
		return err
	}
	var asked struct {
		Fields []string `json:"fields"`
	}
	if err := json.Unmarshal(view.ToSign, &asked); err != nil {
		return fmt.Errorf("nothing to sign: %w", err)
	}
	signature, err := phone.Sign("vidan-decision+jwt", view.ToSign)
	if err != nil {
		return err
	}
	return ask(ctx, c, http.MethodPost, path+"/decision", map[string]any{"decision": "allow", "fields": asked.Fields, "signature": signature}, http.StatusOK, nil)
}
