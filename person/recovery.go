package person

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// Times of a recovery.
const (
	// RecoveryWait is how long whoever has a way into an account of level 2 can object before a code goes out. At level 1 a passphrase alone is
	// lost, which one visit to a counter replaces at once, and so it is where there is no way in that could object.
	RecoveryWait = 24 * time.Hour
	// RecoveryHold is how long a frozen recovery waits for two officers of another office.
	RecoveryHold = 7 * 24 * time.Hour
	// RecoveryRest is how long afterwards nothing is done that cannot be undone ([QueueNotRecovering]).
	RecoveryRest = 72 * time.Hour
)

// CodeRecovered is the refusal of what has to wait because the account was recovered less than [RecoveryRest] ago.
const CodeRecovered = "recently_recovered"

// KindRecovery is the task that takes a recovery its next step when that is due; its handler is [Registry.StepRecovery].
const KindRecovery = "recovery.step"

// RecoveryState is where a recovery is (recoveries.state):
//
//	waiting ──→ coded ──→ used
//	   │  ╲    ╱  │ ╲
//	   │  frozen  │  ╲        frozen ─→ settled ─→ coded: overruled by two officers of another office, and not frozen again
//	   ╰─────╲────╯   ╲
//	          ╲        expired   from every state before used
type RecoveryState string

// The states.
const (
	RecoveryWaiting RecoveryState = "waiting" // whoever has a way in may object
	RecoveryFrozen  RecoveryState = "frozen"  // somebody did
	RecoverySettled RecoveryState = "settled" // another office overruled that
	RecoveryCoded   RecoveryState = "coded"   // the code is out
	RecoveryUsed    RecoveryState = "used"    // the old ways in have ended
	RecoveryExpired RecoveryState = "expired"
)

// RecoveryStates returns the closed set, as the constraint of recoveries.state lists it.
func RecoveryStates() []RecoveryState {
	return []RecoveryState{RecoveryWaiting, RecoveryFrozen, RecoverySettled, RecoveryCoded, RecoveryUsed, RecoveryExpired}
}

// May reports whether a recovery may go from s to another state.
func (s RecoveryState) May(to RecoveryState) bool {
	switch s {
	case RecoveryWaiting:
		return to == RecoveryFrozen || to == RecoveryCoded || to == RecoveryExpired
	case RecoveryFrozen:
		return to == RecoverySettled || to == RecoveryExpired
	case RecoverySettled:
		return to == RecoveryCoded || to == RecoveryExpired
	case RecoveryCoded:
		return to == RecoveryFrozen || to == RecoveryUsed || to == RecoveryExpired
	}
	return false
}

// Recovery is a recovery as the person sees it.
type Recovery struct {
	State     RecoveryState
	Office    string // that began it
	StartedAt time.Time
	ReadyAt   time.Time // before it no code goes out
	ExpiresAt time.Time
	MayObject bool
}

const (
	recoveryColumns = `vault_id, recovery_id, state, organisation_id, level, settled, sent, started_at, ready_at, expires_at, used_at, mac`

	sqlOpenRecovery = `select ` + recoveryColumns + ` from recoveries where vault_id = $1 and state in ('waiting', 'frozen', 'settled', 'coded')`

	sqlInsertRecovery = `insert into recoveries (` + recoveryColumns + `) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, null, $11)`

	sqlMoveRecovery = `update recoveries set state = $4, settled = $5, sent = $6, expires_at = $7, used_at = $8, mac = $9
  where vault_id = $1 and recovery_id = $2 and mac = $3`

	sqlNotRecovering = `select vidan_require(not exists (
  select from recoveries where vault_id = $1 and state = 'used' and used_at > $2), 'recently_recovered')`
)

type recoveryRow struct {
	vault                   identity.VaultID
	id                      identity.ObjectID
	state                   RecoveryState
	office                  string
	level                   int
	settled, sent           bool
	started, ready, expires time.Time
	used                    *time.Time
	mac                     []byte
}

func scanRecovery(row pgx.CollectableRow) (recoveryRow, error) {
	var r recoveryRow
	err := row.Scan(&r.vault, &r.id, &r.state, &r.office, &r.level, &r.settled, &r.sent, &r.started, &r.ready, &r.expires, &r.used, &r.mac)
	return r, err
}

func (r recoveryRow) columns() *seal.Columns {
	c := new(seal.Columns).UUID(r.vault.Bytes()).UUID(r.id.Bytes()).Text(string(r.state)).Text(r.office).Int(int64(r.level)).
		Bool(r.settled).Bool(r.sent).Time(r.started).Time(r.ready).Time(r.expires)
	if r.used == nil {
		return c.Null()
	}
	return c.Time(*r.used)
}

func (r *Registry) believeRecovery(row recoveryRow) error {
	if err := r.deployment.VerifyMAC("recoveries", row.columns(), row.mac); err != nil {
		return fmt.Errorf("recovery %s: %w", row.id, err)
	}
	return nil
}

