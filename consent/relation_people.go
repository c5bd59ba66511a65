package consent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
)

// Me is the handle of oneself.
const Me = "me"

// refPerson is the kind of reference a handle is. It names actor, person and relation, so that it needs no table, works for nobody
// else, and pins the one row its use is checked against.
const refPerson = "person"

// Acting is somebody acting for a person: themselves, or another in a relation. It proves nothing by itself: Guard does, in
// the operation's own statements.
type Acting struct {
	Vault    identity.VaultID // acted for
	Actor    identity.VaultID // acts
	Relation identity.RelationID
	Handle   string // Me, or the handle under which the actor names the person
	Sector   string // of the client the actor uses: references are made in it
	Client   string // its id, for the record; the caller may set it
	// Kind and Name are set by [Ledger.People] alone.
	Kind Kind
	Name identity.Name

	l  *Ledger
	at time.Time
}

// actor is who acts, as the record names them.
func (a Acting) actor() audit.Actor { return audit.Actor{Vault: a.Actor, Client: a.Client} }

// Self reports whether somebody acts for themselves.
func (a Acting) Self() bool { return a.Vault == a.Actor }

// sqlActing lists the actor's side. What it says is a hint; sqlStanding decides.
const sqlActing = `
select relation_id, sealed from relations
where vault_id = $1 and side = 'actor' and state = 'active' and (valid_until is null or valid_until > $2)
order by relation_id`

// sqlStanding reads home rows that stand at $3.
const sqlStanding = `
select r.vault_id, r.relation_id, r.state, r.document_id, r.valid_from, r.valid_until, r.decide_after, r.sealed, r.mac
from relations r join unnest($1::uuid[], $2::uuid[]) as w(vault_id, relation_id)
  on r.vault_id = w.vault_id and r.relation_id = w.relation_id
where r.side = 'home' and r.state = 'active' and r.valid_from <= $3 and (r.valid_until is null or r.valid_until > $3)`

// People lists whom somebody may act for at the moment, in a stable order; a relation that does not stand at home is not in it (R3). g is the
// guard of the actor's session. Two round trips.
func (l *Ledger) People(ctx context.Context, g pg.Guard, me identity.VaultID, sector string) ([]Acting, error) {
	now := l.now()
	keys, err := l.vaults.OpenOne(ctx, l.pool, me)
	if err != nil {
		return nil, err
	}
	type side struct {
		ID     identity.RelationID
		Sealed []byte
	}
	var sides []side
	b := new(pgx.Batch)
	g.Queue(b)
	b.Queue(sqlActing, me, now).Query(func(rows pgx.Rows) (err error) {
		sides, err = pgx.CollectRows(rows, pgx.RowToStructByPos[side])
		return err
	})
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return nil, fmt.Errorf("people of vault %s: %w", me, err)
	}
	if err := g.Check(); err != nil {
		return nil, err
	}
	var vaults []identity.VaultID
	var ids []identity.RelationID
	known := make(map[identity.RelationID]mirrored, len(sides))
	for _, s := range sides {
		m, err := openMirror(keys, s.ID, s.Sealed)
		if err != nil {
			return nil, err
		}
		vaults, ids, known[s.ID] = append(vaults, m.Home), append(ids, s.ID), m
	}
	standing, err := l.standing(ctx, me, vaults, ids, now)
	if err != nil {
		return nil, err
	}
	var people []Acting
	seen := make(map[identity.VaultID]bool)
	for _, id := range ids {
		m := known[id]
		if !standing[id] || seen[m.Home] {
			continue
		}
		seen[m.Home] = true
		people = append(people, Acting{
			Vault: m.Home, Actor: me, Relation: id, Handle: l.handle(sector, me, m.Home, id), Sector: sector, Kind: m.Kind, Name: m.Name, l: l, at: now,
		})
	}
	return people, nil
}

