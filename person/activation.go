package person

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// ErrCode reports a one-time code that does not activate this account: wrong, used, too old, tried too often, or of nobody. It does not
// say which (N7).
var ErrCode = errors.New("person: the code does not activate an account")

// CodeUsed is the refusal of a batch that consumes a code which somebody else was faster with.
const CodeUsed = "code_used"

const (
	// ActivationLife is how long a code is good: an account is activated within 7 days of the notice (Decree 69/2024 Art. 14(1)).
	ActivationLife = 7 * 24 * time.Hour
	// ActivationTries is how often a code may be tried. Eight digits and five tries leave a guesser one chance in twenty million.
	ActivationTries = 5

	codeDigits = 8
)

// Code is a one-time activation code: eight digits. It prints masked.
type Code struct{ digits identity.Private }

// ParseCode reads a code as people type it, with or without spaces. Errors: [ErrCode].
func ParseCode(s string) (Code, error) {
	s = strings.ReplaceAll(strings.TrimSpace(s), " ", "")
	if len(s) != codeDigits || strings.Trim(s, "0123456789") != "" {
		return Code{}, ErrCode
	}
	return Code{identity.NewPrivate(s)}, nil
}

func newCode() (Code, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
	if err != nil {
		return Code{}, fmt.Errorf("draw a code: %w", err)
	}
	return Code{identity.NewPrivate(fmt.Sprintf("%0*d", codeDigits, n))}, nil
}

const (
	sqlInsertCode = `insert into activation_codes (vault_id, code_hash, purpose, expires_at, created_at)
  values ($1, $2, 'activate', $3, $4)`

	// sqlChargeCodes counts a try before anything is compared: a hundred guesses at once are still five (N8).
	sqlChargeCodes = `update activation_codes set failures = failures + 1
  where vault_id = $1 and purpose = 'activate' and used_at is null and expires_at > $2 and failures < $3
  returning code_hash, expires_at`

	sqlLockVault = `select vidan_require(exists (
  select from vaults where vault_id = $1 and state = 'open' for update), 'person_blocked')`

	// sqlCodeUnused reads what the lock of the vault made nobody else's: of many who use a code at once, one finds it unused.
	sqlCodeUnused = `select vidan_require(exists (
  select from activation_codes where vault_id = $1 and code_hash = $2 and used_at is null and expires_at > $3), 'code_used')`

	sqlUseCode = `update activation_codes set used_at = $3, failures = failures - 1 where vault_id = $1 and code_hash = $2`
)

// codeColumns are what stands for a code in the database: a MAC, because the SHA-256 of eight digits is found in a second.
func codeColumns(vault identity.VaultID, c Code, expires time.Time) *seal.Columns {
	return new(seal.Columns).UUID(vault.Bytes()).Text("activate").Text(c.digits.Reveal()).Time(expires)
}

func (r *Registry) queueCode(b *pgx.Batch, vault identity.VaultID, c Code, now time.Time) {
	expires := now.Add(ActivationLife)
	b.Queue(sqlInsertCode, vault, r.deployment.MAC("activation_codes", codeColumns(vault, c, expires)), expires, now)
}

// Activation is a code that was right when it was tried. The zero value activates nothing.
type Activation struct {
	vault identity.VaultID
	hash  []byte
}

// Vault is whose account is activated.
func (a Activation) Vault() identity.VaultID { return a.vault }

// CheckActivation tries a code for the person whom an identifier leads to. Every try counts, and an unknown person costs as much as a wrong code.
// Errors: [ErrCode].
func (r *Registry) CheckActivation(ctx context.Context, id Identifier, c Code) (Activation, error) {
	find := new(pgx.Batch)
	finding := r.QueueFind(find, []Identifier{id})
	if err := pg.Pipeline(ctx, r.pool, find); err != nil {
		return Activation{}, fmt.Errorf("try a code: %w", err)
	}
	found, err := finding.Result()
	if err != nil {
		return Activation{}, err
	}
	vault := found[0].Vault
	if vault.IsZero() {
		vault = identity.NewVaultID() // nobody's: the statements and their cost stay the same
	}
	type candidate struct {
		Hash    []byte
		Expires time.Time
	}
	var candidates []candidate
	charge := new(pgx.Batch)
	charge.Queue(sqlChargeCodes, vault, r.now(), ActivationTries).Query(func(rows pgx.Rows) (err error) {
		candidates, err = pgx.CollectRows(rows, pgx.RowToStructByPos[candidate])
		return err
	})
	if err := pg.Pipeline(ctx, r.pool, charge); err != nil {
		return Activation{}, fmt.Errorf("try a code: %w", err)
	}
	for _, k := range candidates {
		if r.deployment.VerifyMAC("activation_codes", codeColumns(vault, c, k.Expires), k.Hash) == nil {
			return Activation{vault: vault, hash: k.Hash}, nil
		}
	}
	return Activation{}, ErrCode
}

// QueueActivation uses a code up in a batch of the caller's, which also makes the credential it was sent for. The batch fails with [CodeUsed] for all but one
// of those who use it, and with [CodeBlocked] for somebody who may not act.
func (r *Registry) QueueActivation(b *pgx.Batch, keys *seal.Keys, a Activation, by audit.Actor, now time.Time) error {
	if a.vault.IsZero() || keys.Vault() != a.vault {
		return ErrCode
	}
	b.Queue(sqlLockVault, a.vault)
	QueueGoodStanding(b, a.vault)
	b.Queue(sqlCodeUnused, a.vault, a.hash, now)
	one(b, sqlUseCode, a.vault, a.hash, now)
	_, err := r.audit.Queue(b, keys, audit.Entry{Vault: a.vault, Kind: audit.Activated, Actor: by}, now)
	return err
}
