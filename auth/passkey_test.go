package auth

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/auth/passkey/passkeytest"
	"vidan/auth/passkey/webauthn"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

const testRP = "id.vidan.example"

// passkeyTown is a town whose servers offer passkeys.
func passkeyTown(t testing.TB) *town {
	t.Helper()
	w := newTown(t)
	w.offering(w.Server)
	return w
}

func (w *town) offering(s *Server) *Server {
	w.tb.Helper()
	party, err := webauthn.New(testIssuer, "Ví dân")
	if err != nil {
		w.tb.Fatal(err)
	}
	s.people.passkeys = party
	return s
}

// offered is a challenge for a new passkey and what a browser is given.
func (w *town) offered(d du) (challenge, options []byte) {
	w.tb.Helper()
	offer, err := w.OfferPasskey(w.tb.Context(), free{}, d.vault, "Máy tính ở nhà")
	if err != nil {
		w.tb.Fatal(err)
	}
	return passkeytest.New(w.tb, testIssuer, testRP).Challenge(offer.Options), offer.Options
}

// passkey gives somebody a passkey.
func (w *town) passkey(d du) *passkeytest.Authenticator {
	w.tb.Helper()
	a := passkeytest.New(w.tb, testIssuer, testRP)
	challenge, options := w.offered(d)
	if _, err := w.RegisterPasskey(w.tb.Context(), free{}, d.vault, actorOf(d), NewPasskey{
		Name: "Máy tính ở nhà", Challenge: challenge, Response: a.Create(options),
	}, Authority{vault: d.vault}); err != nil {
		w.tb.Fatal(err)
	}
	return a
}

// asking is a sign-in that asks for a passkey.
func (w *town) asking(s *Server, level int) *SignIn {
	w.tb.Helper()
	x := w.begin(s, level)
	if err := x.Choose(w.tb.Context(), WayPasskey); err != nil || x.Step() != StepPasskey {
		w.tb.Fatalf("%s %v", x.Step(), err)
	}
	return x
}

