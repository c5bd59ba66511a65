package auth

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// try makes one attempt in a new sign-in at a process and returns its verdict; 0 means throttled.
func (w *town) try(t *testing.T, s *Server, a Attempt) (Verdict, *SignIn) {
	t.Helper()
	x := w.begin(s, 1)
	verdict, err := x.Passphrase(t.Context(), a)
	var wait *Throttled
	switch {
	case errors.As(err, &wait):
		if wait.RetryAfter <= 0 || wait.RetryAfter > pairBlock {
			t.Errorf("again in %s", wait.RetryAfter)
		}
		return 0, x
	case err != nil:
		t.Fatal(err)
	}
	return verdict, x
}

// Five wrong passphrases from one address, then also the right one is refused there, in every process, for a number of somebody and
// for one of nobody alike, until the block is over.
func TestThrottleByAccountAndAddress(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	other := w.peopled(w.pool)
	for _, number := range []string{duNumber, nobodyNumber} {
		for i := range pairLimit {
			if verdict, _ := w.try(t, []*Server{w.Server, other}[i%2], attempt(number, "sai rồi nhé", "192.0.2.1")); verdict != Wrong {
				t.Fatalf("attempt %d: %d", i, verdict)
			}
		}
		for _, s := range []*Server{w.Server, other} {
			if verdict, _ := w.try(t, s, attempt(number, duPassphrase, "192.0.2.1")); verdict != 0 {
				t.Errorf("%d was not refused", verdict)
			}
		}
	}
	if verdict, _ := w.try(t, other, attempt(duNumber, duPassphrase, "198.51.100.7")); verdict != Accepted {
		t.Errorf("from another address: %d", verdict)
	}
	w.clock.advance(pairBlock)
	if verdict, _ := w.try(t, other, attempt(duNumber, duPassphrase, "192.0.2.1")); verdict != Accepted {
		t.Errorf("when the block is over: %d", verdict)
	}
	for i := range pairLimit - 1 { // a right passphrase emptied the lane
		if verdict, _ := w.try(t, other, attempt(duNumber, "sai rồi nhé", "192.0.2.1")); verdict != Wrong {
			t.Errorf("attempt %d afterwards: %d", i, verdict)
		}
	}
}

// A hundred guesses at once are as few as five in a row.
func TestThrottleUnderConcurrency(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	var tried, refused atomic.Int32
	var signIns [100]*SignIn
	for i := range signIns {
		signIns[i] = w.begin(w.Server, 1)
	}
	together(len(signIns), func(i int) {
		verdict, err := signIns[i].Passphrase(t.Context(), attempt(duNumber, "sai rồi nhé", "192.0.2.1"))
		var wait *Throttled
		switch {
		case errors.As(err, &wait):
			refused.Add(1)
		case err == nil && verdict == Wrong:
			tried.Add(1)
		default:
			t.Errorf("%d %v", verdict, err)
		}
	})
	if tried.Load() != pairLimit || refused.Load() != 100-pairLimit {
		t.Errorf("%d were tried, %d refused", tried.Load(), refused.Load())
	}
	if n := w.count(`select count(*) from access_log where vault_id = $1 and kind = 'signin'`, d.vault); n != pairLimit {
		t.Errorf("%d recorded", n)
	}
}

// Strangers at a hundred addresses fill the lane of an account. The browser in which its owner signed in before still works, and so does her
// phone; its cookie opens no lane of another account.
func TestNobodyShutsAnotherOut(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	verdict, x := w.try(t, w.Server, attempt(duNumber, duPassphrase, "192.0.2.1"))
	if verdict != Accepted || x.Browser() == "" {
		t.Fatalf("first: %d", verdict)
	}
	known := attempt(duNumber, duPassphrase, "192.0.2.1")
	known.Browser = x.Browser()
	cookie, _ := w.asked(d) // a sign-in whose number already stands on a page

	account := w.account(mustNumber(t, duNumber))
	w.exec(`update throttles set failures = $2, blocked_until = $3 where bucket = $1`, account, accountLimit, w.clock.now().Add(accountBlock))
	if verdict, _ := w.try(t, w.Server, attempt(duNumber, duPassphrase, "203.0.113.9")); verdict != 0 {
		t.Errorf("an unknown browser at a new address: %d", verdict)
	}
	if verdict, _ := w.try(t, w.peopled(w.pool), known); verdict != Accepted {
		t.Errorf("the known browser: %d", verdict)
	}
	challenge := w.waiting(d)[0]
	number := w.reopen(w.Server, cookie).Number()
	if status, body := w.deviceCall(w.Server, pathConfirm, w.confirmation(d, challenge["challenge_id"].(string), number, "allow")); status != 200 {
		t.Errorf("the phone: %d %v", status, body)
	}
	if w.reopen(w.Server, cookie).Step() != StepDone {
		t.Error("the confirmed sign-in did not move on")
	}
	foreign := attempt(nobodyNumber, "sai rồi nhé", "203.0.113.9")
	foreign.Browser = x.Browser()
	for i := range pairLimit {
		if verdict, _ := w.try(t, w.Server, foreign); verdict != Wrong {
			t.Fatalf("attempt %d: %d", i, verdict)
		}
	}
	if verdict, _ := w.try(t, w.Server, foreign); verdict != 0 {
		t.Errorf("the cookie of another account opened a lane: %d", verdict)
	}
}

// The lane of an account fills at its limit from ever new addresses, and one try per block is left after that.
func TestThrottleByAccount(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.du(2, false)
	account := w.account(mustNumber(t, duNumber))
	for i := range 2 {
		if verdict, _ := w.try(t, w.Server, attempt(duNumber, "sai rồi nhé", fmt.Sprintf("198.51.100.%d", i))); verdict != Wrong {
			t.Fatal(verdict)
		}
	}
	if n := w.count(`select failures from throttles where bucket = $1`, account); n != 2 {
		t.Fatalf("%d failures counted", n)
	}
	w.exec(`update throttles set failures = $2 where bucket = $1`, account, accountLimit-1)
	for i, want := range []Verdict{Wrong, 0} {
		if verdict, _ := w.try(t, w.Server, attempt(duNumber, "sai rồi nhé", fmt.Sprintf("203.0.113.%d", i))); verdict != want {
			t.Errorf("attempt %d: %d, want %d", i, verdict, want)
		}
	}
	w.clock.advance(accountBlock)
	for i, want := range []Verdict{Wrong, 0} {
		if verdict, _ := w.try(t, w.Server, attempt(duNumber, "sai rồi nhé", fmt.Sprintf("192.0.2.%d", i))); verdict != want {
			t.Errorf("after the block, attempt %d: %d, want %d", i, verdict, want)
		}
	}
	w.clock.advance(accountWindow)
	if verdict, _ := w.try(t, w.Server, attempt(duNumber, duPassphrase, "192.0.2.77")); verdict != Accepted {
		t.Errorf("the next day: %d", verdict)
	}
}

// What limits say is what is checked: no lane blocks for longer than its window counts.
func TestLanesAreDistinct(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	account := w.account(mustNumber(t, duNumber))
	seen := map[string]bool{}
	for _, l := range append(append(w.lanes(account, "vidan-app", "192.0.2.1", nil), w.lanes(account, "vidan-app", "192.0.2.1", []byte("b"))...),
		w.activationLanes(account, "192.0.2.1")...) {
		if seen[string(l.bucket)] || l.limit < 1 || l.block > l.window || l.block > 15*time.Minute {
			t.Errorf("lane %+v", l)
		}
		seen[string(l.bucket)] = true
	}
}
