package consent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

const (
	sqlFacts = `select relation_id, fact_id, sealed from relation_facts where vault_id = $1 order by relation_id, at, fact_id`

	sqlGrantHeads = `select` + grantColumns + ` from grants g where g.vault_id = $1 order by g.grant_id`

	sqlAllEvents = `select grant_id, event_id, kind, at, version, sealed from grant_events where vault_id = $1 order by grant_id, at, event_id`

	sqlAllDisclosures = `select disclosure_id, grant_id from disclosures where vault_id = $1 order by disclosure_id`
)

// Examine rebuilds every relation and every grant of a vault from its facts and compares it with its head (R10), and each release with the event that
// counts it. It returns one sentence, with opaque ids only, for each that differs, does not open, or is not under its MAC.
func (l *Ledger) Examine(ctx context.Context, vault identity.VaultID) ([]string, error) {
	keys, err := l.vaults.OpenOne(ctx, l.pool, vault)
	if err != nil {
		return nil, err
	}
	x := examination{l: l, keys: keys, vault: vault}
	b := new(pgx.Batch)
	b.Queue(sqlHomes, vault).Query(func(rows pgx.Rows) (err error) {
		x.homes, err = collectHomes(rows, vault)
		return err
	})
	b.Queue(sqlFacts, vault).Query(func(rows pgx.Rows) (err error) {
		x.facts, err = pgx.CollectRows(rows, pgx.RowToStructByPos[factRow])
		return err
	})
	b.Queue(sqlGrantHeads, vault).Query(func(rows pgx.Rows) (err error) {
		x.grants, err = pgx.CollectRows(rows, scanGrant)
		return err
	})
	b.Queue(sqlAllEvents, vault).Query(func(rows pgx.Rows) (err error) {
		x.events, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (event, error) {
			e := event{vault: vault}
			err := row.Scan(&e.grant, &e.id, &e.kind, &e.at, &e.version, &e.sealed)
			return e, err
		})
		return err
	})
	b.Queue(sqlAllDisclosures, vault).Query(func(rows pgx.Rows) (err error) {
		x.disclosures, err = pgx.CollectRows(rows, pgx.RowToStructByPos[release])
		return err
	})
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return nil, fmt.Errorf("examine vault %s: %w", vault, err)
	}
	return append(x.relations(), x.grantHeads()...), nil
}

type factRow struct {
	Relation identity.RelationID
	ID       identity.ObjectID
	Sealed   []byte
}

// release is one disclosure under one grant.
type release struct {
	ID    identity.DisclosureID
	Grant identity.GrantID
}

type examination struct {
	l           *Ledger
	keys        *seal.Keys
	vault       identity.VaultID
	homes       []home
	facts       []factRow
	grants      []grantRow
	events      []event
	disclosures []release
}

// relations compares heads of relations with the last fact of each.
func (x *examination) relations() []string {
	var wrong []string
	last := make(map[identity.RelationID]sealedFact)
	for _, f := range x.facts {
		fact, err := x.openFact(f)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("fact %s of relation %s: %v", f.ID, f.Relation, err))
			continue
		}
		if known, ok := last[f.Relation]; !ok || fact.Version > known.Version {
			last[f.Relation] = fact
		}
	}
	for i := range x.homes {
		h := &x.homes[i]
		if err := x.l.open(x.keys, h); err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		fact, ok := last[h.ID]
		delete(last, h.ID)
		if !ok || !h.is(fact) {
			wrong = append(wrong, fmt.Sprintf("relation %s is not what its facts say", h.ID))
		}
	}
	for id := range last {
		wrong = append(wrong, fmt.Sprintf("relation %s has facts and no head", id))
	}
	return wrong
}

func (x *examination) openFact(f factRow) (sealedFact, error) {
	var fact sealedFact
	plain, err := x.keys.Open(seal.Record, factPlace(x.vault, f.ID), f.Sealed)
	if err != nil {
		return fact, err
	}
	if json.Unmarshal(plain, &fact) != nil {
		return fact, seal.ErrSealed
	}
	return fact, nil
}