func (x *SignIn) options(t testing.TB) []byte {
	t.Helper()
	o, err := x.PasskeyOptions()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (x *SignIn) answer(t testing.TB, a *passkeytest.Authenticator) (Verdict, error) {
	t.Helper()
	return x.Passkey(t.Context(), identity.NewPrivate(string(a.Get(x.options(t)))))
}

// A passkey is level 2 by itself, with no number typed; it works beside a full lane of the account and in every process.
func TestSignInByPasskey(t *testing.T) {
	t.Parallel()
	w := passkeyTown(t)
	d := w.du(2, false)
	a := w.passkey(d)
	account := w.account(mustNumber(t, duNumber))
	w.exec(`insert into throttles (bucket, failures, window_start, blocked_until) values ($1, 100, $2, $3)`, account, w.clock.now(), w.clock.now().Add(accountBlock))
	x := w.asking(w.Server, 2)
	if verdict, err := x.answer(t, a); err != nil || verdict != Accepted {
		t.Fatalf("%d %v", verdict, err)
	}
	if x.row.Level != 2 || strings.Join(x.row.AMR, " ") != "pop mfa" || FactorsLevel(x.row.AMR) != 2 || x.Factor() == "" {
		t.Errorf("level %d by %v", x.row.Level, x.row.AMR)
	}
	to, err := x.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status, body := w.redeem(w.Server, w.codeIn(to)); status != 200 {
		t.Errorf("%d %v", status, body)
	}
	if verdict, err := w.asking(w.offering(w.peopled(w.pool)), 2).answer(t, a); err != nil || verdict != Accepted {
		t.Errorf("in another process: %d %v", verdict, err)
	}
	y := w.begin(w.Server, 2)
	if err := y.Choose(t.Context(), WayPasskey); err != nil {
		t.Fatal(err)
	}
	if err := y.Choose(t.Context(), ""); err != nil || y.Step() != StepPassphrase {
		t.Errorf("back: %s %v", y.Step(), err)
	}
}

// What is not the passkey of somebody for this sign-in is one answer, and each try uses its challenge up.
func TestPasskeyRefusals(t *testing.T) {
	t.Parallel()
	w := passkeyTown(t)
	d := w.du(2, false)
	a := w.passkey(d)
	thi := du{vault: w.enrol("099090000002", 2)}
	foreign := w.passkey(thi)
	stranger := passkeytest.New(t, testIssuer, testRP)
	stranger.Handle = a.Handle
	nobody := passkeytest.New(t, testIssuer, testRP)
	nobody.Handle = w.handle(identity.NewVaultID())
	made := passkeytest.New(t, testIssuer, testRP)
	made.Handle = []byte("nguoi-la")
	borrowed := *foreign
	borrowed.Handle = a.Handle
	for name, by := range map[string]*passkeytest.Authenticator{
		"a key that is not registered": stranger, "of nobody": nobody, "a handle that is made up": made, "another's key, this handle": &borrowed,
	} {
		x := w.asking(w.Server, 2)
		before := string(x.options(t))
		if verdict, err := x.answer(t, by); err != nil || verdict != Wrong || x.Step() != StepPasskey || string(x.options(t)) == before {
			t.Errorf("%s: %d %v", name, verdict, err)
		}
	}
	for name, change := range map[string]func(*passkeytest.Authenticator){
		"another origin":        func(a *passkeytest.Authenticator) { a.Origin = "https://evil.example" },
		"another relying party": func(a *passkeytest.Authenticator) { a.RP = "evil.example" },
		"user not verified":     func(a *passkeytest.Authenticator) { a.Without = passkeytest.Verified },
	} {
		spoilt := *a
		change(&spoilt)
		if verdict, err := w.asking(w.Server, 2).answer(t, &spoilt); err != nil || verdict != Wrong {
			t.Errorf("%s: %d %v", name, verdict, err)
		}
	}
	for _, raw := range []string{"", "{}", "x", strings.Repeat("x", 20_000)} {
		if verdict, err := w.asking(w.Server, 2).Passkey(t.Context(), identity.NewPrivate(raw)); err != nil || verdict != Malformed {
			t.Errorf("%.10q: %d %v", raw, verdict, err)
		}
	}
	x, y := w.asking(w.Server, 2), w.asking(w.Server, 2)
	response := identity.NewPrivate(string(a.Get(x.options(t))))
	if verdict, err := y.Passkey(t.Context(), response); err != nil || verdict != Wrong {
		t.Errorf("an answer of another sign-in: %d %v", verdict, err)
	}
	if verdict, err := x.Passkey(t.Context(), identity.NewPrivate(string(stranger.Get(x.options(t))))); err != nil || verdict != Wrong {
		t.Fatalf("%d %v", verdict, err)
	}
	if verdict, err := x.Passkey(t.Context(), response); err != nil || verdict != Wrong {
		t.Errorf("the challenge of an earlier try: %d %v", verdict, err)
	}
	if verdict, err := x.answer(t, a); err != nil || verdict != Accepted {
		t.Errorf("the right one in the end: %d %v", verdict, err)
	}
	if verdict, err := x.Passkey(t.Context(), response); !errors.Is(err, ErrMoved) {
		t.Errorf("replayed: %d %v", verdict, err)
	}
	if lines := w.history(d.vault); !slices.Contains(lines, "signin refused passkey") {
		t.Errorf("record %q", lines)
	}
	if lines := w.history(thi.vault); slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "signin") }) {
		t.Errorf("another's record %q", lines)
	}
}

// A copy of a key is refused from the moment at which the counters cross, and recorded as what it is.
func TestCopiedPasskey(t *testing.T) {
	t.Parallel()
	w := passkeyTown(t)
	d := w.du(2, false)
	a := w.passkey(d)
	a.Counter = 7
	if verdict, err := w.asking(w.Server, 2).answer(t, a); err != nil || verdict != Accepted {
		t.Fatalf("%d %v", verdict, err)
	}
	if verdict, err := w.asking(w.Server, 2).answer(t, a); err != nil || verdict != Wrong {
		t.Errorf("a copy: %d %v", verdict, err)
	}
	if lines := w.history(d.vault); !slices.Contains(lines, "signin refused passkey_copied") {
		t.Errorf("record %q", lines)
	}
	a.Counter = 8
	if verdict, err := w.asking(w.Server, 2).answer(t, a); err != nil || verdict != Accepted {
		t.Errorf("the key itself: %d %v", verdict, err)
	}
}

