package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/identity"
	"vidan/internal/keyring"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/seal"
)

const testIssuer = "https://id.vidan.example"

// clock is a hand that tests turn.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is one deployment on a database of its own, with one process.
type world struct {
	*Server
	tb        testing.TB
	pool      *pgxpool.Pool // as the service
	db        *pgtest.DB
	directory *Directory
	clock     *clock
	logs      *lockedBuffer
	serial    int
	mu        sync.Mutex
}

// lockedBuffer collects log lines of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newDeployment(tb testing.TB) *seal.Deployment {
	tb.Helper()
	uri := "file://" + filepath.Join(tb.TempDir(), "kek")
	if err := keyring.Create(tb.Context(), uri); err != nil {
		tb.Fatal(err)
	}
	kek, err := keyring.Open(tb.Context(), uri)
	if err != nil {
		tb.Fatal(err)
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	d, _, err := seal.NewDeployment(tb.Context(), kek, id)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	return newWorldOn(tb, pgtest.New(tb))
}

func newWorldOn(tb testing.TB, db *pgtest.DB) *world {
	tb.Helper()
	d := newDeployment(tb)
	w := &world{tb: tb, clock: &clock{at: time.Date(2026, 11, 23, 8, 30, 15, 0, time.UTC)}, logs: new(lockedBuffer)}
	w.db, w.pool = db, db.Pool
	w.directory = NewDirectory(w.pool, d)
	if err := CreateKeys(tb.Context(), w.pool, d, w.clock.now()); err != nil {
		tb.Fatal(err)
	}
	w.Server = w.process(d)
	w.organisation("ubnd-phuong-sen", "commune")
	return w
}

// process starts another server on the same database: it shares nothing else.
func (w *world) process(d *seal.Deployment) *Server {
	w.tb.Helper()
	keys, err := OpenKeys(w.tb.Context(), w.pool, d, w.clock.now())
	if err != nil {
		w.tb.Fatal(err)
	}
	s, err := New(Deps{
		Pool: w.pool, Deployment: d, Keys: keys, Issuer: testIssuer, Now: w.clock.now,
		Logger: slog.New(slog.NewJSONHandler(w.logs, nil)),
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return s
}

func (w *world) another() *Server { return w.process(w.deployment) }

func (w *world) organisation(id, kind string) {
	w.tb.Helper()
	o := Organisation{ID: id, NameVI: "Ủy ban nhân dân phường Sen", NameEN: "People's Committee of Sen Ward", Kind: kind}
	if err := w.directory.AddOrganisation(w.tb.Context(), o, w.clock.now()); err != nil {
		w.tb.Fatal(err)
	}
}

// next returns a number that this world has not given out.
func (w *world) next() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	return time.Duration(w.serial).String()
}

// agency is a client outside: its registered key, and the key it binds tokens to.
type agency struct {
	w    *world
	id   string
	key  *sender
	dpop *sender
}

func (w *world) agency(id string) *agency {
	w.tb.Helper()
	ctx := w.tb.Context()
	c := Client{ID: id, Organisation: "ubnd-phuong-sen", Name: "Một cửa phường Sen", Profile: FAPI2, Scopes: machineScopes}
	if err := w.directory.AddClient(ctx, c, w.clock.now()); err != nil {
		w.tb.Fatal(err)
	}
	a := &agency{w: w, id: id, key: newSender(w.tb, jose.ES256, id+"-1"), dpop: newSender(w.tb, jose.ES256, "")}
	a.register(a.key)
	return a
}

func (a *agency) register(key *sender) {
	a.w.tb.Helper()
	if _, err := a.w.directory.AddKey(a.w.tb.Context(), a.id, key.public(a.w.tb), a.w.clock.now()); err != nil {
		a.w.tb.Fatal(err)
	}
}

// claims of a good client assertion; each row of a test changes some.
func (a *agency) claims() map[string]any {
	now := a.w.clock.now()
	return map[string]any{
		"iss": a.id, "sub": a.id, "aud": testIssuer, "jti": "assertion-" + a.w.next(),
		"iat": now.Unix(), "exp": now.Add(4 * time.Minute).Unix(),
	}
}

// proofClaims are those of a good proof for a request; token may be empty.
func (a *agency) proofClaims(method, path, token string) map[string]any {
	c := map[string]any{
		"jti": "proof-" + a.w.next(), "htm": method, "htu": testIssuer + path, "iat": a.w.clock.now().Unix(),
	}
	if token != "" {
		_, c["ath"] = hashToken(token)
	}
	return c
}

func (a *agency) proof(method, path, token string) string {
	return a.dpop.proof(a.w.tb, a.proofClaims(method, path, token))
}

// form is a good token request.
func (a *agency) form(scope string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "scope": {scope}, "client_assertion_type": {assertionForm},
		"client_assertion": {a.key.message(a.w.tb, "JWT", a.claims())},
	}
}

