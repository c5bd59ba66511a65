package consent

import (
	"context"
	"encoding/json"
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
