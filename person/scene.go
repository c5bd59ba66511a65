package person

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

var (
	// ErrNotAlive reports somebody whose death is reported or confirmed: nothing is opened or changed for them but that.
	ErrNotAlive = errors.New("person: the death of this person is reported")
	// ErrState reports an act that is not possible as things stand.
	ErrState = errors.New("person: not possible as things stand")

	// errDone ends an act that was done before: nothing is to be done and nothing is wrong (N6).
	errDone = errors.New("person: done before")
)

// sqlCredential asks whether there is any way into an account.
const sqlCredential = `select vault_id from credentials where vault_id = any($1) and state = 'active' group by vault_id`

// scene is everything by which an act on one person is judged, read behind the guard and under the lock of their vault: until the act commits none
// of it changes.
type scene struct {
	*sight
	r          *Registry
	vault      identity.VaultID
	keys       *seal.Keys
	now        time.Time
	person     personRow
	profile    Profile
	ways       bool // there is a way into the account
	contacts   []contactRow
	recoveries []recoveryRow // one that is under way, or none
	reports    []deathRow    // one that stands, or none
	approvals  []approvalRow // those asked for by the act
}

// play runs an act: decide judges the scene and queues what changes. What it refuses is recorded as a refusal of kind and changes nothing else;
// errDone changes nothing at all. Two round trips.
func (r *Registry) play(ctx context.Context, g pg.Guard, by audit.Actor, kind audit.Kind, ev Evidence, vault identity.VaultID, ask func(*pgx.Batch, *scene), decide func(*pgx.Batch, *scene) error) error {
	keys, err := r.keysOf(ctx, vault)
	if err != nil {
		return fmt.Errorf("%s of vault %s: %w", kind, vault, err)
	}
	var c *scene
	var refused error
	err = pg.Exchange(ctx, r.pool,
		func(b *pgx.Batch) error {
			c = r.queueScene(b, g, keys, vault)
			if ask != nil {
				ask(b, c)
			}
			return nil
		},
		func(b *pgx.Batch) error {
			refused = nil
			if err := c.set(); err != nil || c.keys == nil {
				return errors.Join(err, c.absent())
			}
			act := new(pgx.Batch)
			switch err := decide(act, c); {
			case errors.Is(err, errDone):
				return nil
			case refusals(err):
				refused = err
				if errors.Is(err, ErrNotFound) {
					return nil
				}
				return r.note(b, keys, by, kind, ev, err, c.now)
			case err != nil:
				return err
			}
			b.QueuedQueries = append(b.QueuedQueries, act.QueuedQueries...)
			return nil
		})
	if err != nil {
		return fmt.Errorf("%s of vault %s: %w", kind, vault, err)
	}
	return refused
}

// refusals reports errors by which an act is refused and not broken.
func refusals(err error) bool {
	for _, r := range refusalCodes() {
		if errors.Is(err, r.err) {
			return true
		}
	}
	return errors.Is(err, ErrNotFound)
}

func (r *Registry) queueScene(b *pgx.Batch, g pg.Guard, keys *seal.Keys, vault identity.VaultID) *scene {
	c := &scene{r: r, vault: vault, keys: keys, sight: r.queueSight(b, g, nil, vault)}
	if keys == nil {
		return c // the statements of the guard still decide what a stranger hears (N7)
	}
	b.Queue(sqlCredential, uuids([]identity.VaultID{vault})).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowTo[identity.VaultID])
		c.ways = len(found) > 0
		return err
	})
	r.queueContacts(b, keys, &c.contacts)
	b.Queue(sqlOpenRecovery, vault).Query(func(rows pgx.Rows) (err error) {
		c.recoveries, err = pgx.CollectRows(rows, scanRecovery)
		return err
	})
	b.Queue(sqlOpenReport, vault).Query(func(rows pgx.Rows) (err error) {
		c.reports, err = pgx.CollectRows(rows, scanDeath)
		return err
	})
	return c
}

// set believes what was read, or does not.
func (c *scene) set() error {
	if err := c.sight.check(); err != nil {
		return err
	}
	c.now = c.r.now()
	if c.keys == nil {
		return nil
	}
	if err := c.open(c.vault); err != nil {
		return err
	}
	var found bool
	if c.person, found = c.people[c.vault]; !found {
		return ErrNotFound
	}
	var err error
	if c.profile, err = c.person.open(c.keys); err != nil {
		return err
	}
	for _, row := range c.recoveries {
		if err := c.r.believeRecovery(row); err != nil {
			return err
		}
	}
	for _, row := range c.reports {
		if err := c.r.believeDeath(row); err != nil {
			return err
		}
	}
	for _, row := range c.approvals {
		if err := c.r.believeApproval(row); err != nil {
			return err
		}
	}
	return nil
}

func (c *scene) absent() error {
	if c.keys == nil {
		return ErrNotFound
	}
	return nil
}

// account reports whether there is something to sign in to.
func (c *scene) account() bool { return c.person.level > 0 || c.person.kind == Foreigner }

// recovery returns the recovery that is under way.
func (c *scene) recovery() (recoveryRow, bool) {
	if len(c.recoveries) == 0 {
		return recoveryRow{}, false
	}
	return c.recoveries[0], true
}

// report returns the report of a death that stands.
func (c *scene) report() (deathRow, bool) {
	if len(c.reports) == 0 {
		return deathRow{}, false
	}
	return c.reports[0], true
}
