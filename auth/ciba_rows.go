package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// States of a request of the back channel.
const (
	backWaiting = "waiting" // nobody has answered: unknown, blocked, dead and silent people look like this
	backAllowed = "allowed" // the person picked the number on the counter's screen
	backDenied  = "denied"
	backUsed    = "used" // the token was issued
)

// backchannelRow is a row of backchannel_requests. Its MAC covers all but when it was polled: whoever can write to the database answers for nobody
// (O4). Vault is a stand-in where nobody can answer, so that the row looks like any other.
type backchannelRow struct {
	Hash         []byte
	Client       string
	Organisation string
	Vault        identity.VaultID
	Request      identity.RequestID
	Scope        string
	JKT          string // the key of the proof beside the request; empty without one
	Challenge    identity.ObjectID
	Number       int16
	State        string
	CreatedAt    time.Time
	ExpiresAt    time.Time
	MAC          []byte

	PolledAt *time.Time
	Pause    int // seconds that the client has to leave between two polls
}

const backchannelColumns = `request_hash, client_id, organisation_id, vault_id, request_id, scope, coalesce(dpop_jkt, ''), challenge_id, number, state,
  created_at, expires_at, mac, polled_at, pause`

const (
	sqlInsertBackchannel = `insert into backchannel_requests (request_hash, client_id, organisation_id, vault_id, request_id, scope, dpop_jkt,
  challenge_id, number, state, created_at, expires_at, mac, pause)
  values ($1, $2, $3, $4, $5, $6, nullif($7, ''), $8, $9, $10, $11, $12, $13, $14)`

	sqlBackchannel = `select ` + backchannelColumns + ` from backchannel_requests where request_hash = $1`

	sqlBackchallenge = `select ` + backchannelColumns + ` from backchannel_requests
where challenge_id = $1 and vault_id = $2 and state = 'waiting' and expires_at > $3`

	sqlBackchallenges = `select ` + backchannelColumns + ` from backchannel_requests
where vault_id = $1 and state = 'waiting' and expires_at > $2 order by created_at desc limit 5`

	sqlBackchannelOpen = `select count(*) from backchannel_requests
where vault_id = $1 and organisation_id = $2 and state = 'waiting' and expires_at > $3`

	// sqlLockBackchannel: of many who move the row at once, one finds it as it was read; sqlMoveBackchannel is conditional all the same.
	sqlLockBackchannel = `select vidan_require(exists (
  select from backchannel_requests where request_hash = $1 and mac = $2 and expires_at > $3 for update), 'backchannel_moved')`

	sqlMoveBackchannel = `update backchannel_requests set state = $3, mac = $4 where request_hash = $1 and mac = $2`

	sqlPolled = `update backchannel_requests set polled_at = $2, pause = $3 where request_hash = $1`
)

const codeBackchannelMoved = "backchannel_moved"

func (r *backchannelRow) columns() *seal.Columns {
	return new(seal.Columns).Bytes(r.Hash).Text(r.Client).Text(r.Organisation).UUID(r.Vault.Bytes()).UUID(r.Request.Bytes()).Text(r.Scope).
		Text(r.JKT).UUID(r.Challenge.Bytes()).Int(int64(r.Number)).Text(r.State).Time(r.CreatedAt).Time(r.ExpiresAt)
}

func (r *backchannelRow) queueInsert(b *pgx.Batch, d *seal.Deployment) {
	b.Queue(sqlInsertBackchannel, r.Hash, r.Client, r.Organisation, r.Vault, r.Request, r.Scope, r.JKT, r.Challenge, r.Number, r.State,
		r.CreatedAt, r.ExpiresAt, d.MAC("backchannel_requests", r.columns()), r.Pause)
}

// queueMove moves the row from how it was read to another state; the batch fails with [codeBackchannelMoved] when it moved meanwhile.
func (r *backchannelRow) queueMove(b *pgx.Batch, d *seal.Deployment, state string, now time.Time) {
	to := *r
	to.State = state
	b.Queue(sqlLockBackchannel, r.Hash, r.MAC, now)
	b.Queue(sqlMoveBackchannel, r.Hash, r.MAC, state, d.MAC("backchannel_requests", to.columns()))
}

func scanBackchannel(row pgx.CollectableRow) (backchannelRow, error) {
	var r backchannelRow
	err := row.Scan(&r.Hash, &r.Client, &r.Organisation, &r.Vault, &r.Request, &r.Scope, &r.JKT, &r.Challenge, &r.Number, &r.State,
		&r.CreatedAt, &r.ExpiresAt, &r.MAC, &r.PolledAt, &r.Pause)
	return r, err
}

func (r *backchannelRow) verify(d *seal.Deployment) error {
	if err := d.VerifyMAC("backchannel_requests", r.columns(), r.MAC); err != nil {
		return fmt.Errorf("back channel of client %q: %w", r.Client, err)
	}
	return nil
}

// errNoBackchannel reports that there is no such row.
var errNoBackchannel = errors.New("auth: no such request of the back channel")

// readBackchannel reads one row. Errors: [errNoBackchannel], [seal.ErrTampered].
func (s *Server) readBackchannel(ctx context.Context, sql string, args ...any) (backchannelRow, error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return backchannelRow{}, fmt.Errorf("read back channel: %w", pg.Classify(err))
	}
	row, err := pgx.CollectExactlyOneRow(rows, scanBackchannel)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, errNoBackchannel
	}
	if err != nil {
		return row, fmt.Errorf("read back channel: %w", pg.Classify(err))
	}
	return row, row.verify(s.deployment)
}
