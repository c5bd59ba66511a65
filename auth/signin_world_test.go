package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/person"
	"vidan/seal"
)

const (
	duNumber     = "099193000003"
	nobodyNumber = "099193999999"
	duPassphrase = "bến nước, cây đa, sân đình"
	appURI       = "vn.vidan.app:/back"
)

// town is a world in which people sign in.
type town struct {
	*world
	vaults   *seal.Vaults
	record   *audit.Recorder
	registry *person.Registry
	app      *phone
}

func newTown(tb testing.TB) *town {
	tb.Helper()
	w := &town{world: newWorld(tb)}
	w.Server = w.peopled(w.pool)
	w.app = w.world.app("vidan-app")
	return w
}

// peopled is another process, on a pool of its own if need be.
func (w *town) peopled(pool *pgxpool.Pool) *Server {
	w.tb.Helper()
	vaults, err := seal.NewVaults(w.deployment, seal.CacheConfig{}, w.clock.now)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(vaults.Close)
	record := audit.New(w.deployment)
	registry, err := person.New(person.Deps{Pool: pool, Deployment: w.deployment, Vaults: vaults, Audit: record, Now: w.clock.now})
	if err != nil {
		w.tb.Fatal(err)
	}
	keys, err := OpenKeys(w.tb.Context(), pool, w.deployment, w.clock.now())
	if err != nil {
		w.tb.Fatal(err)
	}
	s, err := New(Deps{
		Pool: pool, Deployment: w.deployment, Keys: keys, Issuer: testIssuer, Now: w.clock.now, Logger: slog.New(slog.NewJSONHandler(w.logs, nil)),
		People: registry, Vaults: vaults, Audit: record, Consent: w.ledger(pool, vaults, record, registry, keys), Config: Config{Hashes: 8},
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	w.vaults, w.record, w.registry = vaults, record, registry
	return s
}

// du is somebody with an account: a passphrase, and a phone if she has one.
type du struct {
	vault  identity.VaultID
	device *sender
	id     string
}

func (w *town) enrol(number string, level int) identity.VaultID {
	w.tb.Helper()
	n, err := identity.ParsePersonalNumber(number)
	if err != nil {
		w.tb.Fatal(err)
	}
	name, err := identity.ParseName("NGUYỄN THỊ DỤ")
	if err != nil {
		w.tb.Fatal(err)
	}
	born, err := identity.ParsePartialDate("1993-11-08")
	if err != nil {
		w.tb.Fatal(err)
	}
	address, err := person.ParseAddress(delivery.SMS, "0900 000 003")
	if err != nil {
		w.tb.Fatal(err)
	}
	done, err := w.registry.Enrol(w.tb.Context(), free{}, audit.Actor{Client: "registrar", Officer: audit.Officer{
		ID: "cb-7", Name: name, Post: "Đăng ký viên", Organisation: "registrar", Assurance: audit.Asserted,
	}}, person.Enrolment{
		Number: n, Kind: person.Citizen, Name: name, BirthDate: born, Sex: identity.Female, Level: level, PreferredChannel: delivery.SMS,
		Contacts: []person.Contact{{Channel: delivery.SMS, Address: address, Verified: person.VerifiedAtCounter, VerifiedAt: w.clock.now()}},
		Evidence: person.Evidence{Basis: person.IdentityCard, Reference: "HS-2026/0042"},
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return done.Vault
}

func (w *town) du(level int, device bool) du {
	w.tb.Helper()
	d := du{vault: w.enrol(duNumber, level)}
	if err := w.SetPassphrase(w.tb.Context(), d.vault, duPassphrase); err != nil {
		w.tb.Fatal(err)
	}
	if device {
		d.device = newSender(w.tb, jose.ES256, "dien-thoai")
		added, err := w.AddDevice(w.tb.Context(), d.vault, "Điện thoại", d.device.public(w.tb))
		if err != nil {
			w.tb.Fatal(err)
		}
		d.id = added.ID
	}
	return d
}

const testVerifier = "Vj8ZcQmHn3yTq0xLw5rEa7uKd2sGf9pBo1iXt4-Y6vM" // 43 characters

// params are a good authorization request of the app; each row of a test changes some.
func (w *town) params(level int) url.Values {
	sum := sha256.Sum256([]byte(testVerifier))
	return url.Values{
		"response_type": {"code"}, "client_id": {w.app.id}, "redirect_uri": {appURI}, "scope": {"openid wallet"}, "state": {"state-1"},
		"nonce": {"n-1"}, "acr_values": {acrOf(level)}, "dpop_jkt": {w.app.dpop.thumbprint(w.tb)},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
}

func (w *town) begin(s *Server, level int) *SignIn {
	w.tb.Helper()
	cookie, _, err := s.BeginSignIn(w.tb.Context(), w.params(level), "192.0.2.1")
	if err != nil {
		w.tb.Fatal(err)
	}
	return w.reopen(s, cookie)
}

func (w *town) reopen(s *Server, cookie Cookie) *SignIn {
	w.tb.Helper()
	x, err := s.OpenSignIn(w.tb.Context(), cookie)
	if err != nil {
		w.tb.Fatal(err)
	}
	return x
}

func attempt(number, passphrase, address string) Attempt {
	return Attempt{Number: identity.NewPrivate(number), Passphrase: identity.NewPrivate(passphrase), Address: address}
}

// signedIn brings a sign-in of level 1 to its code.
func (w *town) signedIn() (code string) {
	w.tb.Helper()
	x := w.begin(w.Server, 1)
	if verdict, err := x.Passphrase(w.tb.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); err != nil || verdict != Accepted {
		w.tb.Fatalf("passphrase: %d %v", verdict, err)
	}
	to, err := x.Finish(w.tb.Context())
	if err != nil {
		w.tb.Fatal(err)
	}
	return w.codeIn(to)
}

func (w *town) codeIn(to string) string {
	w.tb.Helper()
	u, err := url.Parse(to)
	if err != nil || !strings.HasPrefix(to, appURI+"?") || u.Query().Get("iss") != testIssuer || u.Query().Get("code") == "" {
		w.tb.Fatalf("redirected to %q", to)
	}
	return u.Query().Get("code")
}

// exchangeForm is a good token request for a code.
func (w *town) exchangeForm(code string) url.Values {
	return url.Values{
		"grant_type": {grantAuthorizationCode}, "client_id": {w.app.id}, "code": {code}, "redirect_uri": {appURI}, "code_verifier": {testVerifier},
	}
}

func (w *town) redeem(s *Server, code string) (int, map[string]any) {
	return w.post(s, w.exchangeForm(code), w.app.proof(http.MethodPost, pathToken, ""))
}

// deviceCall posts what a device signs.
func (w *town) deviceCall(s *Server, path, message string) (int, map[string]any) {
	w.tb.Helper()
	body, err := json.Marshal(map[string]string{"assertion": message})
	if err != nil {
		w.tb.Fatal(err)
	}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	return w.send(s, r)
}

// claims of a good message of a device.
func (w *town) deviceClaims(d du) map[string]any {
	now := w.clock.now().Unix()
	return map[string]any{"sub": d.id, "aud": testIssuer, "iat": now, "exp": now + 60, "jti": "device-" + w.next()}
}

// waiting returns the sign-ins that wait for a person, as their phone lists them.
func (w *town) waiting(d du) []map[string]any {
	w.tb.Helper()
	status, body := w.deviceCall(w.Server, pathChallenges, d.device.message(w.tb, challengeType, w.deviceClaims(d)))
	if status != http.StatusOK {
		w.tb.Fatalf("challenges: %d %v", status, body)
	}
	var all []map[string]any
	for _, c := range body["challenges"].([]any) {
		all = append(all, c.(map[string]any))
	}
	return all
}

// asked is a sign-in of level 2 whose passphrase was right.
func (w *town) asked(d du) (cookie Cookie, x *SignIn) {
	w.tb.Helper()
	cookie, _, err := w.BeginSignIn(w.tb.Context(), w.params(2), "192.0.2.1")
	if err != nil {
		w.tb.Fatal(err)
	}
	x = w.reopen(w.Server, cookie)
	if verdict, err := x.Passphrase(w.tb.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); err != nil || verdict != Accepted || x.Step() != StepConfirm {
		w.tb.Fatalf("passphrase: %d %v at %s", verdict, err, x.Step())
	}
	return cookie, x
}

// confirmation is what the phone signs for a challenge.
func (w *town) confirmation(d du, challenge, number, decision string) string {
	c := w.deviceClaims(d)
	c["challenge_id"], c["number"], c["decision"] = challenge, number, decision
	return d.device.message(w.tb, confirmationType, c)
}

// history is what was recorded in a vault, sorted, as "kind outcome reason": the clock stands still.
func (w *town) history(vault identity.VaultID) []string {
	w.tb.Helper()
	keys, err := w.vaults.OpenOne(w.tb.Context(), w.pool, vault)
	if err != nil {
		w.tb.Fatal(err)
	}
	page, err := w.record.List(w.tb.Context(), w.db.Owner(w.tb), []*seal.Keys{keys}, free{}, audit.Entry{}, audit.Query{Limit: 200}, w.clock.now())
	if err != nil {
		w.tb.Fatal(err)
	}
	var all []string
	for _, e := range page.Entries {
		if e.Kind != audit.HistoryRead {
			all = append(all, strings.TrimSpace(string(e.Kind)+" "+string(e.Outcome)+" "+e.Reason))
		}
	}
	slices.Sort(all)
	return all
}

func (w *town) count(sql string, args ...any) (n int) {
	w.tb.Helper()
	if err := w.db.Owner(w.tb).QueryRow(w.tb.Context(), sql, args...).Scan(&n); err != nil {
		w.tb.Fatal(err)
	}
	return n
}

func (w *town) exec(sql string, args ...any) {
	w.tb.Helper()
	if _, err := w.db.Owner(w.tb).Exec(w.tb.Context(), sql, args...); err != nil {
		w.tb.Fatal(err)
	}
}

// free is a guard that lets everybody in.
type free struct{}

func (free) Queue(*pgx.Batch) {}
func (free) Check() error     { return nil }

// together runs fn n times at once, as nearly as can be.
func together(n int, fn func(i int)) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			fn(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}
