package auth

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// The arithmetic of the slots: what is acceptable now, at clocks two minutes apart, is never in a slot that is emptied, and every
// slot is emptied before it is taken again.
func TestSlotsNeverMeet(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for second := range 3600 {
		now := start.Add(time.Duration(second) * time.Second)
		minute := now.Unix() / 60
		var emptied []int16
		for ago := int64(newestUnused); ago <= oldestUnused; ago++ {
			emptied = append(emptied, slotOf(minute-ago))
		}
		for _, apart := range []time.Duration{-2 * time.Minute, -time.Minute, 0, time.Minute} {
			theirs := now.Add(apart)
			for _, until := range []time.Duration{0, proofWindow, 2 * proofWindow, (nonceMinutes + 1) * time.Minute, assertionLife, assertionLife + skew} {
				id := newProofID("dpop", "key", "jti", theirs.Add(until))
				if slices.Contains(emptied, id.slot) {
					t.Fatalf("at %v a message that ends at %v is in a slot being emptied", now, theirs.Add(until))
				}
			}
		}
	}
	if proofSlots < oldestUnused+1+7 {
		t.Error("a slot is taken again before it was emptied")
	}
}

func TestProofIDsDiffer(t *testing.T) {
	t.Parallel()
	until := time.Unix(1700000000, 0)
	base := newProofID("dpop", "key", "jti", until)
	for name, other := range map[string]proofID{
		"use":   newProofID("assertion", "key", "jti", until),
		"maker": newProofID("dpop", "key2", "jti", until),
		"jti":   newProofID("dpop", "key", "jti2", until),
		"cut":   newProofID("dpop", "keyj", "ti", until),
	} {
		if other.digest == base.digest {
			t.Errorf("another %s has the same digest", name)
		}
	}
	if again := newProofID("dpop", "key", "jti", until); again != base {
		t.Error("the same message has two names")
	}
}

// A rotation empties what is over, keeps what is not, and a proof seen in this minute stays seen.
func TestRotateProofs(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	now := time.Date(2026, 11, 23, 8, 30, 15, 0, time.UTC)
	fill := func() {
		for minutes := -8; minutes <= 7; minutes++ {
			b := new(pgx.Batch)
			queueProofs(b, newProofID("dpop", "key", fmt.Sprint(minutes), now.Add(time.Duration(minutes)*time.Minute)))
			if err := pg.Pipeline(t.Context(), db.Pool, b); err != nil && !replayed(err) {
				t.Fatal(err)
			}
		}
	}
	left := func() (n int) {
		if err := db.Owner(t).QueryRow(t.Context(), `select count(*) from proof_ids`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	fill()
	if n := left(); n != proofSlots {
		t.Fatalf("%d filled", n)
	}
	var wg sync.WaitGroup
	for range 4 { // every process tries; one does it
		wg.Go(func() {
			if err := RotateProofs(t.Context(), db.Pool, now); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n, want := left(), proofSlots-(oldestUnused-newestUnused+1); n != want {
		t.Errorf("%d left, want %d", n, want)
	}
	for minutes := -2; minutes <= 7; minutes++ {
		b := new(pgx.Batch)
		queueProofs(b, newProofID("dpop", "key", fmt.Sprint(minutes), now.Add(time.Duration(minutes)*time.Minute)))
		var twice *pg.Duplicate
		if err := pg.Pipeline(t.Context(), db.Pool, b); !errors.As(err, &twice) || !replayed(err) {
			t.Errorf("a proof of minute %+d was forgotten: %v", minutes, err)
		}
	}
	for hours := range 3 {
		if err := RotateProofs(t.Context(), db.Pool, now.Add(time.Duration(hours)*time.Hour)); err != nil {
			t.Error(err)
		}
	}
}

// While another process rotates, this one leaves at once; while a slot is held by a transaction that hangs, nobody waits long.
func TestRotateProofsDoesNotWait(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	now := time.Date(2026, 11, 23, 8, 30, 15, 0, time.UTC)
	old := newProofID("dpop", "key", "old", now.Add(-5*time.Minute))
	b := new(pgx.Batch)
	queueProofs(b, old)
	if err := pg.Pipeline(t.Context(), db.Pool, b); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	var mine bool
	if err := tx.QueryRow(t.Context(), sqlTryRotation, int64(pg.NewLockKey("proof_ids rotation"))).Scan(&mine); err != nil || !mine {
		t.Fatalf("%v %v", mine, err)
	}
	if err := RotateProofs(t.Context(), db.Pool, now); err != nil {
		t.Errorf("while another rotates: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	hold, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Rollback(t.Context())
	if _, err := hold.Exec(t.Context(), sqlUseProof, old.slot, make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	if err := RotateProofs(t.Context(), db.Pool, now); !pg.Transient(err) {
		t.Errorf("while a slot is held: %v", err)
	}
}
