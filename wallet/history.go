package wallet

import (
	"context"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
)

// maxHistory bounds a history: no paper of the catalogue is corrected so often.
const maxHistory = 200

const sqlHistory = `
select revision, state, payload_sha256, issued_at, received_at, sealed
from document_revisions where vault_id = $1 and document_id = $2 order by revision desc limit $3`

// Revisions returns the history of a paper, highest revision first, whatever order they came in. It finds, records and refuses as
// [Wallet.Get] does. What each revision said is opened with Get.
func (w *Wallet) Revisions(ctx context.Context, g pg.Guard, vaults []identity.VaultID, doc identity.DocumentID, rec audit.Entry) ([]RevisionInfo, error) {
	var out []RevisionInfo
	queue := func(b *pgx.Batch, v identity.VaultID, into *[]factRow) {
		queueFacts(b, into, sqlHistory, v, doc, maxHistory)
	}
	_, err := w.read(ctx, g, vaults, doc, 0, rec, view{queue, func(facts []fact) error {
		if len(facts) == 0 {
			return ErrNotFound
		}
		out = history(facts, doc)
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func history(facts []fact, doc identity.DocumentID) []RevisionInfo {
	out := make([]RevisionInfo, len(facts))
	for i, f := range facts {
		c, err := f.open(f.keys, doc)
		if err != nil {
			out[i] = RevisionInfo{Number: f.number, Damaged: true}
			continue
		}
		out[i] = RevisionInfo{Number: c.number, State: c.state, IssuedAt: c.issuedAt, ReceivedAt: c.receivedAt, Payload: c.digest}
	}
	return out
}
