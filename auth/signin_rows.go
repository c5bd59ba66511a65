package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// signInRow is a row of signins. Its MAC covers every column: whoever can write to the database can still sign in as nobody.
type signInRow struct {
	Hash      []byte
	Client    string
	Request   signInRequest
	Pushed    []byte           // hash of the pushed request; nil when the browser brought the request itself
	Vault     identity.VaultID // zero before the passphrase was right
	Step      SignInStep
	Challenge identity.ObjectID // zero unless a device was asked
	Number    *int16
	Level     int
	AMR       []string
	CreatedAt time.Time
	ExpiresAt time.Time
	MAC       []byte
}

const signInColumns = `signin_hash, client_id, request, pushed_hash, vault_id, step, challenge_id, number, level, amr, created_at, expires_at, mac`

const (
	sqlInsertSignIn = `insert into signins (signin_hash, client_id, request, pushed_hash, step, created_at, expires_at, mac)
  values ($1, $2, $3, $4, 'passphrase', $5, $6, $7)`

	sqlSignIn = `select ` + signInColumns + ` from signins where signin_hash = $1 and expires_at > $2`

	sqlChallenge = `select ` + signInColumns + ` from signins where challenge_id = $1 and vault_id = $2 and step = 'confirm' and expires_at > $3`

	sqlChallenges = `select ` + signInColumns + ` from signins where vault_id = $1 and step = 'confirm' and expires_at > $2
  order by created_at desc limit 5`

	// sqlLockSignIn: of many who move the row at once, one finds it as it was read.
	sqlLockSignIn = `select vidan_require(exists (
  select from signins where signin_hash = $1 and mac = $2 and expires_at > $3 for update), 'signin_moved')`

	sqlMoveSignIn = `update signins set vault_id = $3, step = $4, challenge_id = $5, number = $6, level = $7, amr = $8, mac = $9
  where signin_hash = $1 and mac = $2`
)

func (r *signInRow) columns() *seal.Columns {
	request, err := json.Marshal(r.Request)
	if err != nil {
		panic("auth: a request does not marshal") // strings and numbers
	}
	c := new(seal.Columns).Bytes(r.Hash).Text(r.Client).Bytes(request).Bytes(r.Pushed).UUID(r.Vault.Bytes()).Text(string(r.Step)).UUID(r.Challenge.Bytes())
	if r.Number == nil {
		c.Null()
	} else {
		c.Int(int64(*r.Number))
	}
	return c.Int(int64(r.Level)).Texts(r.AMR).Time(r.CreatedAt).Time(r.ExpiresAt)
}

// queueSignIn stores a request and returns the cookie that names it.
func (s *Server) queueSignIn(b *pgx.Batch, client string, r signInRequest, pushed []byte) Cookie {
	secret, sum := newSecret()
	now := s.now()
	row := signInRow{Hash: sum[:], Client: client, Request: r, Pushed: pushed, Step: StepPassphrase, CreatedAt: now, ExpiresAt: now.Add(signInLife)}
	b.Queue(sqlInsertSignIn, row.Hash, client, r, pushed, now, row.ExpiresAt, s.deployment.MAC("signins", row.columns()))
	return Cookie(secret)
}

func scanSignIn(row pgx.CollectableRow) (signInRow, error) {
	var r signInRow
	err := row.Scan(&r.Hash, &r.Client, &r.Request, &r.Pushed, &r.Vault, &r.Step, &r.Challenge, &r.Number, &r.Level, &r.AMR, &r.CreatedAt, &r.ExpiresAt, &r.MAC)
	return r, err
}

// readSignIn reads one row. Errors: [ErrNoSignIn], [seal.ErrTampered].
func (s *Server) readSignIn(ctx context.Context, sql string, args ...any) (signInRow, error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return signInRow{}, fmt.Errorf("read sign-in: %w", pg.Classify(err))
	}
	row, err := pgx.CollectExactlyOneRow(rows, scanSignIn)
	if errors.Is(err, pgx.ErrNoRows) {
		return signInRow{}, ErrNoSignIn
	}
	if err != nil {
		return signInRow{}, fmt.Errorf("read sign-in: %w", pg.Classify(err))
	}
	if err := s.deployment.VerifyMAC("signins", row.columns(), row.MAC); err != nil {
		return signInRow{}, fmt.Errorf("sign-in of client %q: %w", row.Client, err)
	}
	return row, nil
}

// queueMove moves the sign-in from how it was read to how it shall be; the batch fails with [codeMoved] when it moved meanwhile.
func (x *SignIn) queueMove(b *pgx.Batch, to *signInRow) {
	s := x.server
	to.MAC = s.deployment.MAC("signins", to.columns())
	b.Queue(sqlLockSignIn, x.row.Hash, x.row.MAC, s.now())
	b.Queue(sqlMoveSignIn, x.row.Hash, x.row.MAC, to.Vault, string(to.Step), to.Challenge, to.Number, to.Level, to.AMR, to.MAC)
}
