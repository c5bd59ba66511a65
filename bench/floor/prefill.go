package floor

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// prefillOperation is the form of a kindergarten under a standing grant of child and mother: four papers of two vaults, one transaction of two
// round trips. The officer's assertion accompanies several calls and was verified with the first.
func prefillOperation() Operation {
	return Operation{
		Name: "prefill",
		Work: Work{
			Verify: []int{proofLength}, Sign: []int{answerLength}, Expand: 4,
			Open: []int{
				messageLength, messageLength, messageLength, messageLength,
				grantLength, grantLength, profileLength, profileLength, numberLength, numberLength,
			},
			Seal:      []int{useLength, useLength, useLength, useLength, recordLength, recordLength},
			MAC:       5, // mandate, two grants, two numbers
			PRF:       8, // four types, as each of the two vaults files them
			Reference: 7, // the request as asked for; request, release and four papers as answered
		},
		rounds: []round{prefillAsk, prefillRelease},
		tx:     true,
		runs:   new(atomic.Int64),
	}
}

func prefillAsk(f *Floor, i int64, b *pgx.Batch) {
	r := f.requests[i%int64(len(f.requests))]
	vaults := [][16]byte{f.family[0].vault, f.family[1].vault}
	f.queue(b, "auth.sqlGuardMachine", client, f.clientMAC, []string{kid}, [][]byte{f.keyMAC}, tokenName)
	f.queue(b, "auth.sqlUseProof", f.slot(), f.digest())
	f.queue(b, "auth.sqlGuardMandate", client, organisation, "mot-cua", "", "birth_registration", "request", f.now)
	key := f.digest()
	f.queue(b, "pg.try lock", int64(binary.BigEndian.Uint64(key)))
	f.queue(b, "prefill.sqlOrder", f.scope, key)
	f.queue(b, "consent.sqlShareVaults", vaults)
	f.queue(b, "consent.sqlShareGrants", vaults, r.id)
	f.queue(b, "consent.sqlTakeGrants", vaults, r.id)
	f.queue(b, "consent.sqlDisclosed", vaults, random(), r.id)
	var of [][16]byte
	var tags [][]byte
	for _, vault := range vaults {
		for _, tag := range f.tags {
			of, tags = append(of, vault), append(tags, tag)
		}
	}
	f.queue(b, "wallet.sqlPapers", of, tags)
	f.queue(b, "wallet.sqlHolders", vaults, f.now)
	for _, vault := range vaults {
		f.queue(b, "person.sqlPerson", vault)
		f.queue(b, "person.sqlNumber", vault)
	}
}

func prefillRelease(f *Floor, i int64, b *pgx.Batch) {
	r, now, release := f.requests[i%int64(len(f.requests))], time.Now().UTC(), random()
	vaults := [][16]byte{f.family[0].vault, f.family[1].vault}
	for at, vault := range vaults {
		pinned, revisions := f.family[at].documents, make([]int32, len(f.family[at].documents))
		for j := range revisions {
			revisions[j] = 1
		}
		f.queue(b, "consent.sqlInsertDisclosures", vault, r.grants[at], release, now, pinned, revisions, f.bytes(useLength), f.bytes(macLength))
		f.queue(b, "consent.sqlInsertUsed", vault, r.grants[at], ordered(), now, 0, f.bytes(useLength), f.bytes(macLength))
	}
	f.queue(b, "consent.sqlAllUsed", vaults, release, len(vaults))
	for _, vault := range vaults {
		f.queue(b, "audit.sqlInsert", f.record(vault, "disclosure", organisation)...)
	}
	f.queue(b, "prefill.sqlInsertOrder", f.scope, f.digest(), f.bytes(32), []byte(`{"disclosure_id":"01a201f1-d78f-7050-beed-1c301d0e2a97"}`), now)
}
