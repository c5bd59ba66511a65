package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/google/uuid"

	"vidan/internal/outside"
)

const kindergarten = "mam-non-hoa-mai"

// enrolment is the second half of the story: a kindergarten asks, the mother decides, the form comes back filled.
type enrolment struct {
	*birth
	mother  *motherOf
	request string
	filled  filledForm
}

type filledForm struct {
	Disclosure string `json:"disclosure_id"`
	Fields     []struct {
		Name   string          `json:"name"`
		Value  json.RawMessage `json:"value"`
		Salt   string          `json:"salt"`
		Source *struct {
			DocumentType string `json:"document_type"`
			Issuer       string `json:"issuer"`
		} `json:"source"`
	} `json:"fields"`
	Missing []struct {
		Name   string `json:"name"`
		Reason string `json:"reason"`
	} `json:"missing"`
	Signed string `json:"signed"`
}

func (e *enrolment) play(ctx context.Context) error {
	at := &counter{enrolment: e}
	for _, act := range []func(context.Context) error{e.tooMuch, e.ask, e.early, at.asked, e.decide, at.answered, e.fill, e.history, e.withdraw} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

// post calls as the kindergarten, with its officer named and a key of its own.
func (e *enrolment) post(ctx context.Context, c *outside.Client, status int, path, key string, body any) (*outside.Answer, error) {
	officer, err := e.officer(kindergarten)
	if err != nil {
		return nil, err
	}
	return want(c, ctx, status, http.MethodPost, path, body, "Officer-Assertion", officer, "Idempotency-Key", key)
}

func (e *enrolment) asking(fields []string) map[string]any {
	mother := e.box.Citizen("du").PersonalNumber
	body := map[string]any{
		"organisation": kindergarten, "procedure": "kindergarten_enrolment", "dossier_code": "MN-2026-0001", "purpose": "enrolment", "mode": "uses", "uses": 3,
		"parties": []map[string]any{
			{"roles": []string{"child"}, "personal_number": e.child.PersonalNumber},
			{"roles": []string{"mother", "applicant"}, "personal_number": mother},
		},
	}
	if fields != nil {
		body["fields"] = fields
	}
	return body
}

// tooMuch: a field that the form does not use is refused by name, and the attempt is in the record.
func (e *enrolment) tooMuch(ctx context.Context) error {
	c, err := e.agency(ctx, kindergarten)
	if err != nil {
		return err
	}
	answer, err := e.post(ctx, c, http.StatusUnprocessableEntity, "/v1/consent-requests", uuid.NewString(), e.asking([]string{"child_full_name", "religion"}))
	if err != nil {
		return err
	}
	if answer.Problem().Code != "fields_outside_procedure" || len(answer.Problem().Errors) != 1 {
		return fmt.Errorf("asking for too much answered %s", answer.Body)
	}
	e.step("the kindergarten asks for a field its form does not use: refused, and recorded where the mother sees it")
	return nil
}

func (e *enrolment) ask(ctx context.Context) error {
	c, key := e.clients[kindergarten], uuid.NewString()
	answer, err := e.post(ctx, c, http.StatusCreated, "/v1/consent-requests", key, e.asking(nil))
	if err != nil {
		return err
	}
	var made struct {
		Request string `json:"request_id"`
	}
	if err := answer.Decode(&made); err != nil || made.Request == "" {
		return errors.New("the request has no id")
	}
	e.request = made.Request
	again, err := c.Do(ctx, http.MethodPost, "/v1/consent-requests", e.asking(nil), "Idempotency-Key", key, "Officer-Assertion", must(e.officer(kindergarten)))
	if err != nil {
		return err
	}
	if err := again.Decode(&made); err != nil || made.Request != e.request {
		return errors.New("the same request, sent again, became another")
	}
	e.step("it asks for what its form needs, naming its officer; sent twice, it is one request")
	return nil
}

func must(s string, err error) string {
	if err != nil {
		return ""
	}
	return s
}

func (e *enrolment) redeem(ctx context.Context, c *outside.Client, status int, key string) (*outside.Answer, error) {
	return e.post(ctx, c, status, "/v1/prefill", key, map[string]string{"organisation": kindergarten, "request_id": e.request})
}

// early: before anybody decided, nothing is released.
func (e *enrolment) early(ctx context.Context) error {
	answer, err := e.redeem(ctx, e.clients[kindergarten], http.StatusForbidden, uuid.NewString())
	if err != nil {
		return err
	}
	if answer.Problem().Code != "not_granted" {
		return fmt.Errorf("an early reading answered %s", answer.Body)
	}
	e.step("before she decides, a reading is refused")
	return nil
}

// decide: the mother reads who asks, why, for which fields with their present values and for how long, and signs with her phone: once for her
// child, once for herself.
func (e *enrolment) decide(ctx context.Context) error {
	for _, person := range []string{e.mother.child, "me"} {
		if err := e.decideFor(ctx, person); err != nil {
			return err
		}
	}
	e.step("she decides for her child and for herself, each signed by her phone")
	return e.told(ctx)
}

func (e *enrolment) decideFor(ctx context.Context, person string) error {
	c := e.mother.client
	answer, err := want(c, ctx, http.StatusOK, http.MethodGet, "/v1/people/"+person+"/consent-requests", nil)
	if err != nil {
		return err
	}
	var pending struct {
		Items []struct {
			ID string `json:"request_id"`
		} `json:"items"`
	}
	if err := answer.Decode(&pending); err != nil || len(pending.Items) != 1 {
		return fmt.Errorf("%d requests wait for an answer, want 1", len(pending.Items))
	}
	path := "/v1/people/" + person + "/consent-requests/" + pending.Items[0].ID
	if answer, err = want(c, ctx, http.StatusOK, http.MethodGet, path, nil); err != nil {
		return err
	}
	var view struct {
		Organisation struct {
			Name string `json:"name_vi"`
		} `json:"organisation"`
		Fields []struct {
			Title   string `json:"title_vi"`
			Present *struct {
				Value json.RawMessage `json:"value"`
			} `json:"present"`
		} `json:"fields"`
		ToSign json.RawMessage `json:"to_sign"`
		Texts  map[string]struct {
			Text string `json:"text"`
		} `json:"texts"`
	}
	if err := answer.Decode(&view); err != nil || view.ToSign == nil || view.Texts["vi"].Text == "" || len(view.Fields) == 0 {
		return errors.New("the request cannot be read and decided")
	}
	held := 0
	for _, f := range view.Fields {
		if f.Present != nil && f.Present.Value != nil {
			held++
		}
	}
	if person != "me" {
		e.step("on her phone she reads, in Vietnamese, that %s asks, why, and for %d fields of her child's, %d with their present value", view.Organisation.Name, len(view.Fields), held)
	}
	signature, err := e.mother.phone.Device.Sign("vidan-decision+jwt", view.ToSign)
	if err != nil {
		return err
	}
	_, err = want(c, ctx, http.StatusOK, http.MethodPost, path+"/decision", map[string]string{"decision": "allow", "signature": signature})
	return err
}

// told: the organisation learns that its request is complete, and nothing else.
func (e *enrolment) told(ctx context.Context) error {
	c := e.clients[kindergarten]
	err := until(ctx, "the event that the request was decided", func() (bool, error) {
		answer, err := want(c, ctx, http.StatusOK, http.MethodGet, "/v1/events?organisation="+kindergarten, nil)
		return err == nil && contains(answer.Body, "request.decided") && contains(answer.Body, e.request), err
	})
	if err != nil {
		return err
	}
	answer, err := want(c, ctx, http.StatusOK, http.MethodGet, "/v1/consent-requests/"+e.request+"?organisation="+kindergarten, nil)
	if err != nil {
		return err
	}
	if !contains(answer.Body, `"complete"`) {
		return fmt.Errorf("the request stands as %s", answer.Body)
	}
	e.step("the kindergarten is told by an event that the request is complete")
	return nil
}

// fill: the form comes back filled, every field with its source, signed.
func (e *enrolment) fill(ctx context.Context) error {
	key := uuid.NewString()
	answer, err := e.redeem(ctx, e.clients[kindergarten], http.StatusOK, key)
	if err != nil {
		return err
	}
	if err := answer.Decode(&e.filled); err != nil {
		return err
	}
	for _, f := range e.filled.Fields {
		if f.Source == nil || f.Source.DocumentType == "" {
			return fmt.Errorf("the field %s has no source", f.Name)
		}
	}
	if err := e.checkSignature(ctx); err != nil {
		return err
	}
	var typed []string
	for _, m := range e.filled.Missing {
		typed = append(typed, m.Name+" ("+m.Reason+")")
	}
	if len(e.filled.Fields) < 15 || !slices.ContainsFunc(e.filled.Missing, func(m struct {
		Name   string `json:"name"`
		Reason string `json:"reason"`
	}) bool {
		return m.Name == "school_choice" && m.Reason == "must_be_typed"
	}) {
		return fmt.Errorf("%d fields were prefilled; left to type: %s", len(e.filled.Fields), strings.Join(typed, ", "))
	}
	e.step("the form comes back filled: %d fields prefilled, each with its source and signed; left to type: %s", len(e.filled.Fields), strings.Join(typed, ", "))
	again, err := e.redeem(ctx, e.clients[kindergarten], http.StatusOK, key)
	if err != nil {
		return err
	}
	var repeated filledForm
	if err := again.Decode(&repeated); err != nil || repeated.Disclosure != e.filled.Disclosure {
		return errors.New("the same reading, asked for again, became another")
	}
	e.step("asked for again with the same key, it is the same release, and no use is lost")
	return nil
}

// checkSignature holds every value to its digest in the signed answer, as the kindergarten would offline.
func (e *enrolment) checkSignature(ctx context.Context) error {
	keys, err := e.get(ctx, "/oauth/jwks")
	if err != nil {
		return err
	}
	payload, err := outside.Verify(keys.Body, "vidan-prefill+jwt", e.filled.Signed)
	if err != nil {
		return fmt.Errorf("the answer's signature: %w", err)
	}
	var claims struct {
		Digests map[string]string `json:"digests"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return err
	}
	for _, f := range e.filled.Fields {
		salt, err := base64.RawURLEncoding.DecodeString(f.Salt)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(slices.Concat(salt, []byte(f.Name), []byte{0}, f.Value))
		if claims.Digests[f.Name] != base64.RawURLEncoding.EncodeToString(sum[:]) {
			return fmt.Errorf("the value of %s does not fit its signed digest", f.Name)
		}
	}
	return nil
}

type access struct {
	Kind     string   `json:"kind"`
	Outcome  string   `json:"outcome"`
	Sentence string   `json:"sentence"`
	Fields   []string `json:"fields"`
	Officer  *struct {
		Name string `json:"name"`
	} `json:"officer"`
}

func accesses(ctx context.Context, c *outside.Client, person string) ([]access, []byte, error) {
	answer, err := want(c, ctx, http.StatusOK, http.MethodGet, "/v1/people/"+person+"/accesses", nil)
	if err != nil {
		return nil, nil, err
	}
	var list struct {
		Items []access `json:"items"`
	}
	return list.Items, answer.Body, answer.Decode(&list)
}

// history: she sees the reading, who it was and which fields; never a value.
func (e *enrolment) history(ctx context.Context) error {
	items, raw, err := accesses(ctx, e.mother.client, e.mother.child)
	if err != nil {
		return err
	}
	if contains(raw, e.child.PersonalNumber) {
		return errors.New("the access history holds a value")
	}
	for _, a := range items {
		if a.Kind == "disclosure" && a.Outcome == "done" && len(a.Fields) > 0 && a.Officer != nil && a.Officer.Name != "" {
			e.step("in the access history of her child she reads: %q, by %s, %d fields", a.Sentence, a.Officer.Name, len(a.Fields))
			return nil
		}
	}
	return errors.New("the reading is not in the access history")
}

// withdraw: the next reading is refused.
func (e *enrolment) withdraw(ctx context.Context) error {
	c := e.mother.client
	answer, err := want(c, ctx, http.StatusOK, http.MethodGet, "/v1/people/"+e.mother.child+"/consents", nil)
	if err != nil {
		return err
	}
	var list struct {
		Items []struct {
			ID    string `json:"consent_id"`
			State string `json:"state"`
		} `json:"items"`
	}
	if err := answer.Decode(&list); err != nil || len(list.Items) != 1 {
		return errors.New("her consent is not listed")
	}
	if _, err := want(c, ctx, http.StatusOK, http.MethodPost, "/v1/people/"+e.mother.child+"/consents/"+list.Items[0].ID+"/withdraw", nil); err != nil {
		return err
	}
	refused, err := e.redeem(ctx, e.clients[kindergarten], http.StatusForbidden, uuid.NewString())
	if err != nil {
		return err
	}
	if refused.Problem().Code != "grant_withdrawn" {
		return fmt.Errorf("a reading after the withdrawal answered %s", refused.Body)
	}
	e.step("she withdraws, and the very next reading is refused")
	return nil
}

// leaked: somebody has the kindergarten's private key. It gets them nothing, and ends when the operator blocks the client.
func (e *enrolment) leaked(ctx context.Context) error {
	who := e.box.Client(kindergarten)
	thief, err := e.newClient(who.ClientID, who.JWK)
	if err != nil {
		return err
	}
	if err := thief.Login(ctx, "consent", "prefill", "events"); err != nil {
		return err
	}
	if _, err := e.redeem(ctx, thief, http.StatusForbidden, uuid.NewString()); err != nil {
		return err
	}
	if _, err := want(thief, ctx, http.StatusForbidden, http.MethodGet, "/v1/people/me/documents", nil); err != nil {
		return err
	}
	e.step("somebody with the kindergarten's leaked key signs in as the kindergarten: without a grant every reading is refused")
	block := exec.CommandContext(ctx, os.Args[0], "client", "block", who.ClientID)
	block.Env = append(os.Environ(), "VIDAN_DATA="+e.folder, "VIDAN_ISSUER="+e.issuer, "DATABASE_URL=")
	if out, err := block.CombinedOutput(); err != nil {
		return fmt.Errorf("vidan client block: %w: %s", err, out)
	}
	answer, err := want(thief, ctx, http.StatusUnauthorized, http.MethodGet, "/v1/events?organisation="+kindergarten, nil)
	if err != nil {
		return err
	}
	if answer.Problem().Code != "client_blocked" {
		return fmt.Errorf("a blocked client was answered %s", answer.Body)
	}
	e.step("the operator blocks the client: the token in the thief's hand ends at its next use")
	return nil
}
