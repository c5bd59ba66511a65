package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"vidan/auth/codes"
	"vidan/identity"
	"vidan/internal/pgtest"
	"vidan/seal"
)

func sixDigits(n int) string { return fmt.Sprintf("%06d", n) }

func (w *town) keysOf(d du) *seal.Keys {
	w.tb.Helper()
	keys, err := w.vaults.OpenOne(w.tb.Context(), w.pool, d.vault)
	if err != nil {
		w.tb.Fatal(err)
	}
	return keys
}

func (x *SignIn) offer(t testing.TB) Offer {
	t.Helper()
	o, err := x.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// A passphrase and the code of the number asked are level 2. The number stays until it was answered, over reloads, sign-ins and processes;
// a right code of another number is a wrong one.
func TestSignInByCard(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	card := w.card(d)
	x := w.proven(w.Server)
	asked := x.offer(t).Asked
	if x.Step() != StepCard || asked < 1 || asked > codes.CardSize || x.offer(t).Left != codes.CardSize {
		t.Fatalf("%s %+v", x.Step(), x.offer(t))
	}
	other := card[asked%codes.CardSize]
	if verdict, err := x.Code(t.Context(), typedCode(other.Reveal(), "192.0.2.1")); err != nil || verdict != Wrong {
		t.Errorf("the code of another number: %d %v", verdict, err)
	}
	second := w.proven(w.peopled(w.pool))
	if again := second.offer(t).Asked; again != asked || x.offer(t).Asked != asked {
		t.Errorf("asked %d, then %d", asked, again)
	}
	if verdict, err := x.Code(t.Context(), typedCode(card[asked-1].Reveal(), "192.0.2.1")); err != nil || verdict != Accepted {
		t.Fatalf("%d %v", verdict, err)
	}
	if x.row.Level != 2 || strings.Join(x.row.AMR, " ") != "pwd otp" {
		t.Errorf("level %d by %v", x.row.Level, x.row.AMR)
	}
	if _, err := x.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if o := second.offer(t); o.Asked == asked || o.Left != codes.CardSize-1 {
		t.Errorf("afterwards %+v", o)
	}
	if verdict, err := second.Code(t.Context(), typedCode(card[asked-1].Reveal(), "192.0.2.1")); err != nil || verdict != Wrong {
		t.Errorf("a used code: %d %v", verdict, err)
	}
	if n := w.count(`select count(*) from code_card_entries where used_at is not null and mac = ''`); n != 1 {
		t.Errorf("%d entries used", n)
	}
	if lines := w.history(d.vault); !slices.Contains(lines, "signin refused codecard") || !slices.Contains(lines, "credential_added done codecard") {
		t.Errorf("record %q", lines)
	}
}

// A card is used to its end: each number once, told when five are left and when none is; then the account has no second factor.
func TestCardToItsEnd(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	card := w.card(d)
	told := func() int { return w.count(`select count(*) from outbox where args->>'template' = 'card_low'`) }
	seen := map[int]bool{}
	for left := codes.CardSize; left > 0; left-- {
		x := w.standing(d, StepCard)
		o := x.offer(t)
		if seen[o.Asked] || o.Left != left {
			t.Fatalf("asked %d again, or %d left of %d", o.Asked, o.Left, left)
		}
		seen[o.Asked] = true
		if verdict, err := x.Code(t.Context(), typedCode(card[o.Asked-1].Reveal(), "192.0.2.1")); err != nil || verdict != Accepted {
			t.Fatalf("%d left: %d %v", left, verdict, err)
		}
		if want := map[bool]int{true: 1, false: 0}[left-1 <= codes.CardLow]; left > 1 && told() != want {
			t.Errorf("%d left: told %d times", left-1, told())
		}
	}
	if told() != 2 {
		t.Errorf("told %d times", told())
	}
	x := w.begin(w.Server, 2)
	if verdict, err := x.Passphrase(t.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); err != nil || verdict != NeedsWay {
		t.Errorf("used up: %d %v", verdict, err)
	}
}

// Issuing another card revokes the first: its codes are worth nothing, whichever number is asked.
func TestCardReplaced(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	old := w.card(d)
	x := w.proven(w.Server)
	fresh := w.card(d)
	asked := x.offer(t).Asked
	if old[asked-1] != fresh[asked-1] {
		if verdict, err := x.Code(t.Context(), typedCode(old[asked-1].Reveal(), "192.0.2.1")); err != nil || verdict != Wrong {
			t.Errorf("the old card: %d %v", verdict, err)
		}
	}
	if verdict, err := x.Code(t.Context(), typedCode(fresh[asked-1].Reveal(), "192.0.2.1")); err != nil || verdict != Accepted {
		t.Errorf("the new card: %d %v", verdict, err)
	}
	if n := w.count(`select count(*) from credentials where kind = 'codecard' and state = 'active'`); n != 1 {
		t.Errorf("%d cards", n)
	}
	w.exec(`update people set blocked = true`)
	if _, err := w.IssueCard(t.Context(), free{}, w.atCounter(), d.vault); !errors.Is(err, ErrPersonBlocked) {
		t.Errorf("for somebody blocked: %v", err)
	}
	nobody := du{vault: identity.NewVaultID()}
	if _, err := w.IssueCard(t.Context(), free{}, w.atCounter(), nobody.vault); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("for nobody: %v", err)
	}
}

