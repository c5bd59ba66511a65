package floor

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// storeOperation is a signed birth certificate of a child whose number is known and whose vault nobody opened lately, with both parents: read what
// decides, then write once. The keys of the vault are read along with what decides: one statement could do both.
//
// Of each relation one state is sealed: which one it will be could be known to an implementation that locks before it decides.
func storeOperation() Operation {
	return Operation{
		Name: "store",
		Work: Work{
			Verify: []int{proofLength, resultLength}, Sign: []int{receiptLength}, Schema: 1, Compress: 1,
			Seal: []int{
				messageLength, headerLength, recordLength, // paper, head, its row of the record
				relationLength, relationLength, recordLength, relationLength, relationLength, recordLength, // each parent: relation, fact, row
			},
			Unwrap:    3, // content, record, tag
			MAC:       7, // mandate, three identifiers; the home of the paper, two relations
			PRF:       5, // id of the paper, type tag, three numbers
			Reference: 2, // paper and subject in the receipt
		},
		rounds: []round{storeLook, storeWrite},
		runs:   new(atomic.Int64),
	}
}

func storeLook(f *Floor, i int64, b *pgx.Batch) {
	c := f.child(i)
	f.queue(b, "auth.sqlGuardMachine", client, f.clientMAC, []string{kid}, [][]byte{f.keyMAC}, tokenName)
	f.queue(b, "auth.sqlUseProof", f.slot(), f.digest())
	f.queue(b, "auth.sqlGuardMandate", client, organisation, "mot-cua", birthCertificate, "birth_registration", "deliver", f.now)
	f.queue(b, "intake.sqlLookFresh", organisation, random(), c.document, 1, c.digest)
	mother, father := f.parents(i)
	f.queue(b, "person.sqlFind", []int32{prfKey, prfKey, prfKey}, [][]byte{c.digest, mother.digest, father.digest})
	f.queue(b, "intake.sqlLeadKeys", []int32{prfKey}, [][]byte{c.digest})
}

func storeWrite(f *Floor, i int64, b *pgx.Batch) {
	c, now := f.child(i), time.Now().UTC()
	f.queue(b, "wallet.sqlLock", c.vault)
	f.queue(b, "intake.sqlInsertReceipt", organisation, random(), c.document, 1, c.digest, "accepted", client, f.receipt, now)
	lock := int64(binary.BigEndian.Uint64(c.document[:8]))
	f.queue(b, "intake.sqlInsertPaper", c.document, c.vault, organisation, nil, now, f.bytes(macLength), lock)
	f.queue(b, "intake.sqlWakePaper", c.document, now)
	f.queue(b, "wallet.sqlInsertRevision", c.vault, c.document, 1, "issued", c.digest, now, now, f.bytes(messageLength))
	f.queue(b, "wallet.sqlMoveHead", c.vault, c.document, f.bytes(idLength), "current", 1, f.bytes(headerLength), now)
	relations := [][16]byte{ordered(), ordered()}
	for _, id := range relations {
		f.queueRelation(b, c, id, relations, now)
	}
	f.queue(b, "audit.sqlInsert", f.record(c.vault, "result_stored", organisation)...)
}

// queueRelation adds one parent: the relation, its first fact, its row of the record, and the task that tells the parent's vault.
func (f *Floor) queueRelation(b *pgx.Batch, c child, id [16]byte, siblings [][16]byte, now time.Time) {
	sealed, mac := f.bytes(relationLength), f.bytes(macLength)
	f.queue(b, "consent.sqlInsertHome", c.vault, id, c.document, now, now.AddDate(18, 0, 0), now.AddDate(0, 0, 7), sealed, sealed, mac, mac, true, siblings)
	fact := f.bytes(relationLength)
	f.queue(b, "consent.sqlInsertFirstFact", c.vault, id, ordered(), now, fact, fact)
	for _, state := range []string{"active", "proposed"} {
		f.queue(b, "consent.recordIfState", append([]any{c.vault, id, state}, f.record(c.vault, "relation_"+state, organisation)...)...)
	}
	args := fmt.Appendf(nil, `{"relation_id":"%x-%x-%x-%x-%x"}`, id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	f.queue(b, "delivery.sqlQueue", ordered(), "relation.mirror", c.vault, nil, args, now, now)
}
