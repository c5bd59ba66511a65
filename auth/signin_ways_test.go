package auth

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/auth/codes"
	"vidan/identity"
)

// What an account has is offered after a right passphrase, and not before; from each way another can be chosen.
func TestWaysAfterThePassphrase(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	w.card(d)
	w.display(d)
	x := w.begin(w.Server, 2)
	if o := x.offer(t); len(o.Ways) != 0 || o.Asked != 0 || o.Left != 0 || x.Proven() {
		t.Errorf("before the passphrase: %+v", o)
	}
	for _, way := range []Way{WayDevice, WayTOTP, WayCard, WayPassphrase, WayPasskey, "x"} {
		if err := x.Choose(t.Context(), way); !errors.Is(err, ErrMoved) {
			t.Errorf("%s before the passphrase: %v", way, err)
		}
	}
	if _, err := x.Code(t.Context(), typedCode("123456", "192.0.2.1")); !errors.Is(err, ErrMoved) {
		t.Errorf("a code before the passphrase: %v", err)
	}
	x = w.proven(w.Server)
	if diff := cmp.Diff([]Way{WayDevice, WayTOTP, WayCard}, x.offer(t).Ways); diff != "" || x.Step() != StepChoose {
		t.Fatalf("%s: %s", x.Step(), diff)
	}
	for way, step := range map[Way]SignInStep{WayDevice: StepConfirm, WayTOTP: StepCode, WayCard: StepCard} {
		if err := x.Choose(t.Context(), way); err != nil || x.Step() != step || (x.Number() != "") != (way == WayDevice) {
			t.Errorf("%s: at %s %v", way, x.Step(), err)
		}
		if len(w.waiting(d)) != map[bool]int{true: 1, false: 0}[way == WayDevice] {
			t.Errorf("%s: the phone sees %d", way, len(w.waiting(d)))
		}
		if err := x.Choose(t.Context(), ""); err != nil || x.Step() != StepChoose || x.Number() != "" {
			t.Errorf("another way than %s: at %s %v", way, x.Step(), err)
		}
	}
	for _, way := range []Way{WayPasskey, WayPassphrase, "x"} { // none is registered; the client wants level 2
		if err := x.Choose(t.Context(), way); !errors.Is(err, ErrMoved) {
			t.Errorf("%s is not offered: %v", way, err)
		}
	}
	stale := *x
	if err := x.Choose(t.Context(), WayCard); err != nil {
		t.Fatal(err)
	}
	if err := stale.Choose(t.Context(), WayTOTP); !errors.Is(err, ErrMoved) {
		t.Errorf("from an older page: %v", err)
	}
}

