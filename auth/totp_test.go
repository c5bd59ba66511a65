package auth

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"vidan/auth/codes"
	"vidan/identity"
	"vidan/internal/pgtest"
)

// A passphrase and the code of a display are level 2; the code works once, in every process and every sign-in.
func TestSignInByCodeDisplay(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	shown := w.display(d)
	x := w.proven(w.Server)
	if x.Step() != StepCode {
		t.Fatalf("the only way is passed over: %s", x.Step())
	}
	code := shown.shows(t, w.clock.now())
	if verdict, err := x.Code(t.Context(), typedCode("12345", "192.0.2.1")); err != nil || verdict != Malformed {
		t.Errorf("five digits: %d %v", verdict, err)
	}
	if verdict, err := x.Code(t.Context(), typedCode(wrongCode(code), "192.0.2.1")); err != nil || verdict != Wrong || x.Step() != StepCode {
		t.Errorf("another code: %d %v", verdict, err)
	}
	if verdict, err := x.Code(t.Context(), typedCode(code[:3]+" "+code[3:], "192.0.2.1")); err != nil || verdict != Accepted {
		t.Fatalf("the code: %d %v", verdict, err)
	}
	if x.row.Level != 2 || strings.Join(x.row.AMR, " ") != "pwd otp" || x.Factor() == "" {
		t.Errorf("level %d by %v", x.row.Level, x.row.AMR)
	}
	if _, err := x.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := w.at(w.peopled(w.pool), WayTOTP)
	if verdict, err := again.Code(t.Context(), typedCode(code, "192.0.2.1")); err != nil || verdict != Wrong {
		t.Errorf("the code a second time: %d %v", verdict, err)
	}
	w.clock.advance(codes.Period)
	if verdict, err := again.Code(t.Context(), typedCode(code, "192.0.2.1")); err != nil || verdict != Wrong {
		t.Errorf("in the next step: %d %v", verdict, err)
	}
	if verdict, err := again.Code(t.Context(), typedCode(shown.shows(t, w.clock.now()), "192.0.2.1")); err != nil || verdict != Accepted {
		t.Errorf("the next code: %d %v", verdict, err)
	}
	if lines := w.history(d.vault); !slices.Contains(lines, "signin refused totp") || !slices.Contains(lines, "credential_added done totp") {
		t.Errorf("record %q", lines)
	}
}

// wrongCode is another code than this.
func wrongCode(code string) string {
	first := map[bool]string{true: "1", false: "0"}[code[0] == '0']
	return first + code[1:]
}

// Of a hundred sign-ins that show one code at once, one is let in (S3).
func TestS3_CodeDisplayOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	shown := w.display(d)
	other := w.peopled(w.pool)
	var signIns [100]*SignIn
	for i := range signIns {
		signIns[i] = w.standing(d, StepCode)
	}
	code := shown.shows(t, w.clock.now())
	var in atomic.Int32
	together(len(signIns), func(i int) {
		signIns[i].server = []*Server{w.Server, other}[i%2]
		verdict, err := signIns[i].Code(t.Context(), typedCode(code, "192.0.2."+sixDigits(i)))
		var wait *Throttled
		switch {
		case err == nil && verdict == Accepted:
			in.Add(1)
		case err == nil && verdict == Wrong, errors.As(err, &wait):
		default:
			t.Errorf("%d %v", verdict, err)
		}
	})
	if in.Load() != 1 {
		t.Errorf("%d were let in", in.Load())
	}
}

// standing is a sign-in that stands at a step, written by the server itself: a hundred of them without a hundred argon2id.
func (w *town) standing(d du, step SignInStep) *SignIn {
	w.tb.Helper()
	x := w.begin(w.Server, 2)
	to := x.row
	to.Vault, to.Step, to.AMR = d.vault, step, []string{MethodPassphrase}
	if step == StepPasskey {
		to.Challenge = identity.NewID[identity.ObjectID]()
	}
	if err := x.conclude(w.tb.Context(), conclusion{who: &candidate{vault: d.vault, keys: w.keysOf(d)}, verdict: Accepted, to: &to}); err != nil {
		w.tb.Fatal(err)
	}
	return x
}