// is reports whether the head says what a fact says.
func (h *home) is(f sealedFact) bool {
	return h.inside() == f.sealedRelation && h.State == f.State && h.Document == f.Document && h.ValidFrom.Equal(f.ValidFrom) &&
		h.ValidUntil.Equal(f.ValidUntil) && h.DecideAfter.Equal(f.DecideAfter)
}

// grantHeads compares heads of grants with what their events add up to.
func (x *examination) grantHeads() []string {
	var wrong []string
	counted := make(map[release]bool)
	byGrant := make(map[identity.GrantID][]event)
	for _, e := range x.events {
		if err := e.open(x.keys); err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		if clear := e.version; (clear == nil) != (e.body.Version == 0) || clear != nil && *clear != e.body.Version {
			wrong = append(wrong, fmt.Sprintf("event %s does not have its version", e.id))
		}
		byGrant[e.grant] = append(byGrant[e.grant], e)
		if e.kind == EventUsed {
			counted[release{e.body.Disclosure, e.grant}] = true
		}
	}
	for _, d := range x.disclosures {
		if !counted[d] {
			wrong = append(wrong, fmt.Sprintf("disclosure %s was not counted", d.ID))
		}
		delete(counted, d)
	}
	for d := range counted {
		wrong = append(wrong, fmt.Sprintf("disclosure %s was counted and is not there", d.ID))
	}
	for i := range x.grants {
		g := &x.grants[i]
		if err := x.l.openGrant(x.keys, g); err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		rebuilt, err := rebuild(byGrant[g.id])
		delete(byGrant, g.id)
		if err != nil || !g.is(&rebuilt) {
			wrong = append(wrong, fmt.Sprintf("grant %s is not what its events say", g.id))
		}
	}
	for id, events := range byGrant {
		if _, err := rebuild(events); !errors.Is(err, errNoGrant) {
			wrong = append(wrong, fmt.Sprintf("grant %s has events and no head", id))
		}
	}
	return wrong
}

// errNoGrant: the events of a refusal, or of one decision where two were needed.
var errNoGrant = errors.New("consent: no grant was made")

// errGap: an event that changed the grant is missing.
var errGap = errors.New("consent: a change is missing")

// rebuild makes the row of a grant from its events. Uses commute; what changes the state is in the order of its versions.
func rebuild(events []event) (grantRow, error) {
	var r grantRow
	made := false
	for i := range events {
		if events[i].body.Head != nil {
			r, made = events[i].row(), true
		}
	}
	if !made {
		return r, errNoGrant
	}
	if r.usesLeft != nil {
		left := *r.usesLeft
		r.usesLeft = &left
	}
	version, changes := 0, 0
	for i := range events {
		e := &events[i]
		if e.body.Version > 0 {
			r.version = max(r.version, e.body.Version)
			changes++
		}
		switch e.kind {
		case EventUsed:
			if r.usesLeft != nil {
				*r.usesLeft--
			}
		case EventPaused, EventResumed, EventWithdrawn:
			if e.body.Version > version {
				version, r.state = e.body.Version, e.kind.becomes()
			}
		}
	}
	if r.state == GrantActive && r.usesLeft != nil && *r.usesLeft == 0 {
		r.state = GrantConsumed
	}
	if changes != r.version {
		return r, errGap
	}
	return r, nil
}

// is reports whether two rows are the same grant in the same state.
func (r *grantRow) is(o *grantRow) bool {
	same := func(a, b any) bool {
		x, err1 := json.Marshal(a)
		y, err2 := json.Marshal(b)
		return err1 == nil && err2 == nil && string(x) == string(y)
	}
	return r.id == o.id && r.state == o.state && r.version == o.version && r.from.Equal(o.from) && r.until.Equal(o.until) && r.request == o.request &&
		r.organisation == o.organisation && r.client == o.client && r.mode == o.mode && same(r.usesLeft, o.usesLeft) &&
		len(r.documents) == len(o.documents) && (len(r.documents) == 0 || same(r.documents, o.documents) && same(r.revisions, o.revisions)) &&
		same(r.body, o.body)
}
