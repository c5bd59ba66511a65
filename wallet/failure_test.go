package wallet_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/wallet"
)

// fallible is one write, in a database of its own each time.
type fallible struct {
	arrange func(*cabinet) any
	act     func(*cabinet, any) error
	// counts are what the write leaves, each a count that is 0 before it and 1 after it: never something in between, never twice.
	counts []string
	done   func(*cabinet, any) error // what a client sees when it is done; nil: nothing further
}

// TestP2_P3_EveryWrite fails each write of this package before and after every round trip of it, then repeats it as a client would: what was
// done is there once and entirely, and what was not left nothing.
func TestP2_P3_EveryWrite(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fallible{
		"revise": {arrangeRevision, actRevise, []string{
			`select count(*) from document_revisions`, `select count(*) from documents`, `select count(*) from access_log where kind = 'result_stored'`,
		}, checkRead},
		"hold": {arrangeHolding, actHold, []string{
			`select count(*) from holdings where side = 'home'`, `select count(*) from access_log where kind = 'holding_opened'`,
		}, nil},
		"mirror": {arrangeMirror, actMirror, []string{
			`select count(*) from holdings where side = 'holder'`, `select count(*) - 1 from access_log where kind = 'holding_opened'`,
		}, checkHeld},
		"end holding": {arrangeEnding, actEnd, []string{
			`select count(*) from holdings where side = 'home' and state = 'ended'`, `select count(*) from access_log where kind = 'holding_ended'`,
		}, checkNotHeld},
		"mirror the end": {arrangeMirrorEnd, actMirror, []string{
			`select count(*) from holdings where side = 'holder' and state = 'ended'`, `select count(*) - 1 from access_log where kind = 'holding_ended'`,
		}, checkNotHeld},
		"copy": {arrangeCopy, actCopy, []string{
			`select count(*) - 1 from document_revisions`, `select count(*) - 1 from documents`, `select count(*) - 1 from access_log where kind = 'result_stored'`,
		}, nil},
		"rebuild": {arrangeLostHead, actRebuild, []string{`select count(*) from documents`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.EveryFault(t, func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
				c := setupOn(t, db)
				with := f.arrange(c)
				first := f.act(c.on(faulty), with)
				left := f.left(c)
				if slices.Min(left) != slices.Max(left) {
					t.Errorf("after %v: half of it is there: %v", first, left)
				}
				if first == nil && left[0] != 1 || first != nil && left[0] == 1 && !errors.Is(first, pg.ErrOutcomeUnknown) {
					t.Errorf("%v, and left %v", first, left)
				}
				if err := f.act(c, with); err != nil {
					t.Errorf("repeated: %v", err)
				}
				if left := f.left(c); slices.Min(left) != 1 || slices.Max(left) != 1 {
					t.Errorf("after all: %v", left)
				}
				if f.done != nil {
					if err := f.done(c, with); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

func (f fallible) left(c *cabinet) []int {
	left := make([]int, len(f.counts))
	for i, sql := range f.counts {
		left[i] = c.count(sql)
	}
	return left
}

func arrangeRevision(c *cabinet) any {
	return c.revision(paper{vault: c.vault(), ref: "KS-12/2026", number: 1})
}

// actRevise takes the same revision for done, as the intake does.
func actRevise(c *cabinet, with any) error {
	err := c.store(with.(wallet.Revision))
	var twice *pg.Duplicate
	if errors.As(err, &twice) && twice.Constraint == wallet.KeyRevision {
		return nil
	}
	return err
}

func checkRead(c *cabinet, with any) error {
	rev := with.(wallet.Revision)
	got, err := c.get(rev.Vault, rev.Document, 0)
	if err == nil && string(got.Message) != string(rev.Message) {
		return errors.New("another message")
	}
	return err
}

func arrangeHolding(c *cabinet) any {
	h := household{home: c.vault(), holder: c.vault()}
	h.doc = c.put(paper{vault: h.home, ref: "KS-12/2026", number: 1}).Document
	return h
}

func actHold(c *cabinet, with any) error {
	h := with.(household)
	keys, err := c.vaults.OpenOne(c.t.Context(), c.pool, h.home)
	if err != nil {
		return err
	}
	b := new(pgx.Batch)
	c.QueueLock(b, h.home)
	if _, err := c.QueueHold(b, keys, wallet.Holding{Home: h.home, Holder: h.holder, Document: h.doc, Reason: "heir"}, audit.Actor{}, c.now()); err != nil {
		return err
	}
	return pg.Pipeline(c.t.Context(), c.pool, b)
}

func arrangeMirror(c *cabinet) any {
	h := arrangeHolding(c).(household)
	h.id = c.holdAtHome(wallet.Holding{Home: h.home, Holder: h.holder, Document: h.doc, Reason: "heir"})
	return h
}

func actMirror(c *cabinet, with any) error {
	h := with.(household)
	return c.Mirror(c.t.Context(), mirrorTask(h.home, h.id))
}

func checkHeld(c *cabinet, with any) error    { return c.mustSee(with.(household), everyWay) }
func checkNotHeld(c *cabinet, with any) error { return c.mustSee(with.(household), nil) }

func (c *cabinet) mustSee(h household, want []string) error {
	if got := c.sees(h); !cmp.Equal(got, want) {
		return fmt.Errorf("the holder sees %v", got)
	}
	return nil
}

func arrangeEnding(c *cabinet) any {
	h := arrangeMirror(c).(household)
	c.mirror(h.home, h.id)
	return h
}

func actEnd(c *cabinet, with any) error {
	h := with.(household)
	_, err := c.EndHoldings(c.t.Context(), pg.All(), h.home, wallet.Ending{Holder: h.holder}, "court", audit.Actor{Client: "registrar"})
	return err
}

func arrangeMirrorEnd(c *cabinet) any {
	h := arrangeEnding(c).(household)
	if err := actEnd(c, h); err != nil {
		c.t.Fatal(err)
	}
	return h
}

// couple is a paper about two people on its way to the second.
type couple struct {
	wife, husband identity.VaultID
	doc           identity.DocumentID
}

func arrangeCopy(c *cabinet) any {
	two := couple{wife: c.vault(), husband: c.vault()}
	two.doc = c.put(paper{vault: two.wife, ref: "KH-7/2026", number: 1, who: "du", what: "marriage_certificate"}).Document
	return two
}

func (two couple) copying(number int) wallet.Copying {
	return wallet.Copying{From: two.wife, To: two.husband, Document: two.doc, Revision: number, SubjectRole: "husband", Organisation: registry}
}

func actCopy(c *cabinet, with any) error { return c.Copy(c.t.Context(), with.(couple).copying(1)) }

func arrangeLostHead(c *cabinet) any {
	rev := c.put(paper{vault: c.vault(), ref: "KS-12/2026", number: 1})
	c.write(`delete from documents`)
	return rev
}

func actRebuild(c *cabinet, with any) error {
	rev := with.(wallet.Revision)
	_, err := c.RebuildHead(c.t.Context(), rev.Vault, rev.Document)
	return err
}

// TestP7_EveryReading fails a reading at each of its round trips: whatever was returned is in the record.
func TestP7_EveryReading(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(*cabinet, household) error{
		"get":      func(c *cabinet, h household) error { _, err := c.get(h.home, h.doc, 0); return err },
		"get held": func(c *cabinet, h household) error { _, err := c.get(h.holder, h.doc, 0); return err },
		"list": func(c *cabinet, h household) error {
			_, err := c.List(c.t.Context(), pg.All(), []identity.VaultID{h.holder}, me(h.holder), "", 0)
			return err
		},
		"not found": func(c *cabinet, h household) error {
			if _, err := c.get(h.holder, identity.DocumentID{}, 0); !errors.Is(err, wallet.ErrNotFound) {
				return fmt.Errorf("unexpected: %w", err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.EveryFault(t, func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
				c := setupOn(t, db)
				h := arrangeEnding(c).(household)
				answered := 0
				for _, process := range []*cabinet{c.on(faulty), c} {
					if read(process, h) == nil {
						answered++
					}
				}
				n := c.count(`select count(*) from access_log where kind in ('document_read', 'list_read')`)
				if answered == 0 || n < answered {
					t.Errorf("answered %d times, recorded %d times", answered, n)
				}
			})
		})
	}
}
