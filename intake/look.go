package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/procedure"
	"vidan/seal"
)

// world is what decides where an arrival goes, as it was read.
type world struct {
	leads     []lead         // everything that may lead to the person, each once
	found     []person.Found // where each leads
	ref       person.Found   // where subject_ref leads, when its paper is at home
	sector    string         // of the issuing organisation
	same      *receipt       // under this result id
	other     bool           // this revision is taken with other bytes
	newer     bool           // a higher revision of the paper is stored
	paper     paper          // zero while it is at home nowhere
	home      person.Found   // the living vault of the paper's person
	relatives []relative
	keys      *seal.Reading // of the vaults to which the leads lead
}

// relative is somebody else with a part in the paper, whom it names by number.
type relative struct {
	role   string
	reason procedure.HolderReason
	number identity.PersonalNumber
	found  person.Found
}

// shelves are the vaults in which revisions of the paper p may lie: its home, and after a join those of the same person. They are only looked
// through, so that rows of vault_aliases count here without their MAC.
const shelves = `(select p.vault_id
    union select a.vault_id from vault_aliases a where a.alias_vault_id = p.vault_id
    union select b.alias_vault_id from vault_aliases a join vault_aliases b on b.vault_id = a.vault_id where a.alias_vault_id = p.vault_id)`

// newerHeld: an issuer's number above this one is stored already.
const newerHeld = `case when p.vault_id is null then false else exists (
    select from document_revisions d where d.document_id = p.document_id and d.revision > $4 and d.vault_id in ` + shelves + `) end`

// Both statements read what the tables of this package know of an arrival: $1 organisation, $2 result id, $3 paper, $4 revision,
// $5 digest of the payload. They differ in what it means that the revision is taken: for a fresh arrival any other delivery that was
// accepted and not discarded since, be it stored or waiting; for one that was accepted itself, only what is stored.
const (
	sqlLookFresh = `select o.sector, r.payload_sha256, r.receipt, p.vault_id, p.organisation_id, p.second, p.created_at, p.mac,
  exists (
    select from receipts h left join quarantine q on q.organisation_id = h.organisation_id and q.result_id = h.result_id
    where h.document_id = $3 and h.revision = $4 and h.payload_sha256 <> $5
      and (coalesce(q.state, 'stored') = 'stored' or h.status = 'accepted' and q.state = 'open')),
  ` + newerHeld + `
  from organisations o
  left join receipts r on r.organisation_id = o.organisation_id and r.result_id = $2
  left join papers p on p.document_id = $3
  where o.organisation_id = $1`

	sqlLookKept = `select o.sector, r.payload_sha256, r.receipt, p.vault_id, p.organisation_id, p.second, p.created_at, p.mac,
  case when p.vault_id is null then false else exists (
    select from document_revisions d
    where d.document_id = $3 and d.revision = $4 and d.payload_sha256 <> $5 and d.vault_id in ` + shelves + `) end,
  ` + newerHeld + `
  from organisations o
  left join receipts r on r.organisation_id = o.organisation_id and r.result_id = $2
  left join papers p on p.document_id = $3
  where o.organisation_id = $1`
)

// sqlLeadKeys reads the keys of every vault to which an identifier leads: an arrival is stored in one of them, which is rarely held open. Which one
// it is, person.sqlFind says, whose rows are believed by their MAC.
const sqlLeadKeys = `select ` + seal.KeyColumns + ` from vault_keys k
  where k.vault_id in (
    select i.vault_id from identifiers i join unnest($1::int[], $2::bytea[]) as w(key_id, digest)
      on i.prf_key_id = w.key_id and i.digest = w.digest
    where i.state = 'active')`

// look reads, behind the guard, everything that decides where an arrival goes: one round trip, and further ones when the person is named by
// an earlier paper or found by this one.
func (in *Intake) look(ctx context.Context, a *arrival, guard pg.Guard) (*world, error) {
	w := &world{leads: a.leads()}
	ids := identifiers(w.leads)
	for _, role := range a.typ.Roles() {
		reason, number := a.interest(role), a.number(role)
		if reason != "" && !number.IsZero() {
			w.relatives = append(w.relatives, relative{role: role, reason: reason, number: number})
			ids = append(ids, person.NumberIdentifier(number))
		}
	}
	b := new(pgx.Batch)
	guard.Queue(b)
	in.queueLook(b, a, w)
	finding := in.people.QueueFind(b, ids)
	keys, sums := digestArgs(in.people.Digests(ids[:len(w.leads)]))
	w.keys = in.vaults.QueueRead(b, sqlLeadKeys, keys, sums)
	if err := pg.Pipeline(ctx, in.pool, b); err != nil {
		return nil, err
	}
	if err := guard.Check(); err != nil {
		return nil, err
	}
	found, err := finding.Result()
	if err != nil {
		return nil, err
	}
	w.found = slices.Clip(found[:len(w.leads)])
	for i := range w.relatives {
		w.relatives[i].found = found[len(w.leads)+i]
	}
	if err := in.believe(w.paper); err != nil {
		return nil, err
	}
	if w.same != nil && a.fresh() {
		return w, nil
	}
	if a.Subject.Ref != "" {
		if err := in.follow(ctx, a, w); err != nil {
			return nil, err
		}
	}
	return w, in.findHome(ctx, w)
}

