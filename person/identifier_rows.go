package person

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/seal"
)

// CodeKnown is the refusal of a batch that took an identifier for unknown when it leads to somebody by now: whoever sent it looks again.
const CodeKnown = "identifier_known"

const (
	// sqlLockIdentifiers is taken before any vault is locked, by everybody who makes an identifier known or relies on its being unknown (N1, N5).
	sqlLockIdentifiers = `select pg_advisory_xact_lock(k) from unnest($1::bigint[]) as k`

	sqlUnknown = `select vidan_require(not exists (
  select from identifiers i join unnest($1::int[], $2::bytea[]) as w(key_id, digest)
    on i.prf_key_id = w.key_id and i.digest = w.digest
  where i.state = 'active'), 'identifier_known')`

	sqlInsertIdentifier = `insert into identifiers
  (prf_key_id, digest, vault_id, kind, state, valid_from, evidence, sealed, mac)
  values ($1, $2, $3, $4, 'active', $5, $6, $7, $8)`

	// sqlEndNumber says until when a number was the person's; it goes on leading to them.
	sqlEndNumber = `update identifiers set valid_until = $5, mac = $6
  where prf_key_id = $1 and digest = $2 and vault_id = $3 and mac = $4`

	sqlMoveIdentifier = `update identifiers set vault_id = $5, valid_until = $6, mac = $7
  where prf_key_id = $1 and digest = $2 and vault_id = $3 and mac = $4`

	// sqlWakeWaiting hands every result that waits under an identifier to intake (N5). It is an insert of a select because the batch that opens
	// a vault for a newborn has not read what waits.
	sqlWakeWaiting = `insert into outbox (outbox_id, kind, organisation_id, args, created_at, not_before)
  select gen_random_uuid(), 'waiting.apply', r.organisation_id, jsonb_build_object('waiting_id', r.waiting_id), $3, $3
  from waiting_results r
  where r.state = 'waiting' and r.waiting_id in (
    select w.waiting_id from waiting_identifiers w join unnest($1::int[], $2::bytea[]) as k(key_id, digest)
      on w.prf_key_id = k.key_id and w.digest = k.digest)`
)

// identifierRow is a row of identifiers without its seal. until is set for a number that was replaced: it still leads to
// the person and is no longer theirs.
type identifierRow struct {
	digest   seal.Digest
	vault    identity.VaultID
	kind     seal.IdentifierKind
	from     time.Time
	until    time.Time
	evidence Basis
	mac      []byte
}

// identifierColumns is what scanIdentifier reads; only active rows are ever selected.
const identifierColumns = `i.prf_key_id, i.digest, i.vault_id, i.kind, i.valid_from, i.valid_until, i.evidence, i.mac`

func scanIdentifier(row pgx.CollectableRow) (identifierRow, error) {
	var i identifierRow
	var sum []byte
	var until *time.Time
	if err := row.Scan(&i.digest.KeyID, &sum, &i.vault, &i.kind, &i.from, &until, &i.evidence, &i.mac); err != nil {
		return i, err
	}
	if len(sum) != len(i.digest.Sum) {
		return i, fmt.Errorf("row of identifiers: %w", seal.ErrTampered)
	}
	i.digest.Sum = [32]byte(sum)
	if until != nil {
		i.until = *until
	}
	return i, nil
}

// columns are what the MAC covers, in the order of the table.
func (i identifierRow) columns() *seal.Columns {
	return new(seal.Columns).Int(int64(i.digest.KeyID)).Bytes(i.digest.Sum[:]).UUID(i.vault.Bytes()).Text(string(i.kind)).
		Text("active").Time(i.from).Time(i.until).Text(string(i.evidence))
}

// isNumber reports the number a person has now.
func (i identifierRow) isNumber() bool { return i.kind == seal.PersonalNumber && i.until.IsZero() }

