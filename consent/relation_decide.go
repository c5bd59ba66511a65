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
		next, todo := court.first(l.now())
		if !todo {
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

// court is everything that the relations of one person are judged by.
type court struct {
	homes   []home
	profile person.Profile
	revoked []identity.DocumentID
	found   map[identity.PersonalNumber]identity.VaultID // who is enrolled under the actors' numbers
	band    band                                         // of the person acted for
}

// assemble reads it: one round trip, and a second when an actor is not known yet.
func (l *Ledger) assemble(ctx context.Context, keys *seal.Keys) (*court, error) {
	vault := keys.Vault()
	c := &court{found: map[identity.PersonalNumber]identity.VaultID{}}
	b := new(pgx.Batch)
	b.Queue(sqlHomes, vault).Query(func(rows pgx.Rows) (err error) {
		c.homes, err = collectHomes(rows, vault)
		return err
	})
	b.Queue(sqlRevokedPapers, vault).Query(func(rows pgx.Rows) (err error) {
		c.revoked, err = pgx.CollectRows(rows, pgx.RowTo[identity.DocumentID])
		return err
	})
	profile := l.people.QueueProfile(b, vault)
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return nil, fmt.Errorf("relations of vault %s: %w", vault, err)
	}
	if len(c.homes) == 0 {
		return c, nil
	}
	var err error
	if c.profile, err = profile.Result(keys); err != nil {
		return nil, fmt.Errorf("relations of vault %s: %w", vault, err)
	}
	c.band = l.ages.band(c.profile.BirthDate, l.now())
	var unknown []identity.PersonalNumber
	for i := range c.homes {
		h := &c.homes[i]
		if err := l.open(keys, h); err != nil {
			return nil, err
		}
		if h.Actor.IsZero() && h.State != Ended {
			unknown = append(unknown, h.body.Number)
		}
	}
	return c, l.findActors(ctx, c, unknown)
}

func (l *Ledger) findActors(ctx context.Context, c *court, numbers []identity.PersonalNumber) error {
	if len(numbers) == 0 {
		return nil
	}
	ids := make([]person.Identifier, len(numbers))
	for i, n := range numbers {
		ids[i] = person.NumberIdentifier(n)
	}
	b := new(pgx.Batch)
	finding := l.people.QueueFind(b, ids)
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return fmt.Errorf("find actors: %w", err)
	}
	found, err := finding.Result()
	if err != nil {
		return fmt.Errorf("find actors: %w", err)
	}
	for i, f := range found {
		c.found[numbers[i]] = f.Vault
	}
	return nil
}

// change is one step of one relation: what it was, what it becomes, and what follows.
type change struct {
	from  home
	to    home
	by    audit.Actor
	kind  audit.Kind // of the record; empty: nothing that the person would call an act
	tasks []delivery.Task
}

// first returns the first change that is due, and whether there is one.
func (c *court) first(now time.Time) (change, bool) {
	for _, h := range c.homes {
		to := h
		if to.Actor.IsZero() && h.State != Ended {
			to.Actor = c.found[h.body.Number]
		}
		facts := circumstances{
			state: h.State, reason: h.Reason, revoked: slices.Contains(c.revoked, h.Document), mandate: h.body.Mandate,
			childKnown: !c.profile.Number.IsZero(), actorKnown: !to.Actor.IsZero(), confirmed: h.Confirmed, decideAfter: h.DecideAfter,
		}
		facts.among(h, c.homes)
		to.State, to.Reason = facts.judge(now)
		if to.Actor == h.Person {
			to.State, to.Reason = Ended, ReasonSelf
		}
		if to.State != Proposed && to.State != Suspended {
			to.DecideAfter = time.Time{}
		}
		tell := !h.body.Told && (to.State == Proposed || to.State == Suspended)
		to.body.Told = h.body.Told || tell
		if to.State == h.State && to.Reason == h.Reason && to.Actor == h.Actor && !tell {
			continue
		}
		next := change{from: h, to: to, kind: recordKind(h.State, to.State)}
		if tell {
			next.tasks = c.tell(to)
		}
		return next, true
	}
	return change{}, false
}

// tell queues what those it concerns are told of a relation that does not stand yet: who represents the person now, and the person from seven; and
// the judgement at the end of the waiting period.
func (c *court) tell(h home) []delivery.Task {
	tasks := []delivery.Task{{Kind: TaskDecide, Vault: h.Person, Args: relationArgs(h.ID), NotBefore: h.DecideAfter}}
	if c.band != infant {
		tasks = append(tasks, notice(h.Person, delivery.RelationProposed))
	}
	for _, o := range c.homes {
		if o.State == Active && o.Actor != h.Actor {
			tasks = append(tasks, notice(o.Actor, delivery.RelationProposed))
		}
	}
	return tasks
}

// TaskNotice tells a person by their preferred channel that there is something to read.
const TaskNotice = "notice"

func notice(vault identity.VaultID, template delivery.Template) delivery.Task {
	raw, err := json.Marshal(map[string]string{"template": string(template)})
	if err != nil {
		panic("consent: a template does not marshal")
	}
	return delivery.Task{Kind: TaskNotice, Vault: vault, Args: raw}
}

// recordKind is what the record calls a step.
func recordKind(from, to State) audit.Kind {
	switch {
	case from == to:
		return ""
	case to == Active:
		return audit.RelationActive
	case to == Restricted:
		return audit.RelationRestricted
	}
	return audit.RelationEnded // ended or suspended
}

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
