// Package openapi is the edge for programs: it promises that what the committed openapi.yaml says is what is served, and that
// nothing but what an answer's wire type names ever leaves.
//
// Handlers hold no rule: parse, one call of a domain package, render. One file is one resource: wire types, registration, handlers, mapping.
//
//	E1  every operation has an id, a summary, an example, its problem codes and a policy; one without fails a test
//	E2  an error is a code of the table in problems.go; no text of an error, no rejected value, ever leaves (S5)
//	E3  whose data is read comes from the token and a handle made for it, never from a body
//	E4  an id that leaves is sealed for its reader's sector; a foreign one answers as a missing one (S1)
//
// The package decides nothing about people, papers or consent.
package openapi

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/auth"
	"vidan/consent"
	"vidan/intake"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/prefill"
	"vidan/procedure"
	"vidan/seal"
	"vidan/wallet"
)

// Version of the API; its major is the path prefix.
const Version = "1.0.0"

// Deps are what the edge calls. For writing the document alone every member may be nil but Issuer.
type Deps struct {
	Pool       *pgxpool.Pool
	Deployment *seal.Deployment
	Catalogue  *procedure.Catalogue
	Auth       *auth.Server
	Audit      *audit.Recorder
	People     *person.Registry
	Consent    *consent.Ledger
	Wallet     *wallet.Wallet
	Prefill    *prefill.Filler
	Intake     *intake.Intake
	Vaults     *seal.Vaults
	Names      *auth.Names
	Issuer     string
	Now        func() time.Time
	Log        *slog.Logger
}

// API is the edge.
type API struct {
	Deps
	huma huma.API
	mux  *http.ServeMux
	// policies are who may call what, by operation id (E1).
	policies map[string]policy
}

// New registers every operation on a mux of its own.
func New(d Deps) *API {
	replaceErrors()
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	a := &API{Deps: d, mux: http.NewServeMux(), policies: map[string]policy{}}
	a.huma = humago.New(a.mux, a.config())
	a.registerResults()
	a.registerQuarantine()
	a.registerEvents()
	a.registerCatalogue()
	a.registerDocuments()
	a.registerPeople()
	a.registerAccesses()
	a.registerDevices()
	a.registerSessions()
	a.registerSilenced()
	a.registerCredentials()
	a.registerCitizens()
	a.registerAccount()
	a.registerRelations()
	a.registerRequests()
	a.registerDecisions()
	a.registerConsents()
	a.registerPrefill()
	a.describeOAuth()
	a.mux.HandleFunc("/v1/", a.nowhere)
	if err := a.finish(); err != nil {
		panic(err) // of what is embedded: every start and every test would say so
	}
	return a
}

// config closes what huma opens by default: pages that load scripts from elsewhere, links to schemas in every body.
func (a *API) config() huma.Config {
	config := huma.DefaultConfig("Vidan", Version)
	config.Info.Description = conventions
	config.Info.License = &huma.License{Name: "Apache-2.0", URL: "https://www.apache.org/licenses/LICENSE-2.0"}
	config.Servers = []*huma.Server{{URL: a.Issuer}}
	config.DocsPath, config.OpenAPIPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.RejectUnknownQueryParameters = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		securityMachine: {Type: "oauth2", Description: "Agencies: private_key_jwt and client credentials; tokens are bound to a key by DPoP (RFC 9449).",
			Flows: &huma.OAuthFlows{ClientCredentials: &huma.OAuthFlow{TokenURL: a.Issuer + "/oauth/token", Scopes: map[string]string{
				"results": "deliver results", "consent": "ask for consent", "prefill": "redeem what was granted", "events": "read the organisation's events", "registrar": "enrol and bind",
			}}}},
		securityCitizen: {Type: "oauth2", Description: "People, through the app: authorization code with PKCE; tokens are bound to a key by DPoP.",
			Flows: &huma.OAuthFlows{AuthorizationCode: &huma.OAuthFlow{AuthorizationURL: a.Issuer + "/oauth/authorize", TokenURL: a.Issuer + "/oauth/token", Scopes: map[string]string{
				"wallet": "use one's own wallet",
			}}}},
	}
	config.Components.SecuritySchemes[securityProof] = &huma.SecurityScheme{Type: "apiKey", In: "header", Name: "DPoP",
		Description: "Proof of possession of the token's key, fresh for every request (RFC 9449 §4.2); the token itself goes as Authorization: DPoP."}
	config.Tags = []*huma.Tag{
		{Name: "organisations", Description: "For organisations that finish or start procedures."},
		{Name: "citizen", Description: "For people, through the app."},
		{Name: "registrar", Description: "For the identity authority."},
		{Name: "public", Description: "For anyone."},
	}
	return config
}

const (
	securityMachine = "machine"
	securityCitizen = "citizen"
	securityProof   = "proof"
)

