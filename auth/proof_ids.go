package auth

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pg"
)

// Everything that may be used once within a short time (proofs, client assertions) leaves a digest in proof_ids. The slot is
// the minute in which the message stops being acceptable, mod 16, and follows from what was signed: a replay lands where
// the first use did. Ten of the sixteen slots can be in use, counted from the present minute m:
//
//	m-2 … m-1   clocks of several processes may differ
//	m   … m+7   proofs live up to two minutes, with a nonce up to six; assertions up to six; and again the clocks
//	m-8 … m-3   over for everybody: emptied by TRUNCATE (RELIABILITY T14), five minutes before they are taken again
const (
	proofSlots   = 16
	oldestUnused = 8 // minutes ago
	newestUnused = 3
)

// proofID is the name of one message that may be used once.
type proofID struct {
	slot   int16
	digest [sha256.Size]byte
}

// newProofID names a message by its use, its maker and its jti. until is the last moment at which it is acceptable.
func newProofID(use, maker, jti string, until time.Time) proofID {
	b := make([]byte, 0, 160)
	for _, part := range []string{use, maker, jti} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return proofID{slot: slotOf(until.Unix() / 60), digest: sha256.Sum256(b)}
}

func slotOf(minute int64) int16 { return int16(((minute % proofSlots) + proofSlots) % proofSlots) }

const (
	sqlUseProof  = `insert into proof_ids (slot, digest) values ($1, $2)`
	sqlUseProofs = `insert into proof_ids (slot, digest) values ($1, $2), ($3, $4)`
	sqlIsUsed    = `select exists (select 1 from proof_ids where slot = $1 and digest = $2)`
	sqlFilled    = `select exists (select 1 from proof_ids where slot = $1)`

	sqlTryRotation = `select pg_try_advisory_xact_lock($1)`
	sqlLockTimeout = `set local lock_timeout = '500ms'`
)

// queueProofs adds the insert that a second use cannot pass.
func queueProofs(b *pgx.Batch, ids ...proofID) {
	switch len(ids) {
	case 1:
		b.Queue(sqlUseProof, ids[0].slot, ids[0].digest[:])
	case 2:
		b.Queue(sqlUseProofs, ids[0].slot, ids[0].digest[:], ids[1].slot, ids[1].digest[:])
	}
}

// replayed reports whether err is a second use of a proof or assertion.
func replayed(err error) bool {
	var twice *pg.Duplicate
	return errors.As(err, &twice) && strings.HasPrefix(twice.Constraint, "proof_ids")
}

// RotateProofs empties the slots whose messages nobody accepts any more. It runs every minute in every process; one of them
// does the work, the others return at once. Slots that are already empty are left alone. Running it late or never costs
// space only.
func RotateProofs(ctx context.Context, pool *pgxpool.Pool, now time.Time) error {
	minute := now.Unix() / 60
	err := pg.InTx(ctx, pool, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, sqlTryRotation, int64(pg.NewLockKey("proof_ids rotation"))).Scan(&mine); err != nil || !mine {
			return err
		}
		// An insert never waits long behind a TRUNCATE that itself waits for a transaction that hangs.
		if _, err := tx.Exec(ctx, sqlLockTimeout); err != nil {
			return err
		}
		for ago := oldestUnused; ago >= newestUnused; ago-- {
			slot := slotOf(minute - int64(ago))
			var filled bool
			if err := tx.QueryRow(ctx, sqlFilled, slot).Scan(&filled); err != nil {
				return err
			}
			if !filled {
				continue
			}
			// A table name cannot be a parameter; this one is made of a number that was just computed.
			if _, err := tx.Exec(ctx, fmt.Sprintf("truncate proof_ids_%d", slot)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("rotate proof ids: %w", err)
	}
	return nil
}