// believe holds rows to their MACs (N2).
func (r *Registry) believe(rows []identifierRow) error {
	for _, row := range rows {
		if err := r.deployment.VerifyMAC("identifiers", row.columns(), row.mac); err != nil {
			return fmt.Errorf("identifier of vault %s: %w", row.vault, err)
		}
	}
	return nil
}

// sealedIdentifier is what lies in identifiers.sealed. It is sealed under the deployment, because a digest is made anew when the PRF key is
// replaced, without opening anybody's vault, and because a row moves when vaults are joined.
type sealedIdentifier struct {
	Parts     []string `json:"parts"`
	Reference string   `json:"reference,omitempty"`
}

func identifierPlace(d seal.Digest) seal.Place {
	return seal.Place{Table: "identifiers", Column: "sealed", Object: [16]byte(d.Sum[:16])}
}

// queueLock takes the locks of identifiers.
func queueLock(b *pgx.Batch, digests []seal.Digest) { b.Queue(sqlLockIdentifiers, lockKeys(digests)) }

// QueueStillUnknown makes a batch fail with [CodeKnown] when one of the identifiers leads to somebody, and keeps them from becoming known
// until it has committed. It comes first in the batch that puts a result into the waiting room (N5).
func (r *Registry) QueueStillUnknown(b *pgx.Batch, ids []Identifier) {
	var digests []seal.Digest
	for _, id := range ids {
		digests = append(digests, r.digests(id)...)
	}
	keys, sums := digestArgs(digests)
	queueLock(b, digests)
	b.Queue(sqlUnknown, keys, sums)
}

// queueIdentifier makes an identifier lead to a vault, under every PRF key in use, and wakes the results that wait for it. The caller
// has its lock and knows that it leads to nobody.
func (r *Registry) queueIdentifier(b *pgx.Batch, vault identity.VaultID, id Identifier, ev Evidence, now time.Time) error {
	value, err := json.Marshal(sealedIdentifier{Parts: id.reveal(), Reference: ev.Reference})
	if err != nil {
		return err
	}
	digests := r.digests(id)
	for _, digest := range digests {
		sealed, err := r.deployment.Seal(seal.Waiting, identifierPlace(digest), value)
		if err != nil {
			return err
		}
		row := identifierRow{digest: digest, vault: vault, kind: id.kind, from: now, evidence: ev.Basis}
		b.Queue(sqlInsertIdentifier, digest.KeyID, digest.Sum[:], vault, string(id.kind), now, string(ev.Basis), sealed,
			r.deployment.MAC("identifiers", row.columns()))
	}
	keys, sums := digestArgs(digests)
	b.Queue(sqlWakeWaiting, keys, sums, now)
	return nil
}

// queueEndNumber says that a number was replaced.
func (r *Registry) queueEndNumber(b *pgx.Batch, row identifierRow, now time.Time) {
	ended := row
	ended.until = now
	one(b, sqlEndNumber, row.digest.KeyID, row.digest.Sum[:], row.vault, row.mac, now, r.deployment.MAC("identifiers", ended.columns()))
}

// queueMove makes an identifier lead to another vault of the same person, as of now no longer their number if replaced.
func (r *Registry) queueMove(b *pgx.Batch, row identifierRow, to identity.VaultID, replaced bool, now time.Time) {
	moved := row
	moved.vault = to
	if replaced && row.isNumber() {
		moved.until = now
	}
	one(b, sqlMoveIdentifier, row.digest.KeyID, row.digest.Sum[:], row.vault, row.mac, to, nullTime(moved.until),
		r.deployment.MAC("identifiers", moved.columns()))
}

// one queues an update that hits one row, because the lock under which the row was read is still held.
func one(b *pgx.Batch, sql string, args ...any) {
	b.Queue(sql, args...).Fn = func(br pgx.BatchResults) error {
		tag, err := br.Exec()
		if err == nil && tag.RowsAffected() != 1 {
			err = fmt.Errorf("person: %d rows changed instead of one", tag.RowsAffected())
		}
		return err
	}
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