// Of a hundred sign-ins that show one code at once, one is let in (S3); the next number is drawn once.
func TestS3_CardOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	card := w.card(d)
	other := w.peopled(w.pool)
	var signIns [100]*SignIn
	for i := range signIns {
		signIns[i] = w.standing(d, StepCard)
	}
	asked := signIns[0].offer(t).Asked
	var in atomic.Int32
	together(len(signIns), func(i int) {
		signIns[i].server = []*Server{w.Server, other}[i%2]
		verdict, err := signIns[i].Code(t.Context(), typedCode(card[asked-1].Reveal(), "192.0.2."+sixDigits(i)))
		var wait *Throttled
		switch {
		case err == nil && verdict == Accepted:
			in.Add(1)
		case err == nil && verdict == Wrong, errors.As(err, &wait):
		default:
			t.Errorf("%d %v", verdict, err)
		}
	})
	if n := w.count(`select count(*) from code_card_entries where used_at is not null`); in.Load() != 1 || n != 1 {
		t.Errorf("%d were let in, %d entries used", in.Load(), n)
	}
}

// O4: a card, its entries and the number asked are believed only as this service wrote them.
func TestO4_CardsAreBelievedWithTheirMAC(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		sql   string
		wrong bool // else the row is found altered
	}{
		"number asked":     {`update credentials set counter = counter % 40 + 1 where kind = 'codecard'`, false},
		"entry moved":      {`update code_card_entries e set mac = (select o.mac from code_card_entries o where o.number <> e.number limit 1)`, true},
		"entry emptied":    {`update code_card_entries set mac = ''`, true},
		"taken from usage": {`update code_card_entries set mac = '\x00', used_at = null`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			d := w.du(2, false)
			card := w.card(d)
			x := w.proven(w.Server)
			asked := x.offer(t).Asked
			w.exec(row.sql)
			verdict, err := x.Code(t.Context(), typedCode(card[asked-1].Reveal(), "192.0.2.1"))
			if row.wrong && (err != nil || verdict != Wrong) || !row.wrong && !errors.Is(err, seal.ErrTampered) {
				t.Errorf("%d %v", verdict, err)
			}
		})
	}
}

// P1, P2: of an issue that was cut off and repeated, one card is active and its codes are those that were answered.
func TestP2_IssueCardCutOff(t *testing.T) {
	t.Parallel()
	for _, when := range []pgtest.When{pgtest.FailBefore, pgtest.FailAfter} {
		t.Run(when.String(), func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			d := w.du(2, false)
			s := w.peopled(w.db.FailOn(t, when, "commit"))
			if _, err := s.IssueCard(t.Context(), free{}, w.atCounter(), d.vault); err == nil {
				t.Error("the fault was not seen")
			}
			printed, err := s.IssueCard(t.Context(), free{}, w.atCounter(), d.vault)
			if err != nil {
				t.Fatal(err)
			}
			if n := w.count(`select count(*) from credentials where kind = 'codecard' and state = 'active'`); n != 1 {
				t.Errorf("%d cards", n)
			}
			x := w.proven(w.Server)
			if verdict, err := x.Code(t.Context(), typedCode(printed.Codes[x.offer(t).Asked-1].Reveal(), "192.0.2.1")); err != nil || verdict != Accepted {
				t.Errorf("%d %v", verdict, err)
			}
		})
	}
}
