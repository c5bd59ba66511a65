package openapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/auth"
	"vidan/consent"
	"vidan/internal/pg"
)

// domains are the packages whose errors handlers can meet.
var domains = []string{"audit", "auth", "consent", "delivery", "identity", "intake", "internal/pg", "person", "place", "prefill", "procedure", "seal", "wallet"}

// neverHere are exported errors that no handler returns, with the reason. Should one come all the same, it is answered as internal and logged.
var neverHere = map[string]string{
	"audit.ErrEntry": "an entry that we wrote wrongly", "pg.ErrAddress": "start", "pg.ErrMigrations": "start", "pg.ErrSchemaOlder": "start", "pg.ErrSchemaNewer": "start", "pg.ErrSchemaOther": "start",
	"auth.ErrConfig": "start", "auth.ErrSigningKeys": "start", "auth.ErrRegistration": "command line", "auth.ErrNotRegistered": "command line; requests see ErrToken",
	"auth.ErrRegistered": "command line", "auth.ErrKey": "command line; a device's key is ErrDevice", "auth.ErrUntrusted": "pages", "auth.ErrPassphrase": "pages", "auth.ErrPurpose": "command line",
	"auth.ErrNoSignIn": "pages", "auth.ErrMoved": "pages", "auth.ErrRequestOver": "pages", "auth.ErrAskedEnough": "pages", "auth.ErrSaidNo": "pages",
	"consent.ErrPermit":       "a permit that we used wrongly",
	"delivery.ErrUnknownKind": "workers", "delivery.ErrPanic": "workers", "delivery.ErrConfig": "start", "delivery.ErrStarted": "start", "delivery.ErrGateway": "start",
	"delivery.ErrNoGateway": "workers", "delivery.ErrUndeliverable": "workers", "delivery.ErrTemplate": "workers", "delivery.ErrNoMessage": "workers",
	"identity.ErrDate": "named where it is parsed", "identity.ErrID": "named where it is parsed", "identity.ErrName": "named where it is parsed",
	"identity.ErrNumber": "named where it is parsed", "identity.ErrNotice": "named where it is parsed", "identity.ErrRegistration": "named where it is parsed",
	"identity.ErrText": "named where it is parsed", "procedure.ErrYear": "deadlines", "procedure.ErrCount": "deadlines", "procedure.ErrDocument": "told by intake as faults",
	"seal.ErrPlace": "a place that we named wrongly", "seal.ErrPurpose": "a purpose that we named wrongly", "seal.ErrTooLarge": "bounded before", "seal.ErrKeyset": "start",
	"wallet.ErrHead": "fsck", "wallet.ErrRevision": "bounded before", "wallet.ErrHolding": "a holding that we made wrongly", "wallet.ErrVault": "found before",
}

// exported returns the exported Err… variables of a package, as pkg.ErrX.
func exported(t *testing.T, folder string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", folder, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.VAR {
				continue
			}
			for _, spec := range group.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "Err") {
						names = append(names, parsed.Name.Name+"."+name.Name)
					}
				}
			}
		}
	}
	return names
}

// mapped returns the errors that the table in errors.go names.
func mapped(t *testing.T) map[string]bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "codes" {
			return true
		}
		ast.Inspect(spec, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && strings.HasPrefix(s.Sel.Name, "Err") {
				names[s.X.(*ast.Ident).Name+"."+s.Sel.Name] = true
			}
			return true
		})
		return false
	})
	return names
}

func TestE2_EveryDomainErrorHasACode(t *testing.T) {
	t.Parallel()
	table, all := mapped(t), map[string]bool{}
	for _, folder := range domains {
		for _, name := range exported(t, folder) {
			all[name] = true
			switch _, never := neverHere[name]; {
			case table[name] && never:
				t.Errorf("%s has a code and is said never to come", name)
			case !table[name] && !never:
				t.Errorf("%s has no code in errors.go", name)
			}
		}
	}
	for name := range neverHere {
		if !all[name] {
			t.Errorf("%s is listed and does not exist", name)
		}
	}
	for _, row := range codes {
		if _, ok := problems[row.code]; !ok {
			t.Errorf("%v has the unknown code %s", row.err, row.code)
		}
	}
}

