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
	"vidan/delivery"
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

// codePurpose is what a code is good for (activation_codes.purpose). One code that a person holds may stand in several rows: what opens an account
// with a passphrase also registers its first device, each once.
type codePurpose string

const (
	forAccount  codePurpose = "activate" // the first passphrase
	forDevice   codePurpose = "device"   // the first device; of a recovery, only once the code was used for that
	forRecovery codePurpose = "recover"  // a new passphrase in place of every way in there was
	forContact  codePurpose = "contact"  // proves that a contact is the person's
)

const (
	sqlInsertCode = `insert into activation_codes (vault_id, code_hash, purpose, object_id, expires_at, created_at)
  values ($1, $2, $3, $4, $5, $6)`

	// sqlChargeCodes counts a try before anything is compared: a hundred guesses at once are still five (N8). A code of a recovery counts while that
	// stands: an objection makes it worthless.
	sqlChargeCodes = `update activation_codes c set failures = failures + 1
  where c.vault_id = $1 and c.purpose = any($4) and c.used_at is null and c.expires_at > $2 and c.failures < $3
    and ($5::uuid is null or c.object_id = $5)
    and (c.purpose not in ('recover', 'device') or c.object_id is null or exists (
      select from recoveries r where r.vault_id = $1 and r.recovery_id = c.object_id
        and r.state = case c.purpose when 'recover' then 'coded' else 'used' end))
  returning c.code_hash, c.purpose, c.object_id, c.expires_at`

	// sqlVoidCodes ends the codes of an object that another code replaces.
	sqlVoidCodes = `update activation_codes set used_at = $3 where vault_id = $1 and object_id = $2 and used_at is null`

	sqlLockVault = `select vidan_require(exists (
  select from vaults where vault_id = $1 and state = 'open' for update), 'person_blocked')`

	// sqlCodeUnused reads what the lock of the vault made nobody else's: of many who use a code at once, one finds it unused.
	sqlCodeUnused = `select vidan_require(exists (
  select from activation_codes where vault_id = $1 and code_hash = $2 and used_at is null and expires_at > $3), 'code_used')`

	sqlUseCode = `update activation_codes set used_at = $3, failures = failures - 1 where vault_id = $1 and code_hash = $2`

	// sqlRecoveryStill holds while a recovery is as it was read when its code was tried.
	sqlRecoveryStill = `select vidan_require(exists (
  select from recoveries where vault_id = $1 and recovery_id = $2 and state = 'coded' and mac = $3), 'code_used')`
)

// codeColumns are what stands for a code in the database: a MAC, because the SHA-256 of eight digits is found in a second.
func codeColumns(vault identity.VaultID, c Code, purpose codePurpose, object identity.ObjectID, expires time.Time) *seal.Columns {
	return new(seal.Columns).UUID(vault.Bytes()).Text(string(purpose)).UUID(object.Bytes()).Text(c.digits.Reveal()).Time(expires)
}

func (r *Registry) queueCode(b *pgx.Batch, vault identity.VaultID, c Code, purpose codePurpose, object identity.ObjectID, now time.Time) {
	expires := now.Add(ActivationLife)
	b.Queue(sqlInsertCode, vault, r.deployment.MAC("activation_codes", codeColumns(vault, c, purpose, object, expires)), string(purpose), nullID(object), expires, now)
}

func nullID(id identity.ObjectID) *identity.ObjectID {
	if id.IsZero() {
		return nil
	}
	return &id
}

// Reveal returns the digits, for paper at a counter.
func (c Code) Reveal() string { return c.digits.Reveal() }

// Activation is a code that was right when it was tried. The zero value activates nothing.
type Activation struct {
	vault    identity.VaultID
	hash     []byte
	purpose  codePurpose
	recovery *recoveryRow // that the code is of
}

// Vault is whose account is activated.
func (a Activation) Vault() identity.VaultID { return a.vault }

// Recovers reports a code by which every way into the account that there was ends when it is used: whoever uses it up ends them in the same batch.
func (a Activation) Recovers() bool { return a.purpose == forRecovery }

