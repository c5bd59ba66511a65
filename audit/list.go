package audit

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// sqlList walks the primary key backwards: within a vault, (month, entry id) is the order of time (see entryID). The
// bounds on month let the planner leave out the partitions of other months.
const sqlList = `select entry_id, at, kind, coalesce(organisation_id, ''), commitment, sealed
  from access_log
  where vault_id = $1 and month >= $2 and month <= $3 and entry_id >= $4 and entry_id < $5
    and ($6 = '' or kind = $6) and ($7 = '' or organisation_id = $7)
  order by month desc, entry_id desc
  limit $8`

// Page bounds.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

// Query says which entries to list. The zero value asks for the newest.
type Query struct {
	Cursor       string // Page.Next of the page before, empty for the first
	Limit        int    // 1 … MaxLimit; 0 means DefaultLimit
	Kind         Kind   // only this kind
	Organisation string // only acts of this organisation
	From, To     time.Time
	// From is the earliest time listed, To the first no longer listed; zero means unbounded.
}

// Page is one page of the record, newest first.
type Page struct {
	Entries []Read
	Next    string // cursor of the next page, empty at the end
	Entry   identity.EntryID
	// Entry is the row that records this reading (A4); it shows in the next listing, not in this one.
}

// Read is one row as it was found. When Damaged is set, only what stands in clear is known, and even that is unproven
// (A6).
type Read struct {
	Entry
	ID         identity.EntryID
	At         time.Time
	Commitment [sha256.Size]byte
	Damaged    bool
	salt       [saltSize]byte
	sealed     []byte // until it is opened
}

// Verify checks the commitment against every member of the entry (A3): [ErrDamaged] when something is not what was
// recorded.
func (e Read) Verify() error {
	if e.Damaged || commit(e.salt, e.Entry.normal(), e.ID, e.At) != e.Commitment {
		return fmt.Errorf("entry %s: %w", e.ID, ErrDamaged)
	}
	return nil
}

// Canonical returns the salt and the canonical row, from which anyone can compute the commitment.
func (e Read) Canonical() (salt, row []byte) {
	return e.salt[:], canonical(nil, e.Entry.normal(), e.ID, e.At)
}

// List returns a page of the record of one person and records that it was read, in one transaction: rec says who reads
// (its Vault and Kind are set here). keys are those of the person's vaults, the main one first: where vaults were
// joined, their rows are merged into one order, and the reading is recorded in the main one. Errors: [ErrCursor];
// [ErrRecord] when the reading cannot be recorded, and then nothing is returned (P7).
func (r *Recorder) List(
	ctx context.Context, db pg.Sender, keys []*seal.Keys, g pg.Guard, rec Entry, q Query, now time.Time,
) (Page, error) {
	if len(keys) == 0 {
		return Page{}, fmt.Errorf("%w: no vault to read", ErrEntry)
	}
	rec.Vault, rec.Kind = keys[0].Vault(), HistoryRead
	row, err := r.Row(keys[0], rec, now)
	if err != nil {
		return Page{}, err
	}
	s, err := r.span(q)
	if err != nil {
		return Page{}, err
	}
	b := new(pgx.Batch)
	g.Queue(b)
	found := make([][]Read, len(keys))
	for i, k := range keys {
		b.Queue(sqlList, k.Vault(), firstOfMonth(s.from), firstOfMonth(s.to), s.first, s.before,
			string(q.Kind), q.Organisation, s.limit+1).Query(func(rows pgx.Rows) (err error) {
			found[i], err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Read, error) { return scan(row, k.Vault()) })
			return err
		})
	}
	unwritten := row.queue(b)
	if err := pg.Pipeline(ctx, db, b); err != nil {
		return Page{}, fmt.Errorf("list the record of vault %s: %w", rec.Vault, unwritten.because(err))
	}
	if err := g.Check(); err != nil {
		return Page{}, err
	}
	return r.page(keys, found, s.limit, row.id), nil
}

// scan reads a row as it stands, still sealed.
func scan(row pgx.CollectableRow, v identity.VaultID) (Read, error) {
	var e Read
	var commitment, sealed []byte
	var kind string
	if err := row.Scan(&e.ID, &e.At, &kind, &e.Organisation, &commitment, &sealed); err != nil {
		return Read{}, err
	}
	e.Vault, e.Kind, e.At = v, Kind(kind), e.At.UTC()
	e.Damaged = copy(e.Commitment[:], commitment) != sha256.Size
	e.sealed = sealed
	return e, nil
}

// page merges what was found in each vault, opens what is on the page and leaves the rest sealed.
func (r *Recorder) page(keys []*seal.Keys, found [][]Read, limit int, self identity.EntryID) Page {
	all := slices.Concat(found...)
	slices.SortFunc(all, func(a, b Read) int { return b.ID.Compare(a.ID) })
	p := Page{Entry: self}
	if len(all) > limit {
		all = all[:limit]
		p.Next = r.cursor(all[limit-1].ID)
	}
	for i := range all {
		for _, k := range keys {
			if k.Vault() == all[i].Vault {
				all[i].open(k)
			}
		}
	}
	p.Entries = all
	return p
}

// open fills in what the seal holds, or marks the row as damaged (A6).
func (e *Read) open(k *seal.Keys) {
	sealed := e.sealed
	e.sealed = nil
	body, err := k.Open(seal.Record, sealedPlace(e.Vault, e.ID), sealed)
	if err != nil {
		e.Damaged = true
		return
	}
	entry, salt, err := decodeBody(body, e.Entry)
	if err != nil {
		e.Damaged = true
		return
	}
	e.Entry, e.salt = entry, salt
	e.Damaged = e.Verify() != nil
}

// span is a query in terms of ids.
type span struct {
	from, to      time.Time
	first, before identity.EntryID
	limit         int
}

func (r *Recorder) span(q Query) (span, error) {
	// The record cannot begin before the service did, nor hold the far future; both bounds only spare the planner
	// partitions.
	s := span{from: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), to: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), limit: q.Limit}
	if s.limit == 0 {
		s.limit = DefaultLimit
	}
	if s.limit < 1 || s.limit > MaxLimit {
		return span{}, fmt.Errorf("%w: limit %d", ErrCursor, s.limit)
	}
	if !q.From.IsZero() {
		s.from = q.From.UTC()
	}
	if !q.To.IsZero() {
		s.to = q.To.UTC()
	}
	s.first, s.before = firstID(s.from), firstID(s.to)
	if q.Cursor != "" {
		last, err := r.openCursor(q.Cursor)
		if err != nil {
			return span{}, err
		}
		if last.Compare(s.before) < 0 {
			s.before, s.to = last, timeOf(last)
		}
	}
	return s, nil
}

// timeOf returns the millisecond in which an entry id was made.
func timeOf(id identity.EntryID) time.Time {
	b := id.Bytes()
	var ms int64
	for _, c := range b[:6] {
		ms = ms<<8 | int64(c)
	}
	return time.UnixMilli(ms).UTC()
}

// A cursor is the id of the last entry of a page, sealed so that it names nothing outside.
const (
	cursorSector = "record"
	cursorKind   = "cursor"
)

func (r *Recorder) cursor(id identity.EntryID) string {
	raw := id.Bytes()
	return r.deployment.Ref(cursorSector, cursorKind, raw[:])
}

func (r *Recorder) openCursor(s string) (identity.EntryID, error) {
	raw, err := r.deployment.OpenRef(cursorSector, cursorKind, s)
	if err != nil || len(raw) != 16 {
		return identity.EntryID{}, ErrCursor
	}
	return identity.FromBytes[identity.EntryID]([16]byte(raw)), nil
}
