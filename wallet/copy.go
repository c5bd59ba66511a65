package wallet

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
)

const sqlOne = `
select revision, state, payload_sha256, issued_at, received_at, sealed
from document_revisions where vault_id = $1 and document_id = $2 and revision = $3`

// Copying is one revision of a paper about two people, on its way from the vault where it lies into the vault of the other.
type Copying struct {
	From, To    identity.VaultID
	Document    identity.DocumentID
	Revision    int
	SubjectRole string // the role of the owner of To
	By          audit.Actor
	// Organisation that issued it, in clear in the record of To.
	Organisation string
}

// Copy seals a revision into the vault of the other person it is about, so that erasing one vault never takes the other person's paper. It is the
// work of a task: repeated it changes nothing, and revisions may come in any order (W2, W7). Nothing leaves the server, so it is not a reading; the storing
// is recorded in the vault it is stored in.
func (w *Wallet) Copy(ctx context.Context, c Copying) error {
	keys, err := w.vaults.Open(ctx, w.pool, c.From, c.To)
	if err != nil {
		return err
	}
	if keys[c.From] == nil || keys[c.To] == nil {
		return nil // one of the two was erased since: nothing to copy, or nowhere to
	}
	rows, err := w.revisionIn(ctx, c.From, c.Document, c.Revision)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("copy paper %s: %w", c.Document, ErrNotFound)
	}
	found, err := rows[0].open(keys[c.From], c.Document)
	if err != nil {
		return err
	}
	found.receivedAt, found.subjectRole = micro(w.now()), c.SubjectRole
	if err := found.check(); err != nil {
		return err
	}
	b := new(pgx.Batch)
	queueLock(b, sqlLockLiving, c.To)
	if err := queueContent(b, keys[c.To], c.Document, found); err != nil {
		return err
	}
	_, err = w.audit.Queue(b, keys[c.To], audit.Entry{
		Vault: c.To, Kind: audit.ResultStored, Organisation: c.Organisation, Actor: c.By, Procedure: found.procedure, Dossier: found.dossier,
		Document: c.Document, Revision: c.Revision,
	}, found.receivedAt)
	if err != nil {
		return err
	}
	err = pg.Pipeline(ctx, w.pool, b)
	var again *pg.Duplicate
	if errors.As(err, &again) && again.Constraint == KeyRevision {
		return w.sameCopy(ctx, c, found.digest)
	}
	if err != nil {
		return fmt.Errorf("copy paper %s: %w", c.Document, err)
	}
	return nil
}

// sameCopy accepts a copy that is there already.
func (w *Wallet) sameCopy(ctx context.Context, c Copying, digest [32]byte) error {
	rows, err := w.revisionIn(ctx, c.To, c.Document, c.Revision)
	if err != nil {
		return err
	}
	if len(rows) != 1 || string(rows[0].payload) != string(digest[:]) {
		return fmt.Errorf("copy paper %s: %w: another revision of this number is there", c.Document, ErrRevision)
	}
	return nil
}

func (w *Wallet) revisionIn(ctx context.Context, v identity.VaultID, doc identity.DocumentID, number int) ([]factRow, error) {
	var rows []factRow
	b := new(pgx.Batch)
	queueFacts(b, &rows, sqlOne, v, doc, number)
	if err := pg.Pipeline(ctx, w.pool, b); err != nil {
		return nil, fmt.Errorf("read paper %s: %w", doc, err)
	}
	return rows, nil
}