// What a passkey is worth is bounded by the account, and a blocked account stays closed.
func TestPasskeyVerdicts(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		level, asked, got int
		sql               string
		want              Verdict
	}{
		"level 1, asked 1": {level: 1, asked: 1, got: 1, want: Accepted},
		"level 1, asked 2": {level: 1, asked: 2, want: NeedsLevel},
		"level 2, asked 1": {level: 2, asked: 1, got: 2, want: Accepted},
		"blocked":          {level: 2, asked: 2, sql: `update people set blocked = true`, want: AccountClosed},
		"ended":            {level: 2, asked: 2, sql: `delete`, want: Wrong},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := passkeyTown(t)
			d := w.du(row.level, false)
			a := w.passkey(d)
			switch row.sql {
			case "":
			case "delete":
				all, err := w.Credentials(t.Context(), free{}, d.vault)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range all {
					if c.Kind == WayPasskey {
						if err := w.EndCredential(t.Context(), free{}, d.vault, actorOf(d), c.ID); err != nil {
							t.Fatal(err)
						}
					}
				}
			default:
				w.exec(row.sql)
			}
			x := w.asking(w.Server, row.asked)
			if verdict, err := x.answer(t, a); err != nil || verdict != row.want || x.row.Level != row.got {
				t.Errorf("%d level %d %v", verdict, x.row.Level, err)
			}
		})
	}
}

// After a passphrase only a passkey of the same person goes on.
func TestPasskeyAfterPassphrase(t *testing.T) {
	t.Parallel()
	w := passkeyTown(t)
	d := w.du(2, true)
	a := w.passkey(d)
	thi := du{vault: w.enrol("099090000002", 2)}
	foreign := w.passkey(thi)
	x := w.proven(w.Server)
	if err := x.Choose(t.Context(), WayPasskey); err != nil {
		t.Fatal(err)
	}
	if verdict, err := x.answer(t, foreign); err != nil || verdict != Wrong {
		t.Errorf("another's: %d %v", verdict, err)
	}
	if verdict, err := x.answer(t, a); err != nil || verdict != Accepted || strings.Join(x.row.AMR, " ") != "pwd pop mfa" || x.row.Level != 2 {
		t.Errorf("%d %v %v", verdict, x.row.AMR, err)
	}
}

// Of a hundred who send one answer at once, one is let in (S3).
func TestS3_PasskeyOnce(t *testing.T) {
	t.Parallel()
	w := passkeyTown(t)
	d := w.du(2, false)
	a := w.passkey(d)
	x := w.asking(w.Server, 2)
	response := identity.NewPrivate(string(a.Get(x.options(t))))
	other := w.offering(w.peopled(w.pool))
	var in atomic.Int32
	together(100, func(i int) {
		mine := *x
		mine.server = []*Server{w.Server, other}[i%2]
		switch verdict, err := mine.Passkey(t.Context(), response); {
		case err == nil && verdict == Accepted:
			in.Add(1)
		case err == nil && verdict == Wrong, errors.Is(err, ErrMoved):
		default:
			t.Errorf("%d %v", verdict, err)
		}
	})
	if in.Load() != 1 {
		t.Errorf("%d were let in", in.Load())
	}
}