// queueMoveRecovery changes a recovery that is still as it was read, along the edges of the graph.
func (r *Registry) queueMoveRecovery(b *pgx.Batch, from, to recoveryRow) error {
	if !from.state.May(to.state) {
		return fmt.Errorf("recovery %s from %s to %s: %w", from.id, from.state, to.state, ErrState)
	}
	one(b, sqlMoveRecovery, from.vault, from.id, from.mac, string(to.state), to.settled, to.sent, to.expires, to.used, r.deployment.MAC("recoveries", to.columns()))
	return nil
}

// queueStep has a recovery looked at when it is due.
func queueStep(b *pgx.Batch, row recoveryRow, at, now time.Time) {
	delivery.Queue(b, delivery.Task{
		Kind: KindRecovery, Vault: row.vault, NotBefore: at, Args: json.RawMessage(`{"recovery_id":"` + row.id.String() + `"}`),
	}, now)
}

// QueueNotRecovering makes a batch fail with [CodeRecovered] for an account that was recovered less than [RecoveryRest] ago: for an export, a permission that
// stands, a change of a contact or a relation. Whoever recovered somebody else's account has gained nothing that lasts before it is noticed.
func QueueNotRecovering(b *pgx.Batch, vault identity.VaultID, now time.Time) {
	b.Queue(sqlNotRecovering, vault, now.Add(-RecoveryRest))
}

// recovering begins a recovery.
type recovering struct {
	Evidence Evidence `json:"evidence"`
}

func (*recovering) kind() ApprovalKind  { return ApproveRecovery }
func (*recovering) records() audit.Kind { return audit.RecoveryStarted }
func (a *recovering) ground() Evidence  { return a.Evidence }
func (a *recovering) check() error      { return a.Evidence.check() }

func (a *recovering) may(c *scene, _ audit.Officer) error {
	_, under := c.recovery()
	switch {
	case c.person.life != Alive:
		return ErrNotAlive
	case !c.account(), under:
		return ErrState
	}
	return nil
}

func (a *recovering) queue(b *pgx.Batch, c *scene, by audit.Actor) error {
	row := recoveryRow{
		vault: c.vault, id: identity.NewID[identity.ObjectID](), state: RecoveryWaiting, office: by.Officer.Organisation, level: c.person.level,
		started: c.now, ready: c.now,
	}
	if c.ways && c.person.level > 1 {
		row.ready = c.now.Add(RecoveryWait)
	}
	row.expires = row.ready.Add(RecoveryHold)
	b.Queue(sqlInsertRecovery, row.vault, row.id, string(row.state), row.office, row.level, row.settled, row.sent, row.started, row.ready, row.expires,
		c.r.deployment.MAC("recoveries", row.columns()))
	queueStep(b, row, row.ready, c.now)
	queueStep(b, row, row.expires, c.now)
	return c.tell(b, delivery.RecoveryStarted)
}

// Recover proposes to replace the ways into an account that were lost (the phone, the passphrase); a second officer begins it. Everybody who has one is
// told and may object. Errors: [ErrState] without an account, or while one is under way; [ErrNotAlive]; [ErrEvidence]; [ErrNotFound].
func (r *Registry) Recover(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, ev Evidence) (Approval, error) {
	return r.propose(ctx, g, by, vault, &recovering{Evidence: ev})
}

// settling overrules an objection.
type settling struct {
	Evidence Evidence `json:"evidence"`
}

func (*settling) kind() ApprovalKind  { return ApproveSettlement }
func (*settling) records() audit.Kind { return audit.RecoveryStopped }
func (a *settling) ground() Evidence  { return a.Evidence }
func (a *settling) check() error      { return a.Evidence.check() }

func (a *settling) may(c *scene, by audit.Officer) error {
	row, under := c.recovery()
	switch {
	case c.person.life != Alive:
		return ErrNotAlive
	case !under || row.state != RecoveryFrozen || !c.now.Before(row.expires):
		return ErrState
	case by.Organisation == row.office:
		return ErrSameOffice
	}
	return nil
}

func (a *settling) queue(b *pgx.Batch, c *scene, _ audit.Actor) error {
	row, _ := c.recovery()
	to := row
	to.state, to.settled = RecoverySettled, true
	to.expires = later(c.now, row.ready).Add(RecoveryHold)
	queueStep(b, to, later(c.now, row.ready), c.now)
	queueStep(b, to, to.expires, c.now)
	return c.r.queueMoveRecovery(b, row, to)
}

// Settle proposes to overrule the objection to a recovery, by an officer of another office than the one that began it; a second officer, of another
// office as well, carries it out. Errors: [ErrSameOffice]; [ErrState] when nothing is frozen; [ErrNotAlive]; [ErrEvidence]; [ErrNotFound].
func (r *Registry) Settle(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, ev Evidence) (Approval, error) {
	return r.propose(ctx, g, by, vault, &settling{Evidence: ev})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
