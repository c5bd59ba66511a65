package floor

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// storeOperation is a signed birth certificate of a child whose number is known, with both parents: read what decides, then write once.
//
// Of each relation one state is sealed: which one it will be could be known to an implementation that locks before it decides.
func storeOperation() Operation {
	return Operation{
		Name: "store",
		Work: Work{
			Verify: []int{proofLength, resultLength}, Sign: []int{receiptLength}, Schema: 1, Compress: 1,
			Seal:      []int{messageLength, headerLength, recordLength, relationLength, relationLength, recordLength, relationLength, relationLength, recordLength},
			MAC:       6, // mandate, three identifiers; the two relations
			PRF:       5, // id of the paper, type tag, three numbers
			Reference: 2, // paper and subject in the receipt
		},
		rounds: []round{storeLook, storeWrite},
		runs:   new(atomic.Int64),
	}
}

func storeLook(f *Floor, i int64, b *pgx.Batch) {
	c := f.child(i)
	b.Queue(sqlGuardMachine, client, f.clientMAC, []string{kid}, [][]byte{f.keyMAC})
	b.Queue(sqlUseProof, f.slot(), f.digest())
	b.Queue(sqlGuardMandate, client, organisation, "mot-cua", birthCertificate, "birth_registration", "deliver", f.now)
	b.Queue(sqlSector, organisation)
	b.Queue(sqlReceipt, organisation, random())
	b.Queue(sqlHeldOtherwise, c.document, 1, c.digest)
	b.Queue(sqlPaper, c.document)
	mother, father := f.parents(i)
	b.Queue(sqlFind, []int32{prfKey, prfKey, prfKey}, [][]byte{c.digest, mother.digest, father.digest})
}

func storeWrite(f *Floor, i int64, b *pgx.Batch) {
	c, now := f.child(i), time.Now().UTC()
	b.Queue(sqlLock, c.vault)
	b.Queue(sqlInsertPaper, c.document, c.vault, organisation, now)
	b.Queue(sqlHome, c.document, c.vault)
	b.Queue(sqlInsertReceipt, organisation, random(), c.document, 1, c.digest, "accepted", client, f.receipt, now)
	b.Queue(sqlInsertRevision, c.vault, c.document, 1, "issued", c.digest, now, now, f.bytes(messageLength))
	b.Queue(sqlMoveHead, c.vault, c.document, f.bytes(idLength), "current", 1, f.bytes(headerLength), now)
	relations := [][16]byte{ordered(), ordered()}
	for _, id := range relations {
		f.queueRelation(b, c, id, relations, now)
	}
	b.Queue(sqlRecord, f.record(c.vault, "result_stored", organisation)...)
}

// queueRelation adds one parent: the relation, its first fact, its row of the record, and the task that tells the parent's vault.
func (f *Floor) queueRelation(b *pgx.Batch, c child, id [16]byte, siblings [][16]byte, now time.Time) {
	sealed, mac := f.bytes(relationLength), f.bytes(macLength)
	b.Queue(sqlInsertHome, c.vault, id, c.document, now, now.AddDate(18, 0, 0), now.AddDate(0, 0, 7), sealed, sealed, mac, mac, true, siblings)
	fact := f.bytes(relationLength)
	b.Queue(sqlInsertFirstFact, c.vault, id, ordered(), now, fact, fact)
	for _, state := range []string{"active", "proposed"} {
		b.Queue(sqlRecordIfState, append([]any{c.vault, id, state}, f.record(c.vault, "relation_"+state, organisation)...)...)
	}
	args := fmt.Appendf(nil, `{"relation_id":"%x-%x-%x-%x-%x"}`, id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	b.Queue(sqlQueue, ordered(), "relation.mirror", c.vault, nil, args, now, now)
}
