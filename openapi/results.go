package openapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/auth"
	"vidan/intake"
)

// ResultBody is one signed result.
type ResultBody struct {
	Result string `json:"result" minLength:"16" maxLength:"524288" doc:"Compact JWS, typ vidan-result+jwt (docs/RESULTS.md §1.1)." example:"eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIiwidHlwIjoidmlkYW4tcmVzdWx0K2p3dCJ9.eyJyZXN1bHRfaWQiOiIuLi4ifQ.c2lnbmF0dXJl"`
}

// ResultAnswer is what became of a result. Stored and waiting for a number cannot be told apart.
type ResultAnswer struct {
	Status       string          `json:"status" enum:"accepted,quarantined" doc:"What became of the result."`
	Receipt      string          `json:"receipt" doc:"Signed receipt (typ vidan-receipt+jwt); the same bytes for the same delivery, for ever."`
	DocumentID   string          `json:"document_id" doc:"The paper, as your organisation may name it."`
	SubjectRef   string          `json:"subject_ref" doc:"Names the person in your later results; opens nothing else."`
	Warnings     []ResultWarning `json:"warnings,omitempty" doc:"Odd, but not a reason to refuse."`
	QuarantineID string          `json:"quarantine_id,omitempty"`
	Reason       string          `json:"reason,omitempty" enum:"subject_ambiguous,subject_changed,number_unknown,revision_conflict"`
	Holder       string          `json:"holder,omitempty" doc:"Who decides: registrar, or your organisation."`
	Deadline     *time.Time      `json:"deadline,omitempty" doc:"Until when the holder must decide."`
}

// ResultWarning is something to look at.
type ResultWarning struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
}

type resultsInput struct {
	ContentType string `header:"Content-Type" doc:"application/json for one result, application/x-ndjson for up to 1,000."`
	RawBody     []byte `contentType:"application/json" doc:"One result, or one per line."`
}

type resultOutput struct {
	ContentType string `header:"Content-Type"`
	Body        func(huma.Context)
}

const (
	maxLines  = 1000
	maxLine   = 1 << 20
	maxNDJSON = 32 << 20
	ndjson    = "application/x-ndjson"
)

func (a *API) registerResults() {
	body, answer, line := schemaOf[ResultBody](a), schemaOf[ResultAnswer](a), schemaOf[ResultLine](a)
	one := map[string]*huma.MediaType{"application/json": {Schema: answer}}
	operation(a, huma.Operation{
		OperationID: "deliver-results", Method: http.MethodPost, Path: "/v1/results", Tags: []string{"organisations"},
		Summary:     "Deliver finished results",
		Description: "Hands over the signed result of a finished procedure, or up to 1,000 of them as NDJSON, answered line by line. Sent again, the same receipt is returned byte for byte.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}},
		Responses: map[string]*huma.Response{
			"200": {Description: "Delivered before, or one answer a line", Content: map[string]*huma.MediaType{"application/json": {Schema: answer}, ndjson: {Schema: line}}},
			"201": {Description: "Accepted", Content: one},
			"202": {Description: "Valid but ambiguous: a person decides", Content: one},
		},
		MaxBodyBytes: maxNDJSON, SkipValidateBody: true, // each line by itself
	}, machine("results"), []string{"signature_invalid", "mandate_missing", "busy", "result_id_reused", "schema_invalid", "subject_mismatch",
		"subject_ref_unknown", "attachments_not_accepted", "record_unavailable", "keys_unavailable", "outcome_unknown"},
		a.deliver)
	// huma knows raw bodies as text alone: what is in them is said here.
	content := a.huma.OpenAPI().Paths["/v1/results"].Post.RequestBody.Content
	content["application/json"], content[ndjson] = &huma.MediaType{Schema: body}, &huma.MediaType{Schema: body}
}

func (a *API) deliver(ctx context.Context, in *resultsInput) (*resultOutput, error) {
	switch mediaType(in.ContentType) {
	case ndjson:
		return a.deliverLines(ctx, in.RawBody)
	case "application/json":
	default:
		return nil, newProblem(ctx, "unsupported_media_type")
	}
	status, answer, err := a.deliverOne(ctx, in.RawBody, true)
	if err != nil {
		return nil, err
	}
	return &resultOutput{ContentType: "application/json", Body: func(hctx huma.Context) {
		hctx.SetStatus(status)
		_ = json.NewEncoder(hctx.BodyWriter()).Encode(answer)
	}}, nil
}

