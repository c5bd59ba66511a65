package floor

import (
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// tokenOperation is an access token by client_credentials with private_key_jwt and DPoP: verify assertion and proof, use both up, sign.
func tokenOperation() Operation {
	return Operation{
		Name: "token",
		Work: Work{Verify: []int{assertionLength, proofLength}, Sign: []int{tokenLength}},
		rounds: []round{func(f *Floor, _ int64, b *pgx.Batch) {
			f.queue(b, "auth.sqlTokenState", client, kid, f.clientMAC, f.keyMAC)
			assertion, proof := f.digest(), f.digest()
			f.queue(b, "auth.sqlUseProofs", f.slot(), assertion, f.slot(), proof)
		}},
		runs: new(atomic.Int64),
	}
}

// Lengths of signed texts, as the clients of the sandbox make them: header and payload in base64url.
const (
	assertionLength = 310
	proofLength     = 480
	tokenLength     = 560
	receiptLength   = 900
	resultLength    = 4400
	answerLength    = 1900
)