// A display is added by who shows its code, with the authority of adding a device; the secret is nowhere to be read afterwards.
func TestAddDisplay(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	right := Authority{vault: d.vault}
	offer, err := w.OfferDisplay(t.Context(), free{}, d.vault, "Đồng hồ mã")
	if err != nil {
		t.Fatal(err)
	}
	shown := newDisplay(t, offer.URI)
	now := func() identity.Private { return identity.NewPrivate(shown.shows(t, w.clock.now())) }
	add := func(in NewDisplay, right Authority) (Credential, error) {
		return w.AddDisplay(t.Context(), free{}, d.vault, actorOf(d), in, right)
	}
	good := NewDisplay{Name: "Đồng hồ mã", Offer: offer.Offer, Code: now()}
	change := func(f func(*NewDisplay)) NewDisplay { n := good; f(&n); return n }
	foreign, err := w.OfferDisplay(t.Context(), free{}, w.enrol("099090000002", 2), "Máy")
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		in    NewDisplay
		right Authority
		want  error
	}{
		"no authority":      {good, Authority{}, ErrLevel},
		"another's":         {change(func(n *NewDisplay) { n.Offer = foreign.Offer }), right, ErrDisplay},
		"an altered offer":  {change(func(n *NewDisplay) { n.Offer = n.Offer[1:] + "A" }), right, ErrDisplay},
		"no name":           {change(func(n *NewDisplay) { n.Name = "" }), right, ErrDisplay},
		"another code":      {change(func(n *NewDisplay) { n.Code = identity.NewPrivate(wrongCode(n.Code.Reveal())) }), right, ErrWrongCode},
		"what is no code":   {change(func(n *NewDisplay) { n.Code = identity.NewPrivate("abc") }), right, ErrWrongCode},
		"a code of the day": {change(func(n *NewDisplay) { n.Code = identity.NewPrivate("") }), right, ErrWrongCode},
	} {
		if _, err := add(row.in, row.right); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	first, err := add(good, right)
	if err != nil || first.Kind != WayTOTP || first.Name != "Đồng hồ mã" {
		t.Fatalf("%+v %v", first, err)
	}
	if again, err := add(good, right); err != nil || again.ID != first.ID { // P3
		t.Errorf("again: %+v %v", again, err)
	}
	if n := w.count(`select count(*) from access_log where kind = 'credential_added'`); n != 1 {
		t.Errorf("%d recorded", n)
	}
	if n := w.count(`select count(*) from outbox where kind = 'notice' and args->>'template' = 'credential_added'`); n != 1 {
		t.Errorf("%d told", n)
	}
	if n := w.count(`select count(*) from credentials c where c::text like '%' || $1 || '%' or position($2::bytea in sealed) > 0`, shown.secret, []byte(shown.secret)); n != 0 {
		t.Error("the secret can be read")
	}
	list, err := w.Credentials(t.Context(), free{}, d.vault)
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v %v", list, err)
	}
	w.clock.advance(offerLife)
	if _, err := add(change(func(n *NewDisplay) { n.Code = now() }), right); !errors.Is(err, ErrDisplay) {
		t.Errorf("an old offer: %v", err)
	}
}

// P1, P2: adding is there once, wherever a round trip broke.
func TestP2_AddDisplayCutOff(t *testing.T) {
	t.Parallel()
	for _, when := range []pgtest.When{pgtest.FailBefore, pgtest.FailAfter} {
		t.Run(when.String(), func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			d := w.du(2, false)
			s := w.peopled(w.db.FailOn(t, when, "commit"))
			offer, err := s.OfferDisplay(t.Context(), free{}, d.vault, "Đồng hồ mã")
			if err != nil {
				t.Fatal(err)
			}
			in := NewDisplay{Name: "Đồng hồ mã", Offer: offer.Offer, Code: identity.NewPrivate(newDisplay(t, offer.URI).shows(t, w.clock.now()))}
			if _, err := s.AddDisplay(t.Context(), free{}, d.vault, actorOf(d), in, Authority{vault: d.vault}); err == nil {
				t.Error("the fault was not seen")
			}
			if _, err := s.AddDisplay(t.Context(), free{}, d.vault, actorOf(d), in, Authority{vault: d.vault}); err != nil {
				t.Errorf("again: %v", err)
			}
			if n := w.count(`select count(*) from credentials where kind = 'totp'`); n != 1 || w.count(`select count(*) from access_log where kind = 'credential_added'`) != 1 {
				t.Errorf("%d displays", n)
			}
		})
	}
}

// P2: a code whose sign-in was cut off after it persisted is used; before, it works again. Either way it lets one sign-in in.
func TestP2_CodeCutOff(t *testing.T) {
	t.Parallel()
	for _, when := range []pgtest.When{pgtest.FailBefore, pgtest.FailAfter} {
		t.Run(when.String(), func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			d := w.du(2, false)
			shown := w.display(d)
			x := w.at(w.Server, WayTOTP)
			x.server = w.peopled(w.db.FailOn(t, when, "update credentials"))
			if _, err := x.Code(t.Context(), typedCode(shown.shows(t, w.clock.now()), "192.0.2.1")); err == nil {
				t.Error("the fault was not seen")
			}
			rows := w.count(`select count(*) from signins where step = 'done'`)
			if (rows == 1) != (when == pgtest.FailAfter) {
				t.Errorf("%d signed in", rows)
			}
			verdict, err := w.at(w.Server, WayTOTP).Code(t.Context(), typedCode(shown.shows(t, w.clock.now()), "192.0.2.1"))
			if want := map[pgtest.When]Verdict{pgtest.FailBefore: Accepted, pgtest.FailAfter: Wrong}[when]; err != nil || verdict != want {
				t.Errorf("again: %d %v", verdict, err)
			}
		})
	}
}