func (in *Intake) queueLook(b *pgx.Batch, a *arrival, w *world) {
	sql := sqlLookKept
	if a.fresh() {
		sql = sqlLookFresh
	}
	w.paper.id = a.id
	b.Queue(sql, a.Organisation, a.ResultID, a.id, a.Revision, a.sha[:]).QueryRow(func(row pgx.Row) error {
		var same receipt
		var stored, organisation *string
		var created *time.Time
		p := &w.paper
		err := row.Scan(&w.sector, &same.sha, &stored, &p.vault, &organisation, &p.second, &created, &p.mac, &w.other, &w.newer)
		if stored != nil {
			same.stored = *stored
			w.same = &same
		}
		if created != nil {
			p.organisation, p.created = *organisation, *created
		}
		return err
	})
}

// people are the different people that everything known leads to.
func (w *world) people() []person.Found {
	return person.People(append(slices.Clip(w.found), w.ref))
}

// findHome says whose the paper is, if it is at home somewhere. When its person was found by an identifier that is known already.
func (in *Intake) findHome(ctx context.Context, w *world) error {
	if w.paper.vault.IsZero() {
		return nil
	}
	for _, who := range w.people() {
		if who.Vault == w.paper.vault {
			w.home = who
			return nil
		}
	}
	var err error
	w.home, err = in.personOf(ctx, w.paper.vault)
	return err
}

// personOf returns the living vault of the person to whom a vault belongs or belonged. A person whose vault was erased is somebody in particular:
// nothing of theirs goes to anybody else.
func (in *Intake) personOf(ctx context.Context, vault identity.VaultID) (person.Found, error) {
	b := new(pgx.Batch)
	living := in.people.QueueLiving(b, vault)
	if err := pg.Pipeline(ctx, in.pool, b); err != nil {
		return person.Found{}, err
	}
	main, err := living.Of(vault)
	if err != nil {
		return person.Found{}, err
	}
	keys, err := in.vaults.OpenOne(ctx, in.pool, main)
	if errors.Is(err, seal.ErrNoKeys) {
		return person.Found{Vault: main, NumberKnown: true}, nil
	}
	if err != nil {
		return person.Found{}, err
	}
	profile, err := in.people.Profile(ctx, in.pool, keys)
	if err != nil {
		return person.Found{}, err
	}
	return person.Found{Vault: main, NumberKnown: !profile.Number.IsZero()}, nil
}

// follow finds the person of a subject_ref: its paper is at home in a vault, or waits itself, and then whatever that one waits under
// may lead to the person. A kept arrival knows that already and asks only whether the paper is at home by now.
func (in *Intake) follow(ctx context.Context, a *arrival, w *world) error {
	raw, err := in.deployment.OpenRef(w.sector, refSubject, a.Subject.Ref)
	if err != nil || len(raw) != 16 {
		if a.fresh() {
			return refUnknown()
		}
		return nil
	}
	named := paper{id: identity.FromBytes[identity.DocumentID]([16]byte(raw))}
	b := new(pgx.Batch)
	named.queue(b)
	waiting := queueWaitingPaper(b, named.id)
	if err := pg.Pipeline(ctx, in.pool, b); err != nil {
		return err
	}
	switch {
	case !named.vault.IsZero():
		if err := in.believe(named); err != nil {
			return err
		}
		w.ref, err = in.personOf(ctx, named.vault)
		return err
	case !a.fresh():
		return nil
	case waiting.id.IsZero():
		return refUnknown()
	}
	k, err := in.openKept(waitingPlace(waiting.id), waiting.sealed)
	if err != nil {
		return fmt.Errorf("waiting result %s: %w", waiting.id, err)
	}
	return in.alsoUnder(ctx, w, k.Under)
}

// alsoUnder adds leads to a world and looks where they lead.
func (in *Intake) alsoUnder(ctx context.Context, w *world, more []lead) error {
	more = slices.DeleteFunc(slices.Clone(more), func(l lead) bool { return slices.Contains(w.leads, l) })
	b := new(pgx.Batch)
	finding := in.people.QueueFind(b, identifiers(more))
	if err := pg.Pipeline(ctx, in.pool, b); err != nil {
		return err
	}
	found, err := finding.Result()
	w.leads, w.found = append(w.leads, more...), append(w.found, found...)
	return err
}
