package person

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

const (
	sqlIdempotent = `select request_sha256, reference from idempotency where scope = $1 and key_hash = $2`

	sqlInsertIdempotent = `insert into idempotency (scope, key_hash, request_sha256, reference, created_at)
  values ($1, $2, $3, $4, $5)`
)

// idempotent is an enrolment under the key that its client gave it. Without a key it does nothing.
type idempotent struct {
	scope, key [sha256.Size]byte
	request    *seal.Columns
	none       bool
	found      []keptAnswer // one or none
}

type keptAnswer struct {
	Request   []byte
	Reference []byte
}

// reference is what the first answer is rendered from again.
type reference struct {
	Vault    identity.VaultID `json:"vault"`
	CodeSent bool             `json:"code_sent"`
}

func once(by audit.Actor, e Enrolment) *idempotent {
	return &idempotent{
		none: e.IdempotencyKey == "", request: e.columns(),
		scope: sha256.Sum256([]byte("person.enrol\x00" + by.Client)), key: sha256.Sum256([]byte(e.IdempotencyKey)),
	}
}

// queue looks for an earlier answer, behind the lock of the key.
func (o *idempotent) queue(b *pgx.Batch) {
	if o.none {
		return
	}
	pg.TryLock(b, pg.NewLockKey("idempotency", o.scope[:], o.key[:]))
	b.Queue(sqlIdempotent, o.scope[:], o.key[:]).Query(func(rows pgx.Rows) (err error) {
		o.found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[keptAnswer])
		return err
	})
}

// before returns the answer of an earlier enrolment under the key, if there was one.
func (o *idempotent) before(r *Registry) (Enrolled, error) {
	if len(o.found) == 0 {
		return Enrolled{}, nil
	}
	if r.deployment.VerifyMAC("idempotency", o.request, o.found[0].Request) != nil {
		return Enrolled{}, ErrIdempotency
	}
	var ref reference
	if err := json.Unmarshal(o.found[0].Reference, &ref); err != nil {
		return Enrolled{}, fmt.Errorf("reference of an enrolment: %w", seal.ErrTampered)
	}
	return Enrolled{Vault: ref.Vault, CodeSent: ref.CodeSent, Again: true}, nil
}

// keep adds the answer to the transaction that it is about.
func (o *idempotent) keep(b *pgx.Batch, r *Registry, done Enrolled, now time.Time) {
	if o.none {
		return
	}
	b.Queue(sqlInsertIdempotent, o.scope[:], o.key[:], r.deployment.MAC("idempotency", o.request), reference{done.Vault, done.CodeSent}, now)
}
