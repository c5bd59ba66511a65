package person

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// ErrWrongWay reports a join that would leave the person's account behind: the vault with the higher level is the one to keep.
var ErrWrongWay = errors.New("person: the account lies in the vault that would be left behind")

const (
	sqlAliasesOf = `select a.vault_id, a.alias_vault_id, a.joined_at, a.evidence, a.mac from vault_aliases a where a.vault_id = any($1)`

	sqlJoined = `update vaults set state = 'joined', seq = seq + 1 where vault_id = $1 and state = 'open'`

	// sqlLeftNothing holds N4: no identifier leads to a vault that was joined.
	sqlLeftNothing = `select vidan_require(not exists (
  select from identifiers where vault_id = $1 and state = 'active'), 'identifier_left')`
)

// Join leaves one of two vaults of a person behind: its papers stay where they are and are read with those of main, its identifiers lead to main from
// now on, and so do those of vaults that were joined into it before. It is the one act that locks and changes two vaults: only then can two joins not
// make a circle. Relations and holdings stay in the vault they are in; whoever reads a person's authority asks [Registry.QueueVaults].
// Errors: [ErrNotFound], [ErrJoined], [ErrSameVault], [ErrTwoNumbers], [ErrWrongWay], [ErrEvidence].
func (r *Registry) Join(ctx context.Context, g pg.Guard, by audit.Actor, main, alias identity.VaultID, ev Evidence) error {
	if err := ev.check(); err != nil {
		return err
	}
	if main == alias {
		return ErrSameVault
	}
	keys, err := r.vaults.Open(ctx, r.pool, main, alias)
	if err != nil {
		return fmt.Errorf("join vault %s into %s: %w", alias, main, err)
	}
	j := &joining{r: r, main: main, alias: alias, basis: ev.Basis}
	var refused error
	err = pg.Exchange(ctx, r.pool,
		func(b *pgx.Batch) error {
			j.queue(b, g)
			return nil
		},
		func(b *pgx.Batch) error {
			if err := j.check(); err != nil {
				return err
			}
			var done bool
			done, refused = j.may()
			switch {
			case keys[main] == nil || keys[alias] == nil:
				refused = ErrNotFound
				return nil
			case done:
				return nil
			}
			now := r.now()
			if refused == nil {
				j.act(b, now)
			}
			for _, vault := range []identity.VaultID{main, alias} {
				if err := r.note(b, keys[vault], by, audit.VaultJoined, ev, refused, now); err != nil {
					return err
				}
			}
			return nil
		})
	if err != nil {
		return fmt.Errorf("join vault %s into %s: %w", alias, main, err)
	}
	r.joined.Invalidate(main)
	return refused
}

// joining is one join under way.
type joining struct {
	r           *Registry
	main, alias identity.VaultID
	basis       Basis
	*sight
	aliases []aliasRow // of both
}

func (j *joining) queue(b *pgx.Batch, g pg.Guard) {
	j.sight = j.r.queueSight(b, g, nil, j.main, j.alias)
	b.Queue(sqlAliasesOf, uuids([]identity.VaultID{j.main, j.alias})).Query(func(rows pgx.Rows) (err error) {
		j.aliases, err = pgx.CollectRows(rows, scanAlias)
		return err
	})
}

func (j *joining) check() error {
	if err := j.sight.check(); err != nil {
		return err
	}
	for _, a := range j.aliases {
		if err := j.r.believeAlias(a); err != nil {
			return err
		}
	}
	return nil
}

// may judges a join: it is done already, or refused, or neither. That both vaults are open is what makes a circle impossible.
func (j *joining) may() (done bool, refused error) {
	if slices.ContainsFunc(j.aliases, func(a aliasRow) bool { return a.main == j.main && a.alias == j.alias }) {
		return true, nil
	}
	if err := errors.Join(j.open(j.main), j.open(j.alias)); err != nil {
		if errors.Is(err, ErrNotFound) {
			return false, ErrNotFound
		}
		return false, ErrJoined
	}
	switch {
	case len(j.numbers(j.main)) > 0 && len(j.numbers(j.alias)) > 0 && j.basis != NumberReplaced:
		return false, ErrTwoNumbers
	case j.people[j.alias].level > j.people[j.main].level:
		return false, ErrWrongWay
	}
	return false, nil
}

func (j *joining) act(b *pgx.Batch, now time.Time) {
	b.Queue(sqlChanged, j.main)
	b.Queue(sqlJoined, j.alias)
	j.r.queueAlias(b, aliasRow{main: j.main, alias: j.alias, joined: now, evidence: j.basis})
	for _, a := range j.aliases {
		if a.main == j.alias {
			j.r.queueAlias(b, aliasRow{main: j.main, alias: a.alias, joined: now, evidence: j.basis})
		}
	}
	replaced := len(j.numbers(j.main)) > 0
	for _, row := range j.rows {
		if row.vault == j.alias {
			j.r.queueMove(b, row, j.main, replaced, now)
		}
	}
	b.Queue(sqlLeftNothing, j.alias)
	if numbers := j.numbers(j.alias); !replaced && len(numbers) > 0 {
		digests := make([]seal.Digest, len(numbers))
		for i, n := range numbers {
			digests[i] = n.digest
		}
		queueNumbered(b, j.main, digests, now)
	}
	queueWakeRelations(b, j.alias, now) // their person's number may be known by the join
}