// handledInside are refusals of the SQL that the packages turn into errors of their own, or that belong to pages and workers.
var handledInside = []string{
	"credential_used", // a code or a key that another sign-in was faster with: a wrong one
	"applied_already", "backchannel_moved", "client_changed", "code_used", "device_ended", "mirrored", "moved", "newer_held", "other_person", "paper_known", "request_over", "resolved_already", "signin_moved",
	"task_args", "throttled", "told_already",
}

// raised returns the codes with which a source file calls vidan_require: the last literal before each call's closing parenthesis.
func raised(source string) (codes []string) {
	literal := regexp.MustCompile(`'([a-z_]+)'\s*$`)
	for _, rest := range strings.Split(source, "vidan_require(")[1:] {
		depth := 1
		for i, c := range rest {
			switch c {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth == 0 {
				if m := literal.FindStringSubmatch(rest[:i]); m != nil {
					codes = append(codes, m[1])
				}
				break
			}
		}
	}
	return codes
}

func TestE2_EveryRefusalOfTheSQLHasACode(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, folder := range domains {
		files, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, code := range raised(string(source)) {
				seen++
				if _, ok := problems[code]; !ok && !slices.Contains(handledInside, code) && !slices.Contains(races, code) {
					t.Errorf("%s raises %q, which is no problem code", file, code)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d refusals found", seen)
	}
}

// TestEveryCodeIsUsed: a code that no operation can answer is not in the contract.
func TestEveryCodeIsUsed(t *testing.T) {
	t.Parallel()
	// What the framework, the mux and the limits of package auth answer anywhere.
	used := map[string]bool{"method_not_allowed": true, "not_acceptable": true, "rate_limited": true}
	each(bare(), func(_, _ string, op *huma.Operation) {
		codes, _ := op.Extensions["x-problem-codes"].([]string)
		for _, code := range codes {
			used[code] = true
		}
	})
	for code := range problems {
		if !used[code] {
			t.Errorf("no operation answers %s", code)
		}
	}
}

func TestProblemTexts(t *testing.T) {
	t.Parallel()
	for _, code := range slices.Sorted(maps.Keys(problems)) {
		vi, next, status, ok := ProblemText(code, "vi")
		en, nextEN, _, _ := ProblemText(code, "en")
		if !ok || vi == "" || next == "" || en == "" || nextEN == "" || vi == en || status < 400 || status > 599 {
			t.Errorf("%s is not explained in both languages", code)
		}
	}
	if _, _, _, ok := ProblemText("nothing", "vi"); ok {
		t.Error("an unknown code is explained")
	}
}

const secret = "099187654321 NGUYỄN BÍ MẬT"

// TestS5_AnInternalErrorSaysNothing: neither the text of an error nor a panic reaches an answer, and a panic's value not even the log.
func TestS5_AnInternalErrorSaysNothing(t *testing.T) {
	t.Parallel()
	var logs bytes.Buffer
	a := New(Deps{Issuer: "https://id.vidan.example", Log: slog.New(slog.NewJSONHandler(&logs, nil))})
	operation(a, huma.Operation{OperationID: "fails", Method: http.MethodGet, Path: "/v1/fails"}, anyone(), nil,
		func(context.Context, *struct{}) (*struct{}, error) { return nil, errors.New("opaque 42") })
	operation(a, huma.Operation{OperationID: "panics", Method: http.MethodGet, Path: "/v1/panics"}, anyone(), nil,
		func(context.Context, *struct{}) (*struct{}, error) { panic(secret) })
	operation(a, huma.Operation{OperationID: "escapes", Method: http.MethodGet, Path: "/v1/escapes"}, anyone(), nil,
		func(context.Context, *struct{}) (*struct{}, error) {
			return nil, fmt.Errorf("wrapped: %w", huma.NewError(http.StatusInternalServerError, secret, errors.New(secret)))
		})
	for _, path := range []string{"/v1/fails", "/v1/panics", "/v1/escapes"} {
		rec := httptest.NewRecorder()
		a.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		body := rec.Body.String()
		if rec.Code != http.StatusInternalServerError || !strings.Contains(body, `"code":"internal"`) || strings.Contains(body, "opaque") || strings.Contains(body, "BÍ MẬT") {
			t.Errorf("%s answered %d %s", path, rec.Code, body)
		}
		if id := rec.Header().Get("X-Request-Id"); id == "" || !strings.Contains(body, id) || !strings.Contains(logs.String(), id) {
			t.Errorf("%s: the request id is not in head, body and log", path)
		}
	}
	if !strings.Contains(logs.String(), "opaque 42") || strings.Contains(logs.String(), "BÍ MẬT") {
		t.Errorf("log: %s", logs.String())
	}
}

// TestE2_FrameworkErrorsCarryNoText covers what huma refuses by itself.
func TestE2_FrameworkErrorsCarryNoText(t *testing.T) {
	t.Parallel()
	bare() // replaces what huma makes of errors
	for _, status := range []int{400, 404, 405, 406, 408, 413, 415, 422, 500, 503} {
		err := huma.NewError(status, secret, &huma.ErrorDetail{Location: "body.items[3].name", Message: "expected string", Value: secret}, errors.New(secret))
		p, ok := err.(*Problem)
		if !ok || strings.Contains(fmt.Sprintf("%+v", *p), "BÍ MẬT") {
			t.Errorf("%d: %+v", status, err)
		}
		if p.Status != problems[p.Code].status {
			t.Errorf("%d: %s comes with %d", status, p.Code, p.Status)
		}
		if status == 400 && (len(p.Errors) != 1 || p.Errors[0] != Fault{Pointer: "/items/3/name", Code: "type"}) {
			t.Errorf("faults: %+v", p.Errors)
		}
	}
}

func TestPointers(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"body": "", "body.name": "/name", "body.items[3].tags": "/items/3/tags", "body.a/b": "/a~1b", "query.limit": "limit", "path.id": "id",
	} {
		if got := pointerOf(location); got != want {
			t.Errorf("%s is %q, want %q", location, got, want)
		}
	}
	for pointer, want := range map[string]string{"/items/3/name": "/items/3", "/name": "", "limit": ""} {
		if got := parentOf(pointer); got != want {
			t.Errorf("the parent of %s is %q, want %q", pointer, got, want)
		}
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	a := bare()
	for _, row := range []struct {
		err  error
		code string
	}{
		{fmt.Errorf("decide: %w", consent.ErrAlreadyDecided), "already_decided"},
		{fmt.Errorf("read: %w", &pg.Refusal{Code: "not_found"}), "not_found"},
		{&pg.Refusal{Code: "token_revoked"}, "token_revoked"},
		{&pg.Refusal{Code: "something_new"}, "internal"},
		{pg.ErrBusy, "unavailable"}, {pg.ErrOutcomeUnknown, "outcome_unknown"}, {context.DeadlineExceeded, "unavailable"},
		{&auth.Throttled{RetryAfter: 30 * time.Second}, "rate_limited"}, {errors.New("anything"), "internal"},
	} {
		p := a.problem(t.Context(), row.err)
		if p.Code != row.code || p.Status != problems[row.code].status {
			t.Errorf("%v is %s %d, want %s", row.err, p.Code, p.Status, row.code)
		}
		if p.Status == http.StatusUnauthorized && p.GetHeaders().Get("WWW-Authenticate") == "" {
			t.Errorf("%s has no challenge", p.Code)
		}
	}
	if p := a.problem(t.Context(), &auth.Throttled{RetryAfter: 30 * time.Second}); p.GetHeaders().Get("Retry-After") != "31" {
		t.Errorf("Retry-After %q", p.GetHeaders().Get("Retry-After"))
	}
}
