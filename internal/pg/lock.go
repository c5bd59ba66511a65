package pg

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/jackc/pgx/v5"
)

// LockKey names an advisory lock.
type LockKey int64

// NewLockKey makes the key of what parts name within space. Parts are length-prefixed, so that ("a", "bc") and ("ab",
// "c") differ; 64 bits of SHA-256 make a meeting of two things unlikely, and one that happens only makes one wait.
func NewLockKey(space string, parts ...[]byte) LockKey {
	h := sha256.New()
	for _, p := range append([][]byte{[]byte(space)}, parts...) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return LockKey(binary.BigEndian.Uint64(h.Sum(nil)))
}

// CodeBusy is the refusal of TryLock: another transaction holds the key.
const CodeBusy = "busy"

const sqlTryLock = `select vidan_require(pg_try_advisory_xact_lock($1), 'busy')`

// TryLock queues that the batch's transaction takes the key or is refused with CodeBusy at once. It must be queued before
// what it protects: a statement that runs first does not see what the holder commits meanwhile (RELIABILITY.md T11).
func TryLock(b *pgx.Batch, key LockKey) {
	b.Queue(sqlTryLock, int64(key))
}
