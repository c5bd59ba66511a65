package auth

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/seal"
)

func mustNumber(t testing.TB, s string) identity.PersonalNumber {
	t.Helper()
	n, err := identity.ParsePersonalNumber(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What a right passphrase leads to, by level of the account, phone, and what the client asks for.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name    string
		level   int
		device  bool
		acr     string
		sql     string
		typed   string
		want    Verdict
		step    SignInStep
		history string
	}{
		{name: "level 1", level: 2, acr: acrLevel1, want: Accepted, step: StepDone},
		{name: "level 1 without acr_values", level: 1, want: Accepted, step: StepDone},
		{name: "level 2 with a phone", level: 2, device: true, acr: acrLevel2, want: Accepted, step: StepConfirm, history: "signin failed confirmation_asked"},
		{name: "level 2 without a phone", level: 2, acr: acrLevel2, want: NeedsWay, step: StepPassphrase, history: "signin refused no_second_factor"},
		{name: "level 2 on an account of level 1", level: 1, device: true, acr: acrLevel2, want: NeedsLevel, step: StepPassphrase, history: "signin refused insufficient_level"},
		{name: "level 2 if possible", level: 1, device: true, acr: acrLevel2 + " " + acrLevel1, want: Accepted, step: StepDone},
		{name: "level 2 if possible, with a phone", level: 2, device: true, acr: acrLevel2 + " " + acrLevel1, want: Accepted, step: StepConfirm, history: "signin failed confirmation_asked"},
		{name: "wrong", level: 2, typed: "sai rồi nhé", want: Wrong, step: StepPassphrase, history: "signin refused passphrase"},
		{name: "nothing typed", level: 2, typed: " ", want: Wrong, step: StepPassphrase, history: "signin refused passphrase"},
		{name: "blocked", level: 2, sql: `update people set blocked = true`, want: AccountClosed, step: StepPassphrase, history: "signin refused person_blocked"},
		{name: "death reported", level: 2, device: true, acr: acrLevel2, sql: `update people set life = 'death_reported'`, want: Accepted, step: StepConfirm, history: "signin failed confirmation_asked"},
		{name: "dead", level: 2, sql: `update people set life = 'dead'`, want: AccountClosed, step: StepPassphrase, history: "signin refused person_blocked"},
		{name: "blocked and wrong", level: 2, sql: `update people set blocked = true`, typed: "sai rồi nhé", want: Wrong, step: StepPassphrase, history: "signin refused passphrase"},
		{name: "no passphrase", level: 2, sql: `update credentials set state = 'ended'`, want: Wrong, step: StepPassphrase, history: "signin refused passphrase"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			d := w.du(row.level, row.device)
			if row.sql != "" {
				w.exec(row.sql)
			}
			params := w.params(1)
			params.Set("acr_values", row.acr)
			cookie, _, err := w.BeginSignIn(t.Context(), params, "192.0.2.1")
			if err != nil {
				t.Fatal(err)
			}
			x := w.reopen(w.Server, cookie)
			typed := row.typed
			if typed == "" {
				typed = duPassphrase
			}
			verdict, err := x.Passphrase(t.Context(), attempt("099 193 000 003", typed, "192.0.2.1"))
			if err != nil || verdict != row.want {
				t.Fatalf("%d %v, want %d", verdict, err, row.want)
			}
			if step := w.reopen(w.peopled(w.pool), cookie).Step(); step != row.step {
				t.Errorf("now at %s, want %s", step, row.step)
			}
			want := []string{"enrolled done identity_card"}
			if row.history != "" {
				want = append(want, row.history) // in the order of the alphabet
			}
			if diff := cmp.Diff(want, w.history(d.vault)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// statements records which statements a pool runs, by their text.
type statements struct {
	mu  sync.Mutex
	ran []string
}

// intercept watches the bind messages of the protocol: statements are prepared under their own text (internal/pg).
func (s *statements) intercept(cfg *pgconn.Config) {
	next := cfg.AfterNetConnect
	cfg.AfterNetConnect = func(ctx context.Context, cfg *pgconn.Config, conn net.Conn) (net.Conn, error) {
		if next != nil {
			var err error
			if conn, err = next(ctx, cfg, conn); err != nil {
				return nil, err
			}
		}
		return &watched{Conn: conn, to: s}, nil
	}
}

func (s *statements) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ran := s.ran
	s.ran = nil
	return ran
}

type watched struct {
	net.Conn
	to *statements
}

func (c *watched) Write(p []byte) (int, error) {
	for rest := p; len(rest) >= 5; {
		length := int(binary.BigEndian.Uint32(rest[1:5])) + 1
		if length < 5 || length > len(rest) {
			break // the startup message
		}
		if parts := bytes.SplitN(rest[5:length], []byte{0}, 3); rest[0] == 'B' && len(parts) == 3 {
			c.to.mu.Lock()
			c.to.ran = append(c.to.ran, string(parts[1]))
			c.to.mu.Unlock()
		}
		rest = rest[length:]
	}
	return c.Conn.Write(p)
}

// A number of nobody, a wrong passphrase and an account without a passphrase cost the same statements and one argon2id, and get one answer.
func TestUnknownNumberLooksLikeWrongPassphrase(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	w.card(d)
	w.display(d)
	const bare = "099090000002"
	w.enrol(bare, 1)
	var seen statements
	s := w.peopled(w.db.Open(t, pg.Config{Role: pgtest.Serve, MaxConns: 1, Intercept: seen.intercept}))
	run := func(number string) []string {
		x := w.begin(s, 2)
		seen.take()
		if verdict, err := x.Passphrase(t.Context(), attempt(number, "sai rồi nhé", "192.0.2.1")); err != nil || verdict != Wrong {
			t.Fatalf("%d %v", verdict, err)
		}
		return seen.take()
	}
	for _, number := range []string{duNumber, bare, nobodyNumber} {
		run(number) // the keys of the vaults are opened
	}
	known := run(duNumber)
	if len(known) < 8 {
		t.Fatalf("statements %q", known)
	}
	for _, number := range []string{bare, nobodyNumber} {
		if diff := cmp.Diff(known, run(number)); diff != "" {
			t.Errorf("not the same statements:\n%s", diff)
		}
	}
}

// Of a hundred who finish one sign-in at once, one gets a code, and there is one session.
func TestFinishOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	cookie, _, err := w.BeginSignIn(t.Context(), w.params(1), "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	if verdict, err := w.reopen(w.Server, cookie).Passphrase(t.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); verdict != Accepted {
		t.Fatal(err)
	}
	other := w.peopled(w.pool)
	var done atomic.Int32
	together(100, func(i int) {
		x, err := []*Server{w.Server, other}[i%2].OpenSignIn(t.Context(), cookie)
		if err != nil {
			t.Error(err)
			return
		}
		switch _, err := x.Finish(t.Context()); {
		case err == nil:
			done.Add(1)
		case !errors.Is(err, ErrMoved):
			t.Error(err)
		}
	})
	if done.Load() != 1 || w.count(`select count(*) from sessions`) != 1 || w.count(`select count(*) from authorization_codes`) != 1 {
		t.Errorf("%d finished, %d sessions", done.Load(), w.count(`select count(*) from sessions`))
	}
	if x := w.reopen(w.Server, cookie); !x.Complete() {
		t.Error("it is not complete")
	}
}

// Whoever was blocked between the passphrase and the code gets none.
func TestBlockedBeforeTheCode(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]error{
		`update people set blocked = true`:     ErrPersonBlocked,
		`update people set life = 'dead'`:      ErrPersonBlocked,
		`update people set level = 0`:          ErrLevel,
		`update clients set state = 'blocked'`: ErrUntrusted,
		`update vaults set state = 'joined'`:   ErrPersonBlocked,
		`update clients set mac = '\x00'`:      ErrMoved, // the next try reads the row and finds that its MAC is wrong
	} {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			w.du(2, false)
			x := w.begin(w.Server, 1)
			if verdict, err := x.Passphrase(t.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); verdict != Accepted {
				t.Fatal(err)
			}
			w.exec(sql)
			if _, err := x.Finish(t.Context()); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
			if n := w.count(`select count(*) from sessions`); n != 0 {
				t.Errorf("%d sessions", n)
			}
		})
	}
}

