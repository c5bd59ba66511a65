package consent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// sqlRevokedPapers are the papers in a vault whose current revision revokes them.
const sqlRevokedPapers = `select document_id from documents where vault_id = $1 and state = 'revoked'`

// sqlWaitingFor finds relations that wait for somebody to be enrolled under a number.
const sqlWaitingFor = `
select w.vault_id, w.relation_id from relation_waits w join unnest($1::int[], $2::bytea[]) as d(key_id, digest)
  on w.prf_key_id = d.key_id and w.digest = d.digest`

const sqlInsertWait = `
insert into relation_waits (prf_key_id, digest, vault_id, relation_id)
select d.key_id, d.digest, $3, $4 from unnest($1::int[], $2::bytea[]) as d(key_id, digest)`

// DecideRelations is the handler of [TaskDecide]: it judges the relations of a vault by what is known now and writes down what changes. It runs when a
// paper proposes or revokes, when a number is bound, when a waiting period is over; it is idempotent, and one change is one transaction.
func (l *Ledger) DecideRelations(ctx context.Context, t delivery.Task) error {
	only, err := readRelationTask(t)
	if err != nil {
		return err
	}
	if err := l.judgeAll(ctx, t.Vault); err != nil {
		return err
	}
	if !only.Relation.IsZero() {
		return nil
	}
	return l.judgeWaiting(ctx, t.Vault)
}

func readRelationTask(t delivery.Task) (relationTask, error) {
	var args relationTask
	if len(t.Args) > 0 {
		if err := json.Unmarshal(t.Args, &args); err != nil {
			return args, fmt.Errorf("task %s: %w", t.Kind, err)
		}
	}
	if t.Vault.IsZero() {
		return args, fmt.Errorf("task %s: no vault", t.Kind)
	}
	return args, nil
}

// judgeWaiting judges the relations in other vaults that name this person's number.
func (l *Ledger) judgeWaiting(ctx context.Context, actor identity.VaultID) error {
	keys, err := l.vaults.OpenOne(ctx, l.pool, actor)
	if errors.Is(err, seal.ErrNoKeys) {
		return nil // erased since
	}
	if err != nil {
		return err
	}
	profile, err := l.people.Profile(ctx, l.pool, keys)
	if errors.Is(err, person.ErrNotFound) || err == nil && profile.Number.IsZero() {
		return nil
	}
	if err != nil {
		return err
	}
	keyIDs, sums := l.digestArgs(profile.Number)
	rows, err := l.pool.Query(ctx, sqlWaitingFor, keyIDs, sums)
	if err != nil {
		return fmt.Errorf("relations that wait for vault %s: %w", actor, pg.Classify(err))
	}
	homes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (identity.VaultID, error) {
		var vault identity.VaultID
		var relation identity.RelationID
		err := row.Scan(&vault, &relation)
		return vault, err
	})
	if err != nil {
		return fmt.Errorf("relations that wait for vault %s: %w", actor, pg.Classify(err))
	}
	slices.SortFunc(homes, identity.VaultID.Compare)
	for _, home := range slices.Compact(homes) {
		if err := l.judgeAll(ctx, home); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) digestArgs(n identity.PersonalNumber) (keys []int32, sums [][]byte) {
	for _, d := range l.deployment.Digests(seal.PersonalNumber, n.Reveal()) {
		keys, sums = append(keys, d.KeyID), append(sums, d.Sum[:])
	}
	return keys, sums
}

// maxChanges bounds how often one task reads again: each round changes one relation or loses to somebody else who did.
const maxChanges = 32

// judgeAll brings the relations of a vault where they belong, one change a transaction, until nothing is left to change.
func (l *Ledger) judgeAll(ctx context.Context, vault identity.VaultID) error {
	keys, err := l.vaults.OpenOne(ctx, l.pool, vault)
	if errors.Is(err, seal.ErrNoKeys) {
		return nil // erased since
	}
	if err != nil {
		return err
	}
	for range maxChanges {
		court, err := l.assemble(ctx, keys)
		if err != nil {
			return err
		}
		next, due := court.first(l.now())
		if !due {
			return nil
		}
		err = l.move(ctx, keys, next)
		var refused *pg.Refusal
		if err != nil && !(errors.As(err, &refused) && refused.Code == codeRelationChanged) {
			return err
		}
	}
	return fmt.Errorf("relations of vault %s: still changing", vault)
}

const codeRelationChanged = "relation_changed"

// move writes one change down: head, fact, record and what follows, in one transaction that fails with relation_changed when
// somebody else was faster.
func (l *Ledger) move(ctx context.Context, keys *seal.Keys, c change) error {
	b := new(pgx.Batch)
	b.Queue(sqlLockVault, c.to.Person)
	if err := l.queueMove(b, keys, &c, l.now()); err != nil {
		return err
	}
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return fmt.Errorf("relation %s: %w", c.to.ID, err)
	}
	return nil
}

func (l *Ledger) queueMove(b *pgx.Batch, keys *seal.Keys, c *change, now time.Time) error {
	c.to.body.Version = c.from.body.Version + 1
	if err := l.close(keys, &c.to); err != nil {
		return err
	}
	id := identity.NewID[identity.ObjectID]()
	fact, err := l.fact(keys, &c.to, id, byWhom(c.by))
	if err != nil {
		return err
	}
	h := c.to
	b.Queue(sqlMove, h.Person, h.ID, string(h.State), nullTime(h.ValidUntil), nullTime(h.DecideAfter), h.sealed, h.mac, now, c.from.mac)
	b.Queue(sqlMoved, h.Person, h.ID, h.mac)
	b.Queue(sqlInsertFact, h.Person, h.ID, id, string(h.State), now, fact)
	if c.kind != "" {
		_, err := l.audit.Queue(b, keys, audit.Entry{
			Vault: h.Person, Kind: c.kind, Organisation: c.by.Officer.Organisation, Actor: c.by,
			Document: h.Document, Revision: h.Revision, Reason: string(h.Reason),
		}, now)
		if err != nil {
			return err
		}
	}
	if !h.Actor.IsZero() && h.State != c.from.State && (h.State == Active || c.from.State == Active) {
		delivery.Queue(b, delivery.Task{Kind: TaskMirror, Vault: h.Person, Args: relationArgs(h.ID)}, now)
	}
	if h.State == Restricted && c.from.State != Restricted {
		delivery.Queue(b, delivery.Task{Kind: TaskRestricted, Vault: h.Person}, now)
	}
	for _, t := range c.tasks {
		delivery.Queue(b, t, now)
	}
	return nil
}

// byWhom names who made a change in a fact: the officer, else the client, else the service.
func byWhom(by audit.Actor) string {
	switch {
	case by.Officer.ID != "":
		return by.Officer.Organisation + "/" + by.Officer.ID
	case by.Client != "":
		return by.Client
	}
	return ""
}