// A passkey is registered with the authority of adding a device, for its own challenge, once.
func TestRegisterPasskey(t *testing.T) {
	t.Parallel()
	w := passkeyTown(t)
	d := w.du(2, true)
	other := w.enrol("099090000002", 2)
	a := passkeytest.New(t, testIssuer, testRP)
	challenge, options := w.offered(d)
	good := NewPasskey{Name: "Máy tính", Challenge: challenge, Response: a.Create(options)}
	change := func(f func(*NewPasskey)) NewPasskey { n := good; f(&n); return n }
	right := Authority{vault: d.vault}
	later := slices.Clone(challenge)
	later[23]++
	for name, row := range map[string]struct {
		vault identity.VaultID
		in    NewPasskey
		right Authority
		want  error
	}{
		"no authority":     {d.vault, good, Authority{}, ErrLevel},
		"another's":        {other, good, Authority{vault: other}, ErrPasskey},
		"no name":          {d.vault, change(func(n *NewPasskey) { n.Name = "" }), right, ErrPasskey},
		"no challenge":     {d.vault, change(func(n *NewPasskey) { n.Challenge = nil }), right, ErrPasskey},
		"a longer life":    {d.vault, change(func(n *NewPasskey) { n.Challenge = later }), right, ErrPasskey},
		"no answer":        {d.vault, change(func(n *NewPasskey) { n.Response = nil }), right, ErrPasskey},
		"user not present": {d.vault, change(func(n *NewPasskey) { b := *a; b.Without = passkeytest.Present; n.Response = b.Create(options) }), right, ErrPasskey},
	} {
		if _, err := w.RegisterPasskey(t.Context(), free{}, row.vault, actorOf(d), row.in, row.right); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	first, err := w.RegisterPasskey(t.Context(), free{}, d.vault, actorOf(d), good, right)
	if err != nil || first.Kind != WayPasskey || first.Name != "Máy tính" {
		t.Fatalf("%+v %v", first, err)
	}
	if again, err := w.RegisterPasskey(t.Context(), free{}, d.vault, actorOf(d), good, right); err != nil || again.ID != first.ID { // P3
		t.Errorf("again: %+v %v", again, err)
	}
	second := passkeytest.New(t, testIssuer, testRP)
	if _, err := w.RegisterPasskey(t.Context(), free{}, d.vault, actorOf(d), change(func(n *NewPasskey) { n.Response = second.Create(options) }), right); !errors.Is(err, ErrReplay) {
		t.Errorf("the challenge a second time: %v", err)
	}
	if o := a.Read(must2(w.offered(d))); len(o.Exclude) != 1 || o.Exclude[0].ID != passkeytest.Base64(a.ID) {
		t.Errorf("held keys %+v", o.Exclude)
	}
	w.clock.advance(passkeyLife)
	if _, err := w.RegisterPasskey(t.Context(), free{}, d.vault, actorOf(d), good, right); !errors.Is(err, ErrPasskey) {
		t.Errorf("an old challenge: %v", err)
	}
	if n := w.count(`select count(*) from access_log where kind = 'credential_added'`); n != 1 {
		t.Errorf("%d recorded", n)
	}
	plain := w.peopled(w.pool)
	if _, err := plain.OfferPasskey(t.Context(), free{}, d.vault, "x"); !errors.Is(err, ErrPasskey) {
		t.Errorf("where none is offered: %v", err)
	}
}

func must2(_, options []byte) []byte { return options }

// P1, P2: registering is there once, wherever a round trip broke.
func TestP2_RegisterPasskeyCutOff(t *testing.T) {
	t.Parallel()
	for _, when := range []pgtest.When{pgtest.FailBefore, pgtest.FailAfter} {
		t.Run(when.String(), func(t *testing.T) {
			t.Parallel()
			w := passkeyTown(t)
			d := w.du(2, false)
			s := w.offering(w.peopled(w.db.FailOn(t, when, "commit")))
			a := passkeytest.New(t, testIssuer, testRP)
			challenge, options := w.offered(d)
			in := NewPasskey{Name: "Máy tính", Challenge: challenge, Response: a.Create(options)}
			if _, err := s.RegisterPasskey(t.Context(), free{}, d.vault, actorOf(d), in, Authority{vault: d.vault}); err == nil {
				t.Error("the fault was not seen")
			}
			if _, err := s.RegisterPasskey(t.Context(), free{}, d.vault, actorOf(d), in, Authority{vault: d.vault}); err != nil {
				t.Errorf("again: %v", err)
			}
			if n := w.count(`select count(*) from credentials where kind = 'passkey'`); n != 1 || w.count(`select count(*) from access_log where kind = 'credential_added'`) != 1 {
				t.Errorf("%d passkeys", n)
			}
		})
	}
}

// A user handle fits into an authenticator and tells nothing.
func TestUserHandle(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	vault := identity.NewVaultID()
	handle := w.handle(vault)
	if len(handle) > 64 || strings.Contains(string(handle), vault.String()[:8]) {
		t.Errorf("%d bytes", len(handle))
	}
	if got, ok := w.openHandle(handle); !ok || got != vault {
		t.Error("not found again")
	}
	if _, ok := w.openHandle(append([]byte("x"), handle[1:]...)); ok {
		t.Error("altered")
	}
}

// A passkey of nobody costs the same statements as a wrong one of somebody.
func TestPasskeyOfNobodyLooksLikeAWrongOne(t *testing.T) {
	t.Parallel()
	w := passkeyTown(t)
	d := w.du(2, true)
	w.card(d)
	a := w.passkey(d)
	var seen statements
	s := w.offering(w.peopled(w.db.Open(t, pg.Config{Role: pgtest.Serve, MaxConns: 1, Intercept: seen.intercept})))
	run := func(handle []byte) []string {
		by := *a
		by.Handle, by.Origin = handle, "https://evil.example"
		x := w.asking(s, 2)
		seen.take()
		if verdict, err := x.answer(t, &by); err != nil || verdict != Wrong {
			t.Fatalf("%d %v", verdict, err)
		}
		return seen.take()
	}
	run(a.Handle) // the keys of the vault are opened
	known := run(a.Handle)
	if len(known) < 5 {
		t.Fatalf("statements %q", known)
	}
	for _, handle := range [][]byte{w.handle(identity.NewVaultID()), []byte("x")} {
		if diff := cmp.Diff(known, run(handle)); diff != "" {
			t.Errorf("not the same statements:\n%s", diff)
		}
	}
}
