package audit_test

import (
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// TestA5_PagesAcrossMonthsAndVaults records in two vaults over half a year, in no order, and reads page by page: newest
// first, each once, also while new rows arrive.
func TestA5_PagesAcrossMonthsAndVaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const arrived = 1000
	var want []identity.EntryID
	at := make(map[identity.EntryID]time.Time)
	for i := range 40 {
		k := b.an
		if i%3 == 0 {
			k = b.alias
		}
		when := start.Add(time.Duration((i*17)%40) * 100 * time.Hour).Add(time.Duration(i) * time.Microsecond)
		id := b.record(k, reading(k, i+1), when)
		want, at[id] = append(want, id), when
	}
	slices.SortFunc(want, func(x, y identity.EntryID) int { return at[y].Compare(at[x]) })
	for _, limit := range []int{1, 7, 40, 200} {
		var got []identity.EntryID
		for q := (audit.Query{Limit: limit, Kind: audit.DocumentRead}); ; {
			page := b.list(q, b.an, b.alias)
			for _, e := range page.Entries {
				if e.Revision == arrived {
					continue
				}
				got = append(got, e.ID)
				if !e.At.Equal(at[e.ID]) || e.Damaged || e.Verify() != nil {
					t.Fatalf("entry %s came back as %+v", e.ID, e)
				}
			}
			if page.Next == "" {
				break
			}
			if len(page.Entries) != limit {
				t.Fatalf("a page of %d, want %d", len(page.Entries), limit)
			}
			q.Cursor = page.Next
			b.record(b.an, reading(b.an, arrived), start.AddDate(0, 8, 0)) // newer than everything: moves no later page
		}
		if !slices.Equal(got, want) {
			t.Fatalf("limit %d: another order or other entries:\n%v\n%v", limit, got, want)
		}
	}
}