// deliverOne takes one result; first uses up the proof of the request.
func (a *API) deliverOne(ctx context.Context, raw []byte, first bool) (int, ResultAnswer, error) {
	if len(raw) > maxLine {
		return 0, ResultAnswer{}, newProblem(ctx, codeTooLarge)
	}
	result, ok := plainResult(raw)
	if !ok {
		if result, ok = anyResult(raw); !ok {
			return 0, ResultAnswer{}, newProblem(ctx, codeInvalidRequest, Fault{Pointer: "/result", Code: "required"})
		}
	}
	done, err := a.Intake.Accept(ctx, intake.Call{Principal: caller(ctx), First: first, Trace: requestOf(ctx).id}, result)
	if err != nil {
		return 0, ResultAnswer{}, err
	}
	status := http.StatusCreated
	switch {
	case done.Repeated:
		status = http.StatusOK
	case done.Status == intake.Quarantined:
		status = http.StatusAccepted
	}
	return status, resultAnswer(done), nil
}

// anyResult reads a ResultBody however it is written.
func anyResult(raw []byte) (string, bool) {
	var body ResultBody
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(&body)
	return body.Result, err == nil && body.Result != "" && d.Decode(new(any)) == io.EOF
}

// plainResult reads a ResultBody as almost everybody writes it, one member and a JWS without escapes, in a tenth of the time of anyResult. What it
// does not take may still be one.
func plainResult(raw []byte) (string, bool) {
	rest, ok := raw, false
	for _, token := range []string{`{`, `"result"`, `:`, `"`} {
		if rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, space), []byte(token)); !ok {
			return "", false
		}
	}
	end := max(bytes.IndexByte(rest, '"'), 0)
	for _, c := range rest[:end] {
		if c <= ' ' || c == '\\' || c > '~' {
			return "", false
		}
	}
	after, ok := bytes.CutPrefix(rest[end:], []byte(`"`))
	return string(rest[:end]), ok && end > 0 && string(bytes.Trim(after, space)) == `}`
}

// space is what may stand between the tokens of JSON (RFC 8259 §2).
const space = " \t\n\r"

func resultAnswer(done intake.Answer) ResultAnswer {
	out := ResultAnswer{
		Status: string(done.Status), Receipt: done.Receipt, DocumentID: done.DocumentID, SubjectRef: done.SubjectRef,
		QuarantineID: done.Quarantine, Reason: string(done.Reason), Holder: done.Holder,
	}
	for _, w := range done.Warnings {
		out.Warnings = append(out.Warnings, ResultWarning(w))
	}
	if !done.Deadline.IsZero() {
		out.Deadline = &done.Deadline
	}
	return out
}

// ResultLine is one line of an NDJSON answer: the status it would have had alone, and the answer or the problem.
type ResultLine struct {
	Status  int           `json:"status"`
	Result  *ResultAnswer `json:"result,omitempty"`
	Problem *Problem      `json:"problem,omitempty"`
}

// deliverLines takes up to a thousand results; a line that fails stops nothing behind it (P5). More lines than that, or none, are refused before anything
// is taken in.
func (a *API) deliverLines(ctx context.Context, raw []byte) (*resultOutput, error) {
	lines := slices.DeleteFunc(bytes.Split(raw, []byte{'\n'}), func(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 })
	switch {
	case len(lines) == 0:
		return nil, newProblem(ctx, codeInvalidRequest, Fault{Code: "required"})
	case len(lines) > maxLines:
		return nil, newProblem(ctx, codeTooLarge)
	}
	answers := make([]ResultLine, len(lines))
	first := true
	for i, line := range lines {
		status, answer, err := a.deliverOne(ctx, line, first)
		if err == nil {
			first, answers[i] = false, ResultLine{Status: status, Result: &answer}
			continue
		}
		p := a.problem(ctx, err)
		if first && p.Status == http.StatusUnauthorized {
			return nil, p // about the caller, not about the line
		}
		first = first && unused(p, err)
		answers[i] = ResultLine{Status: p.Status, Problem: p}
	}
	return &resultOutput{ContentType: ndjson, Body: func(hctx huma.Context) {
		hctx.SetStatus(http.StatusOK)
		enc := json.NewEncoder(hctx.BodyWriter())
		for _, answer := range answers {
			if enc.Encode(answer) != nil {
				return // the client is gone; everything is stored and can be asked for again
			}
		}
	}}, nil
}

// unused reports a failure that left the proof of the request for the next line to use up: the line never reached the database, or nobody knows. A proof
// that is used up after all makes the next line 401, which is repeated with the line that failed.
func unused(p *Problem, err error) bool {
	switch p.Code {
	case codeInvalidRequest, codeTooLarge:
		return true
	case "signature_invalid":
		return !errors.Is(err, auth.ErrUnknownKey)
	}
	return p.Status >= http.StatusInternalServerError
}
