package wallet

import (
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/seal"
)

// sqlLock takes the row of a vault for the rest of the transaction. It aborts it when the vault was joined into another or erased since
// the caller looked it up.
const sqlLock = `
update vaults set seq = seq + 1 where vault_id = $1 returning vidan_require(state = 'open', 'vault_closed')`

// sqlLockLiving takes a vault that may have been joined into another: its papers and holdings are still read and kept up.
const sqlLockLiving = `
update vaults set seq = seq + 1 where vault_id = $1 returning vidan_require(state <> 'erased', 'vault_closed')`

const sqlInsertRevision = `
insert into document_revisions (vault_id, document_id, revision, state, payload_sha256, issued_at, received_at, sealed)
values ($1, $2, $3, $4, $5, $6, $7, $8)`

// sqlMoveHead makes the head of a new paper, and moves one only forwards (W2). The type of a paper is part of its id, so its tag
// never changes.
const sqlMoveHead = `
insert into documents (vault_id, document_id, type_tag, state, current_revision, sealed_header, added_at, changed_at)
values ($1, $2, $3, $4, $5, $6, $7, $7)
on conflict (vault_id, document_id) do update
set state = excluded.state, current_revision = excluded.current_revision, sealed_header = excluded.sealed_header, changed_at = excluded.changed_at
where documents.current_revision < excluded.current_revision`

// KeyRevision is the unique key that refuses a revision a second time (W1).
const KeyRevision = "document_revisions_pkey"

// QueueLock takes the vaults for the rest of the transaction, in the one order that cannot deadlock: it belongs before every
// other statement that writes. A vault that is no longer open aborts the transaction with *pg.Refusal [CodeVaultClosed].
func (w *Wallet) QueueLock(b *pgx.Batch, vaults ...identity.VaultID) {
	ordered := slices.Clone(vaults)
	slices.SortFunc(ordered, identity.VaultID.Compare)
	for _, v := range slices.Compact(ordered) {
		queueLock(b, sqlLock, v)
	}
}

func queueLock(b *pgx.Batch, sql string, v identity.VaultID) {
	b.Queue(sql, v).Query(func(rows pgx.Rows) error {
		rows.Close()
		if err := rows.Err(); err != nil {
			return err
		}
		if rows.CommandTag().RowsAffected() != 1 {
			return fmt.Errorf("lock vault %s: %w", v, ErrVault)
		}
		return nil
	})
}

// QueueRevise stores a revision in the vault of the keys, in the caller's transaction, which holds the vault's lock ([Wallet.QueueLock]).
// The head moves if, and only if, the revision is the highest. A revision of this number that is already there fails the batch with *pg.Duplicate
// of [KeyRevision]: whether it is the same one is the caller's to say, by its digest (docs/RESULTS.md §3).
//
// For a paper about two people it is called once for each vault, in two transactions (W7), with another Vault and SubjectRole.
func (w *Wallet) QueueRevise(b *pgx.Batch, keys *seal.Keys, rev Revision, now time.Time) error {
	if keys.Vault() != rev.Vault {
		return fmt.Errorf("revise paper %s: %w: the keys are another vault's", rev.Document, ErrRevision)
	}
	c, err := rev.content(now)
	if err != nil {
		return fmt.Errorf("revise paper %s: %w", rev.Document, err)
	}
	return queueContent(b, keys, rev.Document, c)
}

// queueContent stores a checked content as it is; its receivedAt becomes that of the rows.
func queueContent(b *pgx.Batch, keys *seal.Keys, doc identity.DocumentID, c content) error {
	v := keys.Vault()
	sealed, err := keys.SealMessage(seal.Content, revisionPlace(v, doc, c.number), c.encode())
	if err != nil {
		return fmt.Errorf("revise paper %s: %w", doc, err)
	}
	head, err := keys.Seal(seal.Content, headPlace(v, doc, c.number), c.header.encode())
	if err != nil {
		return fmt.Errorf("revise paper %s: %w", doc, err)
	}
	tag := keys.TypeTag(c.docType)
	b.Queue(sqlInsertRevision, v, doc, c.number, string(c.state), c.digest[:], c.issuedAt, c.receivedAt, sealed)
	b.Queue(sqlMoveHead, v, doc, tag[:], headState(c.state), c.number, head, c.receivedAt)
	return nil
}

// headState is what the clear column of a head says: whether its paper is valid is all that a dump tells.
func headState(s State) string {
	if s == Revoked {
		return "revoked"
	}
	return "current"
}