// O4: whoever can write to the database signs in as nobody.
func TestO4_SignInsAreBelievedWithTheirMAC(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"done as somebody": `update signins set step = 'done', level = 2, amr = '{pwd,pop}', vault_id = (select vault_id from people limit 1)`,
		"other client":     `update signins set client_id = 'motcua'`,
		"other request":    `update signins set request = jsonb_set(request, '{redirect_uri}', '"https://evil.example"')`,
		"longer":           `update signins set expires_at = expires_at + interval '1 day'`,
		"number":           `update signins set number = 11`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			w.du(2, true)
			w.agency("motcua")
			cookie, _, err := w.BeginSignIn(t.Context(), w.params(1), "192.0.2.1")
			if err != nil {
				t.Fatal(err)
			}
			w.exec(sql)
			if _, err := w.OpenSignIn(t.Context(), cookie); !errors.Is(err, seal.ErrTampered) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A passphrase whose hash, or a device whose key, was written by another hand is not used.
func TestO4_CredentialsAreBelievedWithTheirMAC(t *testing.T) {
	t.Parallel()
	hash, err := newHasher(1).hash(t.Context(), must(typedPassphrase("của kẻ khác")))
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		sql  string
		args []any
	}{
		"hash": {`update credentials set secret = $1 where kind = 'passphrase'`, []any{hash}},
		"name": {`update credentials set name = 'máy lạ' where kind = 'device'`, nil},
		"key":  {`update credentials set public_jwk = $1 where kind = 'device'`, []any{newSender(t, "ES256", "dien-thoai").public(t)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			w.du(2, true)
			w.exec(row.sql, row.args...)
			x := w.begin(w.Server, 1)
			if verdict, err := x.Passphrase(t.Context(), attempt(duNumber, "của kẻ khác", "192.0.2.1")); !errors.Is(err, seal.ErrTampered) {
				t.Errorf("%d %v", verdict, err)
			}
		})
	}
}

