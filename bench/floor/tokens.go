package floor

import (
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// portal is a sign-in at an agency's portal, with the refresh token that lets it go on.
type portal struct {
	vault, session [16]byte
	refresh        []byte
}

// refreshOperation is an agency that goes on with a sign-in: verify assertion and proof, use both up, read what the session is still worth, sign
// an access token and an ID token.
func refreshOperation() Operation {
	return Operation{
		Name: "token_refresh",
		Work: Work{
			Verify: []int{assertionLength, proofLength}, Sign: []int{accessLength, idTokenLength}, MAC: 1,
			Reference: 2, // the refresh token as it came, the session as the access token names it
		},
		rounds: []round{func(f *Floor, _ int64, b *pgx.Batch) {
			f.queue(b, "auth.sqlTokenState", client, kid, f.clientMAC, f.keyMAC)
			assertion, proof := f.digest(), f.digest()
			f.queue(b, "auth.sqlUseProofs", f.slot(), assertion, f.slot(), proof)
			p := f.portal
			f.queue(b, "person.sqlMaySignIn", p.vault)
			f.queue(b, "auth.sqlRefreshPerson", p.vault, p.session, organisation)
			f.queue(b, "auth.sqlRefresh", p.vault, p.session, client, p.refresh, []string{}, f.now)
		}},
		runs: new(atomic.Int64),
	}
}

// introspectOperation is a client that asks what a person's access token is worth now. The token's signature was verified when it was first
// seen, and so was the MAC of its session.
func introspectOperation() Operation {
	return Operation{
		Name: "introspect",
		Work: Work{Verify: []int{assertionLength}},
		rounds: []round{func(f *Floor, _ int64, b *pgx.Batch) {
			f.queue(b, "auth.sqlTokenState", client, kid, f.clientMAC, f.keyMAC)
			f.queue(b, "auth.sqlUseProof", f.slot(), f.digest())
			f.queue(b, "auth.sqlAskCitizen", client, f.clientMAC, f.portal.vault, f.portal.session, 1, f.now, f.sessionMAC)
		}},
		runs: new(atomic.Int64),
	}
}

// Lengths of signed texts that a sign-in is worth.
const (
	accessLength  = 760
	idTokenLength = 470
)

// tokenName is an access token as a guard names it: its exp and jti.
const tokenName = "1795423215.deNyOEtzpqEGPG3_d3ifOw"