// conventions hold for every operation (ECOSYSTEM §7).
const conventions = `Personal data wallet: results in, papers out, consent and prefill.

- **Errors** are RFC 9457 problems: programs decide on ` + "`code`" + `, people read ` + "`title`" + ` and ` + "`next_step`" + `; ` + "`type`" + ` opens a page that explains the code. Each operation lists its codes in ` + "`x-problem-codes`" + `. Nothing that was sent is repeated.
- **Language**: Vietnamese, or English by ` + "`Accept-Language: en`" + `; codes are never translated.
- **Ids** are names made for their reader: another organisation's differ, and a foreign one answers exactly like a missing one.
- **Repeating** is safe: ` + "`Idempotency-Key`" + ` where something is made; after 409 ` + "`busy`" + ` and any 503, send the same again.
- **Pages**: ask on with ` + "`cursor`" + ` from ` + "`next`" + `, or follow the ` + "`Link`" + ` header.
- **Support**: every answer has ` + "`X-Request-Id`" + `, the trace id of ` + "`traceparent`" + ` if one was sent.
- **Growth**: answers may gain members, codes and enum values; what is sent must have none that is not described.
`

// Handler serves the operations with everything every answer has.
func (a *API) Handler() http.Handler { return withRequest(a.Issuer, a.recovered(a.mux)) }

// Document is the OpenAPI 3.1 document.
func (a *API) Document() *huma.OpenAPI { return a.huma.OpenAPI() }

// nowhere answers what no operation does: another method of an address that exists, or no address at all.
func (a *API) nowhere(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := a.mux.Handler(other); pattern != "/v1/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		writeProblem(w, r, newProblem(r.Context(), codeNotFound))
		return
	}
	writeProblem(w, r, newProblem(r.Context(), "method_not_allowed").With("Allow", strings.Join(allowed, ", ")))
}

// recovered answers a panic once with 500 and a line in the log that holds nothing of the request (RELIABILITY §6 no. 70).
func (a *API) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				a.Log.ErrorContext(r.Context(), "panic", "request_id", requestOf(r.Context()).id, "route", r.Pattern)
				writeProblem(w, r, newProblem(r.Context(), codeInternal))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// policy says who may call an operation.
type policy struct {
	public bool
	kind   auth.Kind // Citizen or Machine
	scope  string
	level  int // least level of a citizen's session
}

func anyone() policy              { return policy{public: true} }
func machine(scope string) policy { return policy{kind: auth.Machine, scope: scope} }
func citizen(level int) policy    { return policy{kind: auth.Citizen, scope: "wallet", level: level} }
func (p policy) security() []map[string][]string {
	switch {
	case p.public:
		return []map[string][]string{{}} // nothing is needed
	case p.kind == auth.Machine:
		return []map[string][]string{{securityMachine: {p.scope}, securityProof: {}}}
	}
	return []map[string][]string{{securityCitizen: {p.scope}, securityProof: {}}}
}

type principalKey struct{}

// caller returns the principal that the policy let in.
func caller(ctx context.Context) *auth.Principal {
	p, _ := ctx.Value(principalKey{}).(*auth.Principal)
	return p
}

// operation registers a handler with its policy. codes are the problems it can answer beside those every operation can.
func operation[I, O any](a *API, op huma.Operation, p policy, codes []string, handler func(context.Context, *I) (*O, error)) {
	a.policies[op.OperationID] = p
	op.Security = p.security()
	codes = codesOf(codes, p, hasBody[I]())
	op.Errors = statusesOf(codes)
	if op.Extensions == nil {
		op.Extensions = map[string]any{}
	}
	op.Extensions["x-problem-codes"] = codes
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = 64 << 10
	}
	op.BodyReadTimeout = 15 * time.Second
	op.Middlewares = append(op.Middlewares, a.authenticate(p), withHTTP)
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return out, nil
	})
}

// hasBody reports whether an input is read from a body.
func hasBody[I any]() bool {
	_, body := reflect.TypeFor[I]().FieldByName("Body")
	_, raw := reflect.TypeFor[I]().FieldByName("RawBody")
	return body || raw
}

// authenticate checks token and proof; state is read by the operation's own first statement through the principal's guard.
func (a *API) authenticate(p policy) func(huma.Context, func(huma.Context)) {
	return func(hctx huma.Context, next func(huma.Context)) {
		if p.public {
			next(hctx)
			return
		}
		r, w := humago.Unwrap(hctx)
		who, err := a.Auth.Authenticate(r)
		if err == nil && who.Kind != p.kind {
			err = auth.ErrScope
		}
		if err == nil {
			err = who.Scope(p.scope)
		}
		if err == nil && p.kind == auth.Citizen {
			err = who.Require(p.level, 0)
		}
		if err != nil {
			writeProblem(w, r, a.problem(hctx.Context(), err))
			return
		}
		if nonce := who.NextNonce(); nonce != "" {
			w.Header().Set("DPoP-Nonce", nonce)
		}
		next(huma.WithValue(hctx, principalKey{}, who))
	}
}

// guarded joins the guard of the caller, which uses up the proof, with others.
func guarded(ctx context.Context, more ...pg.Guard) pg.Guard {
	return pg.All(append([]pg.Guard{caller(ctx).Guard()}, more...)...)
}

// standing is guarded for the further batches of a request whose first has used up the proof.
func standing(ctx context.Context, more ...pg.Guard) pg.Guard {
	return pg.All(append([]pg.Guard{caller(ctx).Standing()}, more...)...)
}