// standing returns which of the relations stand at home, for this actor, under their MAC.
func (l *Ledger) standing(ctx context.Context, me identity.VaultID, vaults []identity.VaultID, ids []identity.RelationID, now time.Time) (map[identity.RelationID]bool, error) {
	standing := make(map[identity.RelationID]bool, len(ids))
	if len(ids) == 0 {
		return standing, nil
	}
	rows, err := l.pool.Query(ctx, sqlStanding, vaults, ids, now)
	if err != nil {
		return nil, fmt.Errorf("people of vault %s: %w", me, pg.Classify(err))
	}
	homes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (home, error) {
		var h home
		var until, decide *time.Time
		err := row.Scan(&h.Person, &h.ID, &h.State, &h.Document, &h.ValidFrom, &until, &decide, &h.sealed, &h.mac)
		h.ValidUntil, h.DecideAfter = moment(until), moment(decide)
		return h, err
	})
	if err != nil {
		return nil, fmt.Errorf("people of vault %s: %w", me, pg.Classify(err))
	}
	for _, h := range homes {
		if err := l.verify(&h, me); err != nil {
			return nil, err
		}
		standing[h.ID] = true
	}
	return standing, nil
}

func (l *Ledger) handle(sector string, actor, person identity.VaultID, relation identity.RelationID) string {
	a, p, r := actor.Bytes(), person.Bytes(), relation.Bytes()
	id := append(append(append(make([]byte, 0, 48), a[:]...), p[:]...), r[:]...)
	return l.deployment.Ref(sector, refPerson, id)
}

// Who returns whom somebody means by a handle: "me", or one that People gave to this actor in this sector. Anything else is
// [ErrNotFound], and so is, later, what the guard of a relation that does not stand says (R3).
func (l *Ledger) Who(principal identity.VaultID, sector, handle string) (Acting, error) {
	if handle == Me {
		return Acting{Vault: principal, Actor: principal, Handle: Me, Sector: sector, l: l, at: l.now()}, nil
	}
	id, err := l.deployment.OpenRef(sector, refPerson, handle)
	if err != nil || len(id) != 48 || identity.FromBytes[identity.VaultID]([16]byte(id[:16])) != principal {
		return Acting{}, ErrNotFound
	}
	return Acting{
		Vault: identity.FromBytes[identity.VaultID]([16]byte(id[16:32])), Actor: principal,
		Relation: identity.FromBytes[identity.RelationID]([16]byte(id[32:])), Handle: handle, Sector: sector, l: l, at: l.now(),
	}, nil
}

// Guard returns a new guard of this acting: for oneself it does nothing; for another it aborts the batch with the code not_found unless the
// home relation stands, and checks its MAC against the actor. A batch that changes the vault queues it after the lock.
func (a Acting) Guard() pg.Guard {
	if a.Self() {
		return pg.All()
	}
	return &relationGuard{acting: a}
}

// CodeNotFound is the refusal of a batch whose actor may not act for the person, or whose object is not there.
const CodeNotFound = "not_found"

// sqlGuardRelation answers with the row, or aborts. The outer join keeps one row, so that vidan_require is always asked.
const sqlGuardRelation = `
select vidan_require(r.relation_id is not null, 'not_found')::text,
  r.state, r.document_id, r.valid_from, r.valid_until, r.decide_after, r.sealed, r.mac
from (select 1) one left join relations r
  on r.vault_id = $1 and r.relation_id = $2 and r.side = 'home' and r.state = 'active'
  and r.valid_from <= $3 and (r.valid_until is null or r.valid_until > $3)`

type relationGuard struct {
	acting Acting
	row    home
	read   bool
}

func (g *relationGuard) Queue(b *pgx.Batch) {
	a := g.acting
	b.Queue(sqlGuardRelation, a.Vault, a.Relation, a.at).QueryRow(func(row pgx.Row) error {
		var nothing string
		var until, decide *time.Time
		h := home{Relation: Relation{ID: a.Relation, Person: a.Vault}}
		err := row.Scan(&nothing, &h.State, &h.Document, &h.ValidFrom, &until, &decide, &h.sealed, &h.mac)
		h.ValidUntil, h.DecideAfter = moment(until), moment(decide)
		g.row, g.read = h, err == nil
		return err
	})
}

func (g *relationGuard) Check() error {
	if !g.read {
		return ErrNotFound
	}
	if err := g.acting.l.verify(&g.row, g.acting.Actor); err != nil {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return nil
}

// refusal turns a refused batch into this package's words: not_found is ErrNotFound, everything else stays.
func refusal(err error) error {
	var refused *pg.Refusal
	if errors.As(err, &refused) && refused.Code == CodeNotFound {
		return ErrNotFound
	}
	return err
}
