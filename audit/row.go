package audit

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

const sqlInsert = `insert into access_log
  (vault_id, month, entry_id, at, kind, organisation_id, commitment, sealed)
  values ($1, $2, $3, $4, $5, $6, $7, $8)`

// columns is the number of columns of access_log.
const columns = 8

// Row is one row of the record, sealed and committed to, ready to be written. It can be made before the transaction
// that writes it, as long as that transaction decides whether it is true.
type Row struct {
	recorder     *Recorder
	vault        identity.VaultID
	id           identity.EntryID
	at           time.Time
	kind         Kind
	organisation string
	commitment   [sha256.Size]byte
	sealed       []byte
}

// ID returns the id of the entry.
func (row Row) ID() identity.EntryID { return row.id }

// Commitment returns what a transparency log may publish about the row.
func (row Row) Commitment() [sha256.Size]byte { return row.commitment }

// Row seals an entry under the record keyset of its vault, as of now. It returns [ErrEntry] for an entry that may not
// be recorded, and [ErrRecord] when there is no key to seal it with.
func (r *Recorder) Row(k *seal.Keys, e Entry, now time.Time) (Row, error) {
	if err := e.check(); err != nil {
		return Row{}, err
	}
	if k.Vault() != e.Vault {
		return Row{}, fmt.Errorf("%w: the keys are another vault's", ErrEntry)
	}
	e = e.normal()
	at := now.UTC().Truncate(time.Microsecond)
	var random [saltSize + 8]byte
	rand.Read(random[:]) // never fails: crypto/rand aborts the process first
	salt := [saltSize]byte(random[:])
	id := entryID(at, [8]byte(random[saltSize:]))

	body := r.encodeBody(make([]byte, 0, bodySizeExpected), salt, e)
	sealed, err := k.Seal(seal.Record, sealedPlace(e.Vault, id), body)
	if err != nil {
		return Row{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return Row{
		recorder: r, vault: e.Vault, id: id, at: at, kind: e.Kind, organisation: e.Organisation,
		commitment: commit(salt, e, id, at), sealed: sealed,
	}, nil
}

func sealedPlace(v identity.VaultID, id identity.EntryID) seal.Place {
	return seal.Place{Table: "access_log", Column: "sealed", Vault: v, Object: id.Bytes()}
}

// entryID makes a UUIDv7 (RFC 9562 §5.7, method 3: 12 bits of the fraction of the millisecond) of the time of the
// entry, not of the moment it was written down, so that the order of ids is the order of time and the primary key
// serves the listing (A5).
func entryID(at time.Time, random [8]byte) identity.EntryID {
	ms := uint64(at.UnixMilli())
	fraction := uint64(at.UnixMicro()-at.UnixMilli()*1000) * 4096 / 1000
	var b [16]byte
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6] = 0x70 | byte(fraction>>8)
	b[7] = byte(fraction)
	copy(b[8:], random[:])
	b[8] = b[8]&0x3f | 0x80
	return identity.FromBytes[identity.EntryID](b)
}

// firstID is the smallest id that an entry of the given moment can have.
func firstID(at time.Time) identity.EntryID {
	return entryID(at, [8]byte{})
}

func firstOfMonth(at time.Time) time.Time {
	return time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// Queue adds the row to the batch that does what it records. A failure to write it fails the batch (A1, P7), and the
// callback's error is [ErrRecord].
func (row Row) Queue(b *pgx.Batch) { row.queue(b) }

func (row Row) queue(b *pgx.Batch) *fate {
	return written(b.Queue(sqlInsert, row.arguments(make([]any, 0, columns))...), true)
}

// QueueIf adds the row only where condition holds, so that a reading that finds nothing is not recorded as served.
// condition is a boolean SQL expression over its own arguments $1 … $n; its text must be a constant of the caller,
// which lists [InsertIf] of it among its statements.
func (row Row) QueueIf(b *pgx.Batch, condition string, args ...any) {
	all := append(make([]any, 0, len(args)+columns), args...)
	written(b.Queue(row.recorder.insertIf(condition, len(args)), row.arguments(all)...), false)
}

// insertIf is [InsertIf], put together once for each condition.
func (r *Recorder) insertIf(condition string, args int) string {
	if sql, ok := r.conditional.Load(condition); ok {
		return sql.(string)
	}
	sql := InsertIf(condition, args) // its number of arguments is the condition's
	r.conditional.Store(condition, sql)
	return sql
}

// InsertIf returns the statement that [Row.QueueIf] sends for a condition with so many arguments.
func InsertIf(condition string, args int) string {
	var s strings.Builder
	s.Grow(256 + len(condition))
	s.WriteString(`insert into access_log
  (vault_id, month, entry_id, at, kind, organisation_id, commitment, sealed)
  select `)
	for i, kind := range [columns]string{"uuid", "date", "uuid", "timestamptz", "text", "text", "bytea", "bytea"} {
		if i > 0 {
			s.WriteString(", ")
		}
		s.WriteByte('$')
		s.WriteString(strconv.Itoa(args + 1 + i))
		s.WriteString("::")
		s.WriteString(kind)
	}
	s.WriteString(`
  where `)
	s.WriteString(condition)
	return s.String()
}

func (row Row) arguments(to []any) []any {
	var organisation any
	if row.organisation != "" {
		organisation = row.organisation
	}
	return append(to, row.vault, firstOfMonth(row.at), row.id, row.at, string(row.kind), organisation, row.commitment[:], row.sealed)
}

// fate is what became of one insert.
type fate struct{ err error }

// because says whether it was this insert that failed the batch.
func (f *fate) because(err error) error {
	if f.err == nil || errors.Is(err, ErrRecord) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrRecord, err)
}

// written turns whatever stops the insert into ErrRecord; must says that exactly one row has to be there afterwards.
func written(q *pgx.QueuedQuery, must bool) *fate {
	f := new(fate)
	q.Fn = func(br pgx.BatchResults) error {
		tag, err := br.Exec()
		switch {
		case err != nil:
			f.err = fmt.Errorf("%w: %w", ErrRecord, pg.Classify(err))
		case must && tag.RowsAffected() != 1:
			f.err = fmt.Errorf("%w: %d rows", ErrRecord, tag.RowsAffected())
		}
		return f.err
	}
	return f
}

// Queue records an entry in the caller's batch, unconditionally.
func (r *Recorder) Queue(b *pgx.Batch, k *seal.Keys, e Entry, now time.Time) (identity.EntryID, error) {
	row, err := r.Row(k, e, now)
	if err != nil {
		return identity.EntryID{}, err
	}
	row.Queue(b)
	return row.id, nil
}

// Statements returns the SQL of this package by name, to be prepared against the schema by a test.
func Statements() map[string]string {
	return map[string]string{
		"sqlInsert":   sqlInsert,
		"sqlInsertIf": InsertIf("exists (select from documents where vault_id = $1 and document_id = $2)", 2),
		"sqlList":     sqlList,
	}
}