func must[T any](v T, ok bool) T {
	if !ok {
		panic("not a value")
	}
	return v
}

func TestCancelAndAgain(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	cookie, _, err := w.BeginSignIn(t.Context(), w.params(1), "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	x := w.reopen(w.Server, cookie)
	if _, err := x.Again(t.Context()); !errors.Is(err, ErrMoved) {
		t.Errorf("a living sign-in begins anew: %v", err)
	}
	to, err := x.Cancel(t.Context())
	if want := appURI + "?error=access_denied&error_description=the+person+did+not+sign+in&iss=https%3A%2F%2Fid.vidan.example&state=state-1"; err != nil || to != want {
		t.Errorf("%q %v", to, err)
	}
	if verdict, err := x.Passphrase(t.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); !errors.Is(err, ErrMoved) {
		t.Errorf("a cancelled sign-in goes on: %d %v", verdict, err)
	}
	anew, err := w.reopen(w.Server, cookie).Again(t.Context())
	if err != nil || w.reopen(w.Server, anew).Step() != StepPassphrase {
		t.Errorf("not begun anew: %v", err)
	}
	w.clock.advance(signInLife)
	for _, c := range []Cookie{cookie, anew, "", "x", Cookie(testVerifier)} {
		if _, err := w.OpenSignIn(t.Context(), c); !errors.Is(err, ErrNoSignIn) {
			t.Errorf("%v", err)
		}
	}
}

// EndSession ends every token of the session at the next request, in every process, once in the record.
func TestEndSession(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	status, body := w.redeem(w.Server, w.signedIn())
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, body)
	}
	token := body["access_token"].(string)
	there := w.peopled(w.pool)
	if err := w.app.call(there, token); err != nil {
		t.Fatal(err)
	}
	const path = "/v1/me/session"
	p, err := w.Authenticate(request(http.MethodDelete, path, token, w.app.proof(http.MethodDelete, path, token)))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.EndSession(t.Context(), free{}, actorOf(d), d.vault, p.Session); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.app.call(there, token); !errors.Is(err, ErrTokenRevoked) {
		t.Errorf("%v", err)
	}
	if n := w.count(`select count(*) from access_log where kind = 'session_ended'`); n != 1 {
		t.Errorf("%d recorded", n)
	}
}

// P2: a finish that is cut off after it persisted issued a code that nobody has; before, nothing. Either way there is at most one session.
func TestP2_FinishCutOff(t *testing.T) {
	t.Parallel()
	for when, want := range map[pgtest.When]int{pgtest.FailBefore: 1, pgtest.FailAfter: 1} {
		t.Run(when.String(), func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			w.du(2, false)
			s := w.peopled(w.db.FailOn(t, when, "authorization_codes"))
			cookie, _, err := s.BeginSignIn(t.Context(), w.params(1), "192.0.2.1")
			if err != nil {
				t.Fatal(err)
			}
			x := w.reopen(s, cookie)
			if verdict, err := x.Passphrase(t.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); verdict != Accepted {
				t.Fatal(err)
			}
			if _, err := x.Finish(t.Context()); err == nil {
				t.Error("the fault was not seen")
			}
			_, err = w.reopen(s, cookie).Finish(t.Context())
			if (err == nil) != (when == pgtest.FailBefore) || err != nil && !errors.Is(err, ErrMoved) {
				t.Errorf("again: %v", err)
			}
			if n := w.count(`select count(*) from sessions`); n != want || n != w.count(`select count(*) from access_log where kind = 'signin'`) {
				t.Errorf("%d sessions", n)
			}
		})
	}
}
