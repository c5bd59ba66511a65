package person

import (
	"github.com/jackc/pgx/v5"

	"vidan/identity"
)

// CodeBlocked is the refusal of an act by somebody who may not act: blocked, dead or reported dead, joined into another vault, or unknown.
const CodeBlocked = "person_blocked"

// GoodStanding is a condition in SQL: the person whose vault is parameter $1 of the statement it stands in may act. The guard of a session puts
// it into the statement that reads the session, so that state is read where the work is done.
const GoodStanding = `exists (select from people p join vaults v on v.vault_id = p.vault_id
  where p.vault_id = $1 and p.life = 'alive' and not p.blocked and v.state = 'open')`

const (
	sqlGoodStanding = `select vidan_require(` + GoodStanding + `, 'person_blocked')`

	sqlMaySignIn = `select vidan_require(exists (select from people p join vaults v on v.vault_id = p.vault_id
  where p.vault_id = $1 and p.life in ('alive', 'death_reported') and not p.blocked and v.state = 'open'), 'person_blocked')`

	sqlStanding = `select p.level, p.kind, p.life, p.blocked, v.state = 'open'
  from people p join vaults v on v.vault_id = p.vault_id where p.vault_id = $1`
)

// Standing is what decides whether somebody may sign in.
type Standing struct {
	Level   int // as the column has it; whoever gives a level away opens the profile, where it is sealed
	Kind    Kind
	Life    Life
	Blocked bool
	Open    bool // false: joined into another vault, or erased
}

// Good is [GoodStanding] in Go.
func (s Standing) Good() bool { return s.Life == Alive && !s.Blocked && s.Open }

// MaySignIn is wider than Good: somebody whose death was reported signs in to say that they live. What they sign in to is decided by the guard of
// each operation, and all but one refuse them.
func (s Standing) MaySignIn() bool {
	return (s.Life == Alive || s.Life == DeathReported) && !s.Blocked && s.Open
}

// QueueMaySignIn makes a batch fail with [CodeBlocked] unless the person may sign in.
func QueueMaySignIn(b *pgx.Batch, vault identity.VaultID) { b.Queue(sqlMaySignIn, vault) }

// QueueGoodStanding makes a batch fail with [CodeBlocked] unless the person may act.
func QueueGoodStanding(b *pgx.Batch, vault identity.VaultID) { b.Queue(sqlGoodStanding, vault) }

// QueueStanding reads a standing in one statement of the caller's batch; a person who is not there has the zero standing, which is not good.
func QueueStanding(b *pgx.Batch, vault identity.VaultID) *Standing {
	s := new(Standing)
	b.Queue(sqlStanding, vault).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Standing])
		if err == nil && len(found) == 1 {
			*s = found[0]
		}
		return err
	})
	return s
}