// post sends a token request to a process.
func (w *world) post(s *Server, form url.Values, proofs ...string) (int, map[string]any) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, pathToken, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return w.send(s, r)
}

func (w *world) send(s *Server, r *http.Request) (int, map[string]any) {
	status, _, body := w.serve(s, r)
	return status, body
}

// serve is send with the header of the answer.
func (w *world) serve(s *Server, r *http.Request) (int, http.Header, map[string]any) {
	mux := http.NewServeMux()
	s.Routes(mux)
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, r)
	body := map[string]any{}
	if answer.Header().Get("Content-Type") == "application/json" {
		if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
			w.tb.Errorf("answer is not JSON: %v", err)
		}
	}
	return answer.Code, answer.Header(), body
}

// token gets an access token, which must work.
func (a *agency) token(s *Server, scope string) string {
	a.w.tb.Helper()
	status, body := a.w.post(s, a.form(scope), a.proof(http.MethodPost, pathToken, ""))
	if status != http.StatusOK {
		a.w.tb.Fatalf("token: %d %v", status, body)
	}
	return body["access_token"].(string)
}

// request is a call with a token and any proofs.
func request(method, path, token string, proofs ...string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "DPoP "+token)
	}
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return r
}

// call does what every operation does: authenticate, then run the guard.
func (a *agency) call(s *Server, token string) error {
	const path = "/v1/results"
	p, err := s.Authenticate(request(http.MethodPost, path, token, a.proof(http.MethodPost, path, token)))
	if err != nil {
		return err
	}
	return run(a.w.tb.Context(), s, p.Guard())
}

// citizen puts a person with a session into the database, as registration and sign-in would.
func (w *world) citizen(client string, level int) (identity.VaultID, identity.SessionID) {
	w.tb.Helper()
	vault, session := identity.NewVaultID(), identity.NewID[identity.SessionID]()
	now := w.clock.now()
	amr := []string{MethodPassphrase}
	if level == 2 {
		amr = append(amr, MethodDevice)
	}
	row := sessionRow{
		Vault: vault, ID: session, Client: client, Level: level, AMR: amr, Scope: "openid wallet", AuthTime: now, ExpiresAt: now.Add(time.Hour),
	}
	for _, row := range []struct {
		sql  string
		args []any
	}{
		{`insert into vaults (vault_id, created_at) values ($1, $2)`, []any{vault, now}},
		{`insert into people (vault_id, level, kind, sealed_profile, created_at, changed_at) values ($1, 2, 'citizen', '', $2, $2)`, []any{vault, now}},
		{sqlInsertSession, []any{vault, session, client, level, amr, row.Scope, now, row.ExpiresAt, w.deployment.MAC("sessions", row.columns())}},
	} {
		if _, err := w.pool.Exec(w.tb.Context(), row.sql, row.args...); err != nil {
			w.tb.Fatal(err)
		}
	}
	return vault, session
}

// run sends a guard as an operation of its own and returns what it said.
func run(ctx context.Context, s *Server, g pg.Guard) error {
	b := new(pgx.Batch)
	g.Queue(b)
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return Refused(err)
	}
	return g.Check()
}

// phone is a citizen's app with somebody signed in.
type phone struct {
	agency
	vault   identity.VaultID
	session identity.SessionID
}

func (w *world) app(id string) *phone {
	w.tb.Helper()
	c := Client{ID: id, Name: "Ví dân", Profile: App, Scopes: peopleScopes, RedirectURIs: []string{"vn.vidan.app:/back"}}
	if err := w.directory.AddClient(w.tb.Context(), c, w.clock.now()); err != nil {
		w.tb.Fatal(err)
	}
	return &phone{agency: agency{w: w, id: id, dpop: newSender(w.tb, jose.ES256, "")}}
}

// signIn gives the phone a session and returns a token of it, as the sign-in ends.
func (p *phone) signIn(level int) string {
	p.w.tb.Helper()
	p.vault, p.session = p.w.citizen(p.id, level)
	now := p.w.clock.now()
	token, err := p.w.mint(accessClaims{
		Subject: "pairwise", ClientID: p.id, Scope: "openid wallet", Confirm: confirmation{p.dpop.thumbprint(p.w.tb)},
		Session: p.w.sessionRef(p.vault, p.session), ACR: acrOf(level), AMR: []string{MethodPassphrase, MethodDevice}, AuthTime: now.Unix(),
	}, now)
	if err != nil {
		p.w.tb.Fatal(err)
	}
	return token
}
