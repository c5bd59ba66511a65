package floor

import (
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// readOperation is one's own paper, opened and recorded. The access token's signature was verified when it was first seen.
func readOperation() Operation {
	return Operation{
		Name: "read",
		Work: Work{
			Verify: []int{proofLength}, Open: []int{messageLength}, Expand: 1, Seal: []int{recordLength},
			Reference: 2, // the paper as asked for, and as answered
		},
		rounds: []round{func(f *Floor, i int64, b *pgx.Batch) {
			r := f.readers[i%int64(len(f.readers))]
			f.queue(b, "auth.sqlGuardCitizen", app, f.appMAC, r.vault, r.session, 1, f.now, f.sessionMAC)
			f.queue(b, "auth.sqlUseProof", f.slot(), f.digest())
			f.queue(b, "wallet.sqlCurrent", r.vault, r.document)
			f.queue(b, "wallet.recordIfHas", append([]any{r.vault, r.document, 0}, f.record(r.vault, "document_read", nil)...)...)
		}},
		runs: new(atomic.Int64),
	}
}

// Lengths of sealed values.
const (
	messageLength  = 1216 // a signed birth certificate, compressed and padded
	headerLength   = 256
	recordLength   = 160
	relationLength = 320
	grantLength    = 480
	useLength      = 200
	profileLength  = 128
	numberLength   = 40
)
