package intake_test

import (
	"context"
	"encoding/binary"
	"runtime"
	"testing"

	"vidan/intake"
	"vidan/seal"
)

// These tests stop one delivery in the middle, let another pass it, and let the first go on (R8).

// hold runs a statement in a transaction that stays open, and returns what undoes it.
func (w *world) hold(sql string, args ...any) (release func()) {
	w.t.Helper()
	tx := must(w.db.Owner(w.t).Begin(context.Background()))(w.t)
	must(tx.Exec(context.Background(), sql, args...))(w.t)
	return func() {
		w.t.Helper()
		ok(w.t, tx.Rollback(context.Background()))
	}
}

// blocked waits until so many transactions wait for a lock, or one of those started has ended.
func (w *world) blocked(n int, ended <-chan error) {
	w.t.Helper()
	for w.count(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) < n {
		if len(ended) > 0 {
			return
		}
		runtime.Gosched()
	}
}

// started delivers a result on the side.
func (g *agency) started(p payload) <-chan error {
	g.w.t.Helper()
	must(g.call())(g.w.t)
	done := make(chan error, 1)
	go func() {
		_, err := g.deliver(p)
		done <- err
	}()
	return done
}

// TestPaperComesHomeBeforeWaiting: a revision that found its paper at home nowhere is about to wait when the paper gets a home.
func TestPaperComesHomeBeforeWaiting(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.newborn("an")
	second := w.birth("an").revision(2, intake.Corrected) // by the number alone
	digest := w.d.Digest(seal.PersonalNumber, w.of("an").PersonalNumber)
	release := w.hold(`select pg_advisory_xact_lock($1)`, int64(binary.BigEndian.Uint64(digest.Sum[:8])))
	late := w.commune().started(second)
	w.blocked(1, late)
	w.commune().accepted(p)
	release()
	ok(t, <-late)
	w.drain()
	w.shows(w.byNotice(w.of("an").BirthNoticeNumber), p, "1 issued, 2 corrected")
}

// TestPaperComesHomeWhileWaiting: a revision has begun to wait and not committed yet when its paper gets a home.
func TestPaperComesHomeWhileWaiting(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.newborn("an")
	second := w.birth("an").revision(2, intake.Corrected)
	must(w.commune().call())(t)
	release := w.hold(`insert into receipts (organisation_id, result_id, document_id, revision, payload_sha256, status, client_id, receipt, received_at)
		values ($1, $2, gen_random_uuid(), 1, '\x00', 'accepted', '', '', now())`, commune, second["result_id"])
	late := w.commune().started(second)
	w.blocked(1, late)
	first := w.commune().started(p)
	w.blocked(2, first)
	release()
	ok(t, <-late)
	ok(t, <-first)
	w.drain()
	w.shows(w.byNotice(w.of("an").BirthNoticeNumber), p, "1 issued, 2 corrected")
}

// TestNewerBetweenLookAndStore: a revision that found itself the newest is about to be stored when a higher one, the revocation say, is: it gives
// nobody authority, not even until somebody looks (R9).
func TestNewerBetweenLookAndStore(t *testing.T) {
	t.Parallel()
	w := setup(t)
	vault := w.enrol("du", "thi", "an")
	p := w.birth("an")
	w.commune().accepted(p.says(map[string]any{"/mother": nil, "/father": nil}))
	tx := must(w.db.Owner(t).Begin(t.Context()))(t)
	must(tx.Exec(t.Context(), `update vaults set seq = seq + 1 where vault_id = $1`, vault))(t)
	second := w.commune().started(p.revision(2, intake.Corrected))
	w.blocked(1, second)
	must(tx.Exec(t.Context(), `insert into document_revisions (vault_id, document_id, revision, state, payload_sha256, issued_at, received_at, sealed)
		values ($1, $2, 3, 'revoked', '\x00', now(), now(), '\x00')`, vault, w.id(p)))(t)
	ok(t, tx.Commit(t.Context()))
	ok(t, <-second)
	w.counts(3, revisionsOf, w.id(p))
	w.counts(0, `select count(*) from relations`)
}

// TestOneNumberForTwo: a paper that gives both of two people one number waits and is stored once.
func TestOneNumberForTwo(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := w.of("chung").PersonalNumber
	m := w.marriage().says(map[string]any{"/husband/personal_number": n})
	w.commune().accepted(m)
	w.counts(1, `select count(*) from waiting_identifiers`)
	vault := w.enrol("chung")
	w.drain()
	w.shows(vault, m, "1 issued")
	w.counts(1, storings)
}