// Where the client is content with less, whoever has nothing at hand goes on with level 1.
func TestGoingOnWithLess(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	w.card(d)
	params := w.params(2)
	params.Set("acr_values", acrLevel2+" "+acrLevel1)
	cookie, _, err := w.BeginSignIn(t.Context(), params, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	x := w.reopen(w.Server, cookie)
	if verdict, err := x.Passphrase(t.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); err != nil || verdict != Accepted || !x.offer(t).Lesser {
		t.Fatalf("%d %v", verdict, err)
	}
	if err := x.Choose(t.Context(), WayPassphrase); err != nil || x.Step() != StepDone || x.row.Level != 1 || x.Factor() != "" {
		t.Fatalf("%s level %d: %v", x.Step(), x.row.Level, err)
	}
	if _, err := x.Finish(t.Context()); err != nil {
		t.Error(err)
	}
}

// Wrong codes block their lane: also the right code is refused there, in every process, with the time to wait; elsewhere it passes. The lanes of
// the passphrase do not fill.
func TestThrottleOfCodes(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	card := w.card(d)
	other := w.peopled(w.pool)
	x := w.proven(w.Server)
	right := card[x.offer(t).Asked-1].Reveal()
	for i := range pairLimit {
		if verdict, err := x.Code(t.Context(), typedCode(wrongCode(right), "192.0.2.1")); err != nil || verdict != Wrong {
			t.Fatalf("try %d: %d %v", i, verdict, err)
		}
	}
	for _, s := range []*Server{w.Server, other} {
		y := w.proven(s) // the passphrase is not held back
		var wait *Throttled
		if _, err := y.Code(t.Context(), typedCode(right, "192.0.2.1")); !errors.As(err, &wait) || wait.RetryAfter <= 0 || wait.RetryAfter > pairBlock {
			t.Errorf("%v", err)
		}
	}
	if verdict, err := w.proven(other).Code(t.Context(), typedCode(right, "198.51.100.7")); err != nil || verdict != Accepted {
		t.Errorf("elsewhere: %d %v", verdict, err)
	}
}

// Somebody who knows the passphrase fills the lanes of the codes, from a hundred addresses and from browsers that they made known by the passphrase
// alone. The browser in which a sign-in of level 2 has ended still works, and so does the phone.
func TestNobodyShutsAnotherOutOfCodes(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	card := w.card(d)
	own := w.at(w.Server, WayCard)
	if verdict, err := own.Code(t.Context(), typedCode(card[own.offer(t).Asked-1].Reveal(), "192.0.2.1")); err != nil || verdict != Accepted {
		t.Fatalf("%d %v", verdict, err)
	}
	known := own.Factor()
	thief := w.at(w.Server, WayCard)
	asked := thief.offer(t).Asked
	wrong := wrongCode(card[asked-1].Reveal())
	refused := 0
	for i := range factorLimit + 3 {
		try := typedCode(wrong, fmt.Sprintf("198.51.100.%d", i))
		try.Factor = []string{thief.Browser(), "x", ""}[i%3] // known for the passphrase, and for nothing
		var wait *Throttled
		if _, err := thief.Code(t.Context(), try); errors.As(err, &wait) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused != 3 {
		t.Errorf("%d of %d tries were refused", refused, factorLimit+3)
	}
	right := typedCode(card[asked-1].Reveal(), "192.0.2.1")
	var wait *Throttled
	if _, err := w.at(w.Server, WayCard).Code(t.Context(), right); !errors.As(err, &wait) {
		t.Errorf("an unknown browser: %v", err)
	}
	right.Factor = known
	if verdict, err := w.at(w.peopled(w.pool), WayCard).Code(t.Context(), right); err != nil || verdict != Accepted {
		t.Errorf("the known browser: %d %v", verdict, err)
	}
	x := w.at(w.Server, WayDevice)
	challenge := w.waiting(d)[0]["challenge_id"].(string)
	if status, body := w.deviceCall(w.Server, pathConfirm, w.confirmation(d, challenge, x.Number(), "allow")); status != 200 {
		t.Errorf("the phone: %d %v", status, body)
	}
}

// Lanes of all together and of a client hold back unknown browsers alone.
func TestGlobalThrottle(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	verdict, x := w.try(t, w.Server, attempt(duNumber, duPassphrase, "192.0.2.1"))
	if verdict != Accepted {
		t.Fatal(verdict)
	}
	for name, bucket := range map[string][]byte{"all": w.bucket("global"), "client": w.bucket("client", []byte("vidan-app"))} {
		if n := w.count(`select count(*) from throttles where bucket = $1`, bucket); n != 1 {
			t.Fatalf("%s: %d lanes", name, n)
		}
		w.exec(`update throttles set blocked_until = $2 where bucket = $1`, bucket, w.clock.now().Add(globalBlock))
		if verdict, _ := w.try(t, w.Server, attempt(duNumber, duPassphrase, "198.51.100.1")); verdict != 0 {
			t.Errorf("%s: an unknown browser: %d", name, verdict)
		}
		known := attempt(duNumber, duPassphrase, "198.51.100.1")
		known.Browser = x.Browser()
		if verdict, _ := w.try(t, w.Server, known); verdict != Accepted {
			t.Errorf("%s: the known browser: %d", name, verdict)
		}
		w.exec(`update throttles set blocked_until = window_start where bucket = $1`, bucket)
	}
}

// A cookie of a known browser is good for its own kind and person alone.
func TestKnownBrowsersAreApart(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	other := w.enrol("099090000002", 2)
	of := d.vault.Bytes()
	cookie := w.sealBrowser(browserFactor, of[:])
	for name, found := range map[string][]byte{
		"another's": w.factorBrowser(other, cookie), "another kind": w.browserOf(browserKind, cookie, of[:]), "altered": w.factorBrowser(d.vault, cookie[1:]),
		"none": w.factorBrowser(d.vault, ""), "no vault": w.factorBrowser(identity.VaultID{}, cookie),
	} {
		if found != nil {
			t.Errorf("%s: %x", name, found)
		}
	}
	if w.factorBrowser(d.vault, cookie) == nil {
		t.Error("its own")
	}
}

// Ways are listed without anything secret, and ended from the next request on; the last one stays.
func TestCredentials(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	w.card(d)
	shown := w.display(d)
	all, err := w.Credentials(t.Context(), free{}, d.vault)
	if err != nil || len(all) != 4 {
		t.Fatalf("%+v %v", all, err)
	}
	ids := map[Way]string{}
	for _, c := range all {
		ids[c.Kind] = c.ID
		if c.Kind == WayCard && c.Left != codes.CardSize {
			t.Errorf("%+v", c)
		}
	}
	x := w.at(w.Server, WayTOTP)
	other := w.enrol("099090000002", 2)
	for name, id := range map[string]string{"another's": ids[WayTOTP], "nothing": "x"} {
		if err := w.EndCredential(t.Context(), free{}, other, actorOf(d), id); !errors.Is(err, ErrNoDevice) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.EndCredential(t.Context(), free{}, d.vault, actorOf(d), ids[WayPassphrase]); !errors.Is(err, ErrLastWay) {
		t.Errorf("the passphrase: %v", err)
	}
	if err := w.EndDevice(t.Context(), free{}, d.vault, actorOf(d), ids[WayTOTP]); !errors.Is(err, ErrNoDevice) {
		t.Errorf("a display is no device: %v", err)
	}
	for _, way := range []Way{WayTOTP, WayCard, WayDevice} {
		if err := w.EndCredential(t.Context(), free{}, d.vault, actorOf(d), ids[way]); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		if err := w.EndCredential(t.Context(), free{}, d.vault, actorOf(d), ids[way]); !errors.Is(err, ErrNoDevice) {
			t.Errorf("%s twice: %v", way, err)
		}
	}
	if verdict, err := x.Code(t.Context(), typedCode(shown.shows(t, w.clock.now()), "192.0.2.1")); err != nil || verdict != Wrong {
		t.Errorf("an ended display: %d %v", verdict, err)
	}
	if lines := w.history(d.vault); !slices.Contains(lines, "credential_removed done totp") || !slices.Contains(lines, "credential_removed done codecard") ||
		!slices.Contains(lines, "device_removed done") {
		t.Errorf("record %q", lines)
	}
}
