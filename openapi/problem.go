package openapi

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// Problem is the body of every error (RFC 9457): a stable code, a sentence a person can read, the next step, and, for
// invalid input, each fault by JSON Pointer. It never carries the rejected value.
type Problem struct {
	Type      string  `json:"type" format:"uri" doc:"Opens a page that explains the code." example:"https://id.example/problems/not_found"`
	Code      string  `json:"code" doc:"Stable code; programs decide on it." example:"not_found"`
	Title     string  `json:"title" doc:"The problem in one sentence, in the language asked for."`
	Status    int     `json:"status" doc:"The HTTP status." example:"404"`
	Detail    string  `json:"detail,omitempty" doc:"What happened here, without personal data."`
	NextStep  string  `json:"next_step" doc:"What the reader can do now."`
	RequestID string  `json:"request_id,omitempty" doc:"Name this when asking for help."`
	Errors    []Fault `json:"errors,omitempty" doc:"Every fault of the input."`

	header http.Header
}

// Fault is one thing wrong with the input.
type Fault struct {
	Pointer string `json:"pointer" doc:"JSON Pointer (RFC 6901) into the input, or the name of a parameter." example:"/document/birth_date"`
	Code    string `json:"code" doc:"Stable code of the rule." example:"required"`
	Title   string `json:"title,omitempty" doc:"Name of the field, in Vietnamese." example:"Ngày, tháng, năm sinh"`
	Detail  string `json:"detail,omitempty" doc:"The rule in one sentence; never the value."`
}

// Error returns the code: the only part that may stand in a log.
func (p *Problem) Error() string { return p.Code }

// GetStatus implements [huma.StatusError].
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements [huma.HeadersError].
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements [huma.ContentTypeFilter].
func (p *Problem) ContentType(ct string) string {
	if ct == "application/json" {
		return "application/problem+json"
	}
	return ct
}

// With adds a response header, such as Retry-After or WWW-Authenticate.
func (p *Problem) With(name, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
	return p
}

// newProblem renders a code in the language and with the request id that ctx carries. An unknown code is our own
// mistake and answers as internal.
func newProblem(ctx context.Context, code string, faults ...Fault) *Problem {
	kind, ok := problems[code]
	if !ok {
		code, kind = codeInternal, problems[codeInternal]
	}
	req := requestOf(ctx)
	p := &Problem{
		Type: req.issuer + "/problems/" + code, Code: code, Status: kind.status,
		Title: kind.title.in(req.language), NextStep: kind.next.in(req.language), RequestID: req.id, Errors: faults,
	}
	if kind.retryAfter != "" {
		p.With("Retry-After", kind.retryAfter)
	}
	return p
}

// replaceErrors closes the two unsafe defaults of huma: the text of a plain error never reaches a 5xx body, and a
// validation error never echoes the rejected value. It is package state of huma, and set once.
var replaceErrors = sync.OnceFunc(func() {
	huma.DefaultArrayNullable = false // a list is never null: refused on input, not given on output
	huma.NewErrorWithContext = func(hctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		ctx := context.Background()
		if hctx != nil {
			ctx = hctx.Context()
		}
		return frameworkProblem(ctx, status, errs)
	}
	huma.NewError = func(status int, _ string, errs ...error) huma.StatusError {
		return frameworkProblem(context.Background(), status, errs)
	}
})

// frameworkProblem is what huma itself refuses: shape, size, media type, or a handler's unmapped error.
func frameworkProblem(ctx context.Context, status int, errs []error) huma.StatusError {
	for _, err := range errs {
		if p, ok := err.(*Problem); ok {
			return p
		}
	}
	code := codeInternal
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		code = codeInvalidRequest
	case http.StatusNotFound:
		code = codeNotFound
	case http.StatusMethodNotAllowed:
		code = "method_not_allowed"
	case http.StatusNotAcceptable:
		code = "not_acceptable"
	case http.StatusRequestEntityTooLarge:
		code = codeTooLarge
	case http.StatusUnsupportedMediaType:
		code = "unsupported_media_type"
	case http.StatusRequestTimeout:
		code = "request_timeout"
	case http.StatusNotModified:
		return &Problem{Status: http.StatusNotModified, Code: "not_modified"}
	}
	var faults []Fault
	for _, err := range errs {
		detailer, ok := err.(huma.ErrorDetailer)
		if !ok || status >= http.StatusInternalServerError {
			continue // the text of a plain error may quote the input
		}
		d := detailer.ErrorDetail()
		fault := Fault{Pointer: pointerOf(d.Location), Code: ruleOf(d.Message)}
		if fault.Code == "unknown_field" {
			fault.Pointer = parentOf(fault.Pointer) // the name was the caller's own: it may be anything
		}
		if special, ok := missingHeaders[fault]; ok {
			return newProblem(ctx, special)
		}
		faults = append(faults, fault)
	}
	return newProblem(ctx, code, faults...)
}

// missingHeaders have codes of their own: programs handle them, not people.
var missingHeaders = map[Fault]string{
	{Pointer: "Idempotency-Key", Code: "required"}: "idempotency_key_required",
}

// parentOf cuts the last segment of a pointer; the name of a parameter has none.
func parentOf(pointer string) string {
	if i := strings.LastIndexByte(pointer, '/'); i >= 0 {
		return pointer[:i]
	}
	return ""
}

// pointerOf turns huma's "body.items[3].tags" into "/items/3/tags", and "query.limit" into "limit".
func pointerOf(location string) string {
	where, rest, _ := strings.Cut(location, ".")
	if where != "body" {
		return rest
	}
	if rest == "" {
		return ""
	}
	rest = strings.NewReplacer("~", "~0", "/", "~1", "[", ".", "]", "").Replace(rest)
	return "/" + strings.ReplaceAll(rest, ".", "/")
}

// requiredName is the absent member as a last part of a pointer: a name of our own schema, not of the input.
func requiredName(message string) string {
	rest, ok := strings.CutPrefix(message, "expected required property ")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, " ")
	return "/" + name
}

// ruleOf names the broken rule by the fixed beginning of huma's message. The message itself may quote input, such
// as an unexpected property's name, and is not passed on.
func ruleOf(message string) string {
	for _, rule := range []struct{ prefix, code string }{
		{"expected required property", "required"},
		{"required", "required"},
		{"unexpected property", "unknown_field"},
		{"unknown query parameter", "unknown_field"},
		{"expected length <=", "max_length"},
		{"expected length >=", "min_length"},
		{"expected array length <=", "max_items"},
		{"expected array length >=", "min_items"},
		{"expected number <=", "maximum"},
		{"expected number >=", "minimum"},
		{"expected value to be one of", "enum"},
		{"expected string to match pattern", "pattern"},
		{"expected string to be RFC", "format"},
		{"expected string to be", "format"},
		{"expected", "type"},
	} {
		if strings.HasPrefix(message, rule.prefix) {
			return rule.code
		}
	}
	return "invalid"
}