// CheckActivation tries a code for the person whom an identifier leads to: that of an account that was opened, or of one that is recovered. Every try
// counts, and an unknown person costs as much as a wrong code. Errors: [ErrCode].
func (r *Registry) CheckActivation(ctx context.Context, id Identifier, c Code) (Activation, error) {
	return r.tryOf(ctx, id, c, forAccount, forRecovery)
}

// CheckDevice is [Registry.CheckActivation] for the first device of an account: the same code that opened or recovered it, once more.
func (r *Registry) CheckDevice(ctx context.Context, id Identifier, c Code) (Activation, error) {
	return r.tryOf(ctx, id, c, forDevice)
}

func (r *Registry) tryOf(ctx context.Context, id Identifier, c Code, purposes ...codePurpose) (Activation, error) {
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
	return r.try(ctx, vault, c, identity.ObjectID{}, purposes...)
}

// try charges every code that could be meant and compares.
func (r *Registry) try(ctx context.Context, vault identity.VaultID, c Code, object identity.ObjectID, purposes ...codePurpose) (Activation, error) {
	type candidate struct {
		Hash    []byte
		Purpose codePurpose
		Object  *identity.ObjectID
		Expires time.Time
	}
	kinds := make([]string, len(purposes))
	for i, p := range purposes {
		kinds[i] = string(p)
	}
	var candidates []candidate
	var recoveries []recoveryRow
	charge := new(pgx.Batch)
	charge.Queue(sqlChargeCodes, vault, r.now(), ActivationTries, kinds, nullID(object)).Query(func(rows pgx.Rows) (err error) {
		candidates, err = pgx.CollectRows(rows, pgx.RowToStructByPos[candidate])
		return err
	})
	charge.Queue(sqlOpenRecovery, vault).Query(func(rows pgx.Rows) (err error) {
		recoveries, err = pgx.CollectRows(rows, scanRecovery)
		return err
	})
	if err := pg.Pipeline(ctx, r.pool, charge); err != nil {
		return Activation{}, fmt.Errorf("try a code: %w", err)
	}
	for _, k := range candidates {
		var of identity.ObjectID
		if k.Object != nil {
			of = *k.Object
		}
		if r.deployment.VerifyMAC("activation_codes", codeColumns(vault, c, k.Purpose, of, k.Expires), k.Hash) != nil {
			continue
		}
		a := Activation{vault: vault, hash: k.Hash, purpose: k.Purpose}
		if k.Purpose != forRecovery {
			return a, nil
		}
		if len(recoveries) == 0 || recoveries[0].id != of || recoveries[0].state != RecoveryCoded {
			continue
		}
		a.recovery = &recoveries[0]
		return a, r.believeRecovery(recoveries[0])
	}
	return Activation{}, ErrCode
}

// queueUse uses a code up, behind the lock of the vault: of many at once, one finds it unused.
func queueUse(b *pgx.Batch, a Activation, now time.Time) {
	b.Queue(sqlCodeUnused, a.vault, a.hash, now)
	one(b, sqlUseCode, a.vault, a.hash, now)
}

// QueueActivation uses a code up in a batch of the caller's, which also makes the credential it was sent for. The batch fails with [CodeUsed] for all but one
// of those who use it, and with [CodeBlocked] for somebody who may not act.
func (r *Registry) QueueActivation(b *pgx.Batch, keys *seal.Keys, a Activation, by audit.Actor, now time.Time) error {
	if a.vault.IsZero() || keys.Vault() != a.vault || a.purpose == forContact {
		return ErrCode
	}
	b.Queue(sqlLockVault, a.vault)
	QueueGoodStanding(b, a.vault)
	queueUse(b, a, now)
	kind := audit.Activated
	if a.Recovers() {
		kind = audit.Recovered
		from, to := *a.recovery, *a.recovery
		to.state, to.used = RecoveryUsed, &now
		b.Queue(sqlRecoveryStill, a.vault, from.id, from.mac)
		if err := r.queueMoveRecovery(b, from, to); err != nil {
			return err
		}
		queueTell(b, a.vault, delivery.Recovered, now)
	}
	_, err := r.audit.Queue(b, keys, audit.Entry{Vault: a.vault, Kind: kind, Actor: by}, now)
	return err
}