// TestListFilters asks by kind, organisation and time.
func TestListFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.record(b.an, reading(b.an, 1), start)
	given := b.record(b.an, disclosure(t, b.an), start.Add(time.Hour))
	late := b.record(b.an, reading(b.an, 2), start.Add(40*24*time.Hour))
	for name, c := range map[string]struct {
		q    audit.Query
		want []identity.EntryID
	}{
		"kind":         {audit.Query{Kind: audit.Disclosure}, []identity.EntryID{given}},
		"organisation": {audit.Query{Organisation: "kindergarten-hoa-sen"}, []identity.EntryID{given}},
		"nobody":       {audit.Query{Organisation: "commune-a"}, nil},
		"from":         {audit.Query{From: start.Add(time.Hour), Kind: audit.DocumentRead}, []identity.EntryID{late}},
		"from exactly": {audit.Query{From: start, To: start.Add(time.Hour), Kind: audit.DocumentRead}, []identity.EntryID{old}},
		"to exactly":   {audit.Query{To: start, Kind: audit.DocumentRead}, nil},
	} {
		var got []identity.EntryID
		for _, e := range b.list(c.q, b.an).Entries {
			got = append(got, e.ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestA4_ReadingTheRecordIsRecordedOnce reads from two processes at once, 20 times each, and finds 40 readings.
func TestA4_ReadingTheRecordIsRecordedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.record(b.an, reading(b.an, 1), start)
	var g errgroup.Group
	for range 2 {
		other := audit.New(deployment(t)) // another process: nothing is shared but keys and database
		g.Go(func() error {
			for i := range 20 {
				page, err := other.List(t.Context(), b.Pool, []*seal.Keys{b.an, b.alias}, open{}, b.self(), audit.Query{Kind: audit.DocumentRead}, start.Add(time.Duration(i)*time.Minute))
				if err != nil {
					return err
				}
				if len(page.Entries) != 1 || page.Entry.IsZero() {
					return errors.New("the reading shows in its own answer, or was not recorded")
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	page := b.list(audit.Query{Kind: audit.HistoryRead, Limit: audit.MaxLimit}, b.an)
	if len(page.Entries) != 40 {
		t.Errorf("%d readings of the record, want 40", len(page.Entries))
	}
	for _, e := range page.Entries {
		if e.Vault != b.an.Vault() || e.Actor.Vault != b.an.Vault() {
			t.Errorf("recorded in the wrong vault: %+v", e)
		}
	}
	if n := value[int](b, `select count(*) from access_log where vault_id = $1`, b.alias.Vault()); n != 0 {
		t.Errorf("%d rows in the alias vault: a page is recorded once", n)
	}
}

// TestA3_EveryChangeIsNoticed changes each column of a row behind the server's back: the entry comes back as damaged,
// and the rows beside it whole (A6).
func TestA3_EveryChangeIsNoticed(t *testing.T) {
	t.Parallel()
	for column, change := range map[string]string{
		"at":              `update access_log set at = at + interval '1 second' where entry_id = $1`,
		"kind":            `update access_log set kind = 'list_read' where entry_id = $1`,
		"organisation":    `update access_log set organisation_id = 'commune-a' where entry_id = $1`,
		"no organisation": `update access_log set organisation_id = null where entry_id = $1`,
		"commitment":      `update access_log set commitment = set_byte(commitment, 3, get_byte(commitment, 3) # 1) where entry_id = $1`,
		"commitment cut":  `update access_log set commitment = substr(commitment, 1, 31) where entry_id = $1`,
		"sealed":          `update access_log set sealed = set_byte(sealed, 60, get_byte(sealed, 60) # 1) where entry_id = $1`,
		"sealed cut":      `update access_log set sealed = substr(sealed, 1, 50) where entry_id = $1`,
		"entry id":        `update access_log set entry_id = '01930c6e-8f7a-7c4e-9d3a-0123456789ab' where entry_id = $1`,
		"sealed of another row": `update access_log x set sealed = y.sealed, commitment = y.commitment
			from access_log y where x.entry_id = $1 and y.vault_id = x.vault_id and y.entry_id <> x.entry_id`,
	} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.record(b.an, disclosure(t, b.an), start)
			b.record(b.an, reading(b.an, 1), start.Add(time.Hour))
			b.owner(change, id)
			var damaged, whole int
			for _, e := range b.list(audit.Query{}, b.an).Entries {
				if e.Damaged {
					damaged++
					if !errors.Is(e.Verify(), audit.ErrDamaged) {
						t.Error("a damaged entry verifies")
					}
				} else {
					whole++
				}
			}
			if damaged != 1 || whole != 1 {
				t.Errorf("%d damaged and %d whole entries, want one each", damaged, whole)
			}
		})
	}
}

// TestA3_CommitmentCanBeCheckedOutside computes the commitment from what Canonical gives out, with nothing of this
// package.
func TestA3_CommitmentCanBeCheckedOutside(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.record(b.an, disclosure(t, b.an), start)
	e := b.list(audit.Query{}, b.an).Entries[0]
	salt, row := e.Canonical()
	if sha256.Sum256(append(slices.Clone(salt), row...)) != e.Commitment {
		t.Error("SHA-256(salt, canonical row) is not the commitment")
	}
	e.Fields = e.Fields[1:]
	if !errors.Is(e.Verify(), audit.ErrDamaged) {
		t.Error("an entry with a field less verifies")
	}
}

// TestS1_AnotherVaultsRecordStaysClosed lists with the keys of somebody else: nothing is found, nothing opens.
func TestS1_AnotherVaultsRecordStaysClosed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.record(b.alias, reading(b.alias, 1), start)
	if page := b.list(audit.Query{}, b.an); len(page.Entries) != 0 {
		t.Errorf("%d entries of another vault", len(page.Entries))
	}
	// Rows moved into An's vault behind the server's back do not open there.
	b.owner(`update access_log set vault_id = $2 where vault_id = $1`, b.alias.Vault(), b.an.Vault())
	for _, e := range b.list(audit.Query{Kind: audit.DocumentRead}, b.an).Entries {
		if !e.Damaged || !e.Document.IsZero() {
			t.Errorf("a moved row opens: %+v", e)
		}
	}
}

func TestListRefusesForeignCursorsAndLimits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, q := range []audit.Query{{Cursor: "x"}, {Cursor: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, {Limit: -1}, {Limit: audit.MaxLimit + 1}} {
		if _, err := b.List(t.Context(), b.Pool, []*seal.Keys{b.an}, open{}, b.self(), q, start); !errors.Is(err, audit.ErrCursor) {
			t.Errorf("%+v: %v, want ErrCursor", q, err)
		}
	}
	if _, err := b.List(t.Context(), b.Pool, nil, open{}, b.self(), audit.Query{}, start); !errors.Is(err, audit.ErrEntry) {
		t.Errorf("without a vault: %v, want ErrEntry", err)
	}
}

// refuse is a guard whose SQL refuses; late is one whose check does.
type refuse struct{ open }

func (refuse) Queue(b *pgx.Batch) { b.Queue(`select vidan_require(false, 'person_blocked')`) }

type late struct{ open }

var errLate = errors.New("late")

func (late) Check() error { return errLate }

func TestListObeysTheGuard(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.record(b.an, reading(b.an, 1), start)
	page, err := b.List(t.Context(), b.Pool, []*seal.Keys{b.an}, refuse{}, b.self(), audit.Query{}, start)
	if pg.Refused(err) != "person_blocked" || len(page.Entries) != 0 || errors.Is(err, audit.ErrRecord) {
		t.Errorf("%v, %d entries", err, len(page.Entries))
	}
	page, err = b.List(t.Context(), b.Pool, []*seal.Keys{b.an}, late{}, b.self(), audit.Query{}, start)
	if !errors.Is(err, errLate) || len(page.Entries) != 0 {
		t.Errorf("%v, %d entries", err, len(page.Entries))
	}
}
