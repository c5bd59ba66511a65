package consent

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

const (
	// sqlLockAsked makes requests of one organisation to one person wait for each other, in one order for everybody.
	sqlLockAsked = `select pg_advisory_xact_lock(k) from unnest($1::bigint[]) as k`

	sqlFewOpen = `
select vidan_require(not exists (select 1 from unnest($1::uuid[]) as v(vault_id) where (select count(*) from request_parties p
  where p.vault_id = v.vault_id and p.organisation_id = $2 and p.state = 'asked' and p.expires_at > $3) >= $4), 'too_many_open')`

	sqlInsertRequest = `
insert into consent_requests (request_id, organisation_id, client_id, party_vaults, digest, created_at, expires_at, sealed)
values ($1, $2, $3, $4, $5, $6, $7, $8)`

	sqlInsertParties = `
insert into request_parties (vault_id, request_id, organisation_id, created_at, expires_at, sealed)
select p.vault_id, $1, $2, $3, $4, p.sealed from unnest($5::uuid[], $6::bytea[]) as p(vault_id, sealed)`

	sqlInsertIdempotency = `
insert into idempotency (scope, key_hash, request_sha256, reference, created_at) values ($1, $2, $3, $4, $5)`

	sqlIdempotency = `select request_sha256, reference from idempotency where scope = $1 and key_hash = $2`
)

// queueRequest adds the rows of a request. Parties are written in ascending order of vault; these rows, like those of a disclosure, are
// inserted for several people in one transaction and lock no vault.
func (l *Ledger) queueRequest(b *pgx.Batch, c *content) error {
	encoded, err := c.encode()
	if err != nil {
		return err
	}
	sealed, err := l.deployment.SealMessage(seal.Waiting, requestPlace(c.ID), encoded)
	if err != nil {
		return fmt.Errorf("request %s: %w", c.ID, err)
	}
	vaults := c.vaults()
	rows := make([][]byte, len(vaults))
	locks := make([]int64, len(vaults))
	for i, v := range vaults {
		if rows[i], err = l.deployment.SealMessage(seal.Waiting, partyPlace(v, c.ID), encoded); err != nil {
			return fmt.Errorf("request %s: %w", c.ID, err)
		}
		id := v.Bytes()
		locks[i] = int64(pg.NewLockKey("consent.asked", id[:], []byte(c.Organisation)))
	}
	slices.Sort(locks)
	digest := digestOf(encoded)
	b.Queue(sqlLockAsked, locks)
	b.Queue(sqlFewOpen, vaults, c.Organisation, c.Created, MaxOpen)
	b.Queue(sqlInsertRequest, c.ID, c.Organisation, c.Client, vaults, digest[:], c.Created, c.Expires, sealed)
	b.Queue(sqlInsertParties, c.ID, c.Organisation, c.Created, c.Expires, vaults, rows)
	return nil
}

// idempotencyKey is a client's key for one request, and a MAC of what it was used for: a plain digest would let a dump be searched for
// the numbers in it.
type idempotencyKey struct {
	scope, hash [sha256.Size]byte
	what        *seal.Columns
	mac         []byte
	lock        pg.LockKey
}

func (l *Ledger) idempotency(r NewRequest) idempotencyKey {
	k := idempotencyKey{
		scope: sha256.Sum256([]byte("consent-request\x00" + r.Organisation + "\x00" + r.Client)),
		hash:  sha256.Sum256([]byte(r.IdempotencyKey)),
	}
	k.what = new(seal.Columns).Text(r.Procedure).Text(r.Dossier).Text(r.Purpose).Texts(r.Fields).Text(string(r.Mode)).Int(int64(r.Uses)).
		Text(stamp(r.Until)).Int(int64(r.Expiry)).Text(r.Officer.ID)
	for _, p := range r.Parties {
		k.what.Texts(p.Roles).Bytes(l.deployment.MAC("strangers", p.Ref.columns()))
	}
	k.mac = l.deployment.MAC("idempotency", k.what)
	k.lock = pg.NewLockKey("consent.idempotency", k.scope[:], k.hash[:])
	return k
}

type idempotencyRow struct {
	found     bool
	mac       []byte
	reference []byte
}

// queue reads what the key was used for.
func (k idempotencyKey) queue(b *pgx.Batch) *idempotencyRow {
	row := new(idempotencyRow)
	b.Queue(sqlIdempotency, k.scope[:], k.hash[:]).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&row.mac, &row.reference}, func() error {
			row.found = true
			return nil
		})
		return err
	})
	return row
}

// reference names a request: in the row of an idempotency key and in tasks.
type reference struct {
	Request identity.RequestID `json:"request_id"`
	Tell    bool               `json:"tell,omitempty"` // those who are asked have to be told
}

func (r reference) raw() json.RawMessage {
	raw, err := json.Marshal(r)
	if err != nil {
		panic("consent: an id does not marshal")
	}
	return raw
}

// answer returns the request that the key was used for, if it was this one.
func (k idempotencyKey) answer(l *Ledger, row idempotencyRow) (identity.RequestID, error) {
	if l.deployment.VerifyMAC("idempotency", k.what, row.mac) != nil {
		return identity.RequestID{}, ErrIdempotency
	}
	var r reference
	if err := json.Unmarshal(row.reference, &r); err != nil {
		return identity.RequestID{}, fmt.Errorf("idempotency: %w", err)
	}
	return r.Request, nil
}
