package consent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// sqlHomeAndWhen is sqlHome with the moment of the last change, by which mirrors are ordered.
const sqlHomeAndWhen = `
select relation_id, state, document_id, valid_from, valid_until, decide_after, sealed, mac, changed_at
from relations where vault_id = $1 and relation_id = $2 and side = 'home'`

// sqlMirror writes the actor's side. An older state of the home never replaces a newer one.
const sqlMirror = `
insert into relations (vault_id, relation_id, side, state, document_id, valid_from, valid_until, decide_after, sealed, mac, changed_at)
values ($1, $2, 'actor', 'active', null, $3, $4, null, $5, $6, $7)
on conflict (vault_id, relation_id) do update
set state = 'active', valid_until = excluded.valid_until, sealed = excluded.sealed, mac = excluded.mac, changed_at = excluded.changed_at
where relations.side = 'actor' and relations.changed_at < excluded.changed_at`

// sqlUnmirror ends the actor's side. It says "ended" whatever happened: a restriction is nowhere in the actor's vault (R3).
const sqlUnmirror = `
update relations set state = 'ended', mac = $4, changed_at = $3
where vault_id = $1 and relation_id = $2 and side = 'actor' and changed_at < $3`

// sqlNewMirror aborts when the actor's side shows this state of the home, or a later one, already: what follows from it is done once.
const sqlNewMirror = `
select vidan_require(not exists (select 1 from relations where vault_id = $1 and relation_id = $2 and changed_at >= $3), 'mirrored')`

const codeMirrored = "mirrored"

// mirrored is what the actor's side of a relation says inside its seal: enough for the list of people to act for.
type mirrored struct {
	Home identity.VaultID
	Kind Kind
	Name identity.Name
}

type sealedMirror struct {
	Home identity.VaultID `json:"home"`
	Kind Kind             `json:"kind"`
	Name string           `json:"name"`
}

// MirrorRelation is the handler of [TaskMirror]: it brings the actor's side of a relation in line with the home side. One that is not decided
// yet is judged first.
func (l *Ledger) MirrorRelation(ctx context.Context, t delivery.Task) error {
	args, err := readRelationTask(t)
	if err != nil {
		return err
	}
	keys, err := l.vaults.OpenOne(ctx, l.pool, t.Vault)
	if errors.Is(err, seal.ErrNoKeys) {
		return nil // erased since; what remains at the actor leads nowhere
	}
	if err != nil {
		return err
	}
	var homes []home
	var changed time.Time
	b := new(pgx.Batch)
	b.Queue(sqlHomeAndWhen, t.Vault, args.Relation).Query(func(rows pgx.Rows) (err error) {
		homes, err = collectHomes(lastColumn{rows, &changed}, t.Vault)
		return err
	})
	profile := l.people.QueueProfile(b, t.Vault)
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return fmt.Errorf("mirror relation %s: %w", args.Relation, err)
	}
	if len(homes) == 0 {
		return fmt.Errorf("mirror relation %s: %w", args.Relation, ErrNotFound)
	}
	h := homes[0]
	if err := l.open(keys, &h); err != nil {
		return err
	}
	switch {
	case h.State == Proposed:
		return l.judgeAll(ctx, t.Vault)
	case h.Actor.IsZero():
		return nil
	case h.State != Active:
		return l.unmirror(ctx, h, changed)
	}
	person, err := profile.Result(keys)
	if err != nil {
		return fmt.Errorf("mirror relation %s: %w", h.ID, err)
	}
	return l.mirror(ctx, h, mirrored{Home: h.Person, Kind: h.Kind, Name: person.Name}, changed)
}

// lastColumn scans one more column behind those that the collector asks for.
type lastColumn struct {
	pgx.Rows
	last any
}

func (r lastColumn) Scan(dest ...any) error { return r.Rows.Scan(append(dest, r.last)...) }

func (l *Ledger) mirror(ctx context.Context, h home, m mirrored, changed time.Time) error {
	keys, err := l.vaults.OpenOne(ctx, l.pool, h.Actor)
	if errors.Is(err, seal.ErrNoKeys) {
		return nil // erased since
	}
	if err != nil {
		return err
	}
	plain, err := json.Marshal(sealedMirror{Home: m.Home, Kind: m.Kind, Name: m.Name.Reveal()})
	if err != nil {
		return fmt.Errorf("mirror relation %s: %w", h.ID, err)
	}
	sealed, err := keys.Seal(seal.Content, relationPlace(h.Actor, h.ID), plain)
	if err != nil {
		return fmt.Errorf("mirror relation %s: %w", h.ID, err)
	}
	now := l.now()
	b := new(pgx.Batch)
	b.Queue(sqlLockVault, h.Actor)
	b.Queue(sqlNewMirror, h.Actor, h.ID, changed)
	if _, err := l.audit.Queue(b, keys, audit.Entry{Vault: h.Actor, Kind: audit.RelationActive, Reason: string(h.Kind)}, now); err != nil {
		return err
	}
	b.Queue(sqlMirror, h.Actor, h.ID, h.ValidFrom, nullTime(h.ValidUntil), sealed, l.mirrorMAC(h.Actor, h.ID, Active), changed)
	delivery.Queue(b, notice(h.Actor, delivery.RelationActive), now)
	if err := pg.Pipeline(ctx, l.pool, b); err != nil && pg.Refused(err) != codeMirrored {
		return fmt.Errorf("mirror relation %s: %w", h.ID, err)
	}
	return nil
}

func (l *Ledger) unmirror(ctx context.Context, h home, changed time.Time) error {
	b := new(pgx.Batch)
	b.Queue(sqlLockVault, h.Actor)
	b.Queue(sqlUnmirror, h.Actor, h.ID, changed, l.mirrorMAC(h.Actor, h.ID, Ended))
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return fmt.Errorf("mirror relation %s: %w", h.ID, err)
	}
	return nil
}

// mirrorMAC authenticates the actor's side, which grants nothing: what the list shows is checked against the home side.
func (l *Ledger) mirrorMAC(actor identity.VaultID, id identity.RelationID, s State) []byte {
	return l.deployment.MAC("relations", new(seal.Columns).UUID(actor.Bytes()).UUID(id.Bytes()).Text("actor").Text(string(s)))
}

// openMirror reads one row of the actor's side.
func openMirror(k *seal.Keys, id identity.RelationID, sealed []byte) (mirrored, error) {
	plain, err := k.Open(seal.Content, relationPlace(k.Vault(), id), sealed)
	if err != nil {
		return mirrored{}, fmt.Errorf("relation %s: %w", id, err)
	}
	var s sealedMirror
	if err := json.Unmarshal(plain, &s); err != nil {
		return mirrored{}, fmt.Errorf("relation %s: %w", id, seal.ErrSealed)
	}
	name, err := identity.ParseName(s.Name)
	if err != nil || s.Home.IsZero() {
		return mirrored{}, fmt.Errorf("relation %s: %w", id, seal.ErrSealed)
	}
	return mirrored{Home: s.Home, Kind: s.Kind, Name: name}, nil
}
