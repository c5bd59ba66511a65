package audit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/seal"
)

// act is something that is recorded: a table row that stands for it.
const act = `insert into sandbox_messages (message_id, at, channel, address, template, body_vi, body_en) values ($1, $2, '', '', '', '', '')`

// TestP7_UnwrittenRecordUndoesTheAct takes away the right to write the record: the act in the same batch does not
// happen, and the reading returns nothing.
func TestP7_UnwrittenRecordUndoesTheAct(t *testing.T) {
	t.Parallel()
	for why, spoil := range map[string]func(*bundle){
		"no right":     func(b *bundle) { b.owner(`revoke insert on access_log from vidan_serve`) },
		"no partition": func(b *bundle) { b.owner(`drop table access_log_202611, access_log_other`) },
		"a rule": func(b *bundle) {
			b.owner(`create function stop() returns trigger language plpgsql as $$ begin return null; end $$`)
			b.owner(`create trigger stop before insert on access_log_202611 for each row execute function stop()`)
		},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			spoil(b)
			page, err := b.List(t.Context(), b.Pool, []*seal.Keys{b.an}, open{}, b.self(), audit.Query{}, start)
			if !errors.Is(err, audit.ErrRecord) || len(page.Entries) != 0 || page.Next != "" {
				t.Errorf("listing: %v, %d entries, want ErrRecord and nothing", err, len(page.Entries))
			}
			if why == "a rule" {
				return // nothing failed in SQL: the reading was refused by its callback, an act would stand
			}
			batch := new(pgx.Batch)
			batch.Queue(act, identity.NewID[identity.ObjectID](), start)
			if _, err := b.Queue(batch, b.an, reading(b.an, 1), start); err != nil {
				t.Fatal(err)
			}
			if err := pg.Pipeline(t.Context(), b.Pool, batch); err == nil {
				t.Error("the act went through without its record")
			}
			if n := value[int](b, `select count(*) from sandbox_messages`); n != 0 {
				t.Error("the act is there without its record")
			}
		})
	}
}

// TestP7_ActAndRecordFailTogether breaks the connection before and after every round trip of an act and its record:
// both are there, or neither.
func TestP7_ActAndRecordFailTogether(t *testing.T) {
	t.Parallel()
	pgtest.EveryFault(t, func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
		b := setupOn(t, db)
		id := identity.NewID[identity.ObjectID]()
		do := func(pool *pgxpool.Pool) error {
			batch := new(pgx.Batch)
			batch.Queue(act, id, start)
			if _, err := b.Queue(batch, b.an, reading(b.an, 1), start); err != nil {
				t.Fatal(err)
			}
			return pg.Pipeline(t.Context(), pool, batch)
		}
		together := func() int {
			acts := value[int](b, `select count(*) from sandbox_messages`)
			if rows := value[int](b, `select count(*) from access_log`); rows != acts {
				t.Fatalf("%d acts and %d rows of the record", acts, rows)
			}
			return acts
		}
		err := do(faulty)
		if err == nil && together() != 1 {
			t.Fatal("answered as done, but nothing is there")
		}
		if err != nil {
			var duplicate *pg.Duplicate
			if err := do(b.Pool); err != nil && !errors.As(err, &duplicate) {
				t.Fatal(err)
			}
		}
		if together() != 1 {
			t.Error("not there once after a retry")
		}
	})
}

// TestP7_BrokenReadingShowsNothing breaks the connection before and after every round trip of reading the record: an
// error comes with no entry at all.
func TestP7_BrokenReadingShowsNothing(t *testing.T) {
	t.Parallel()
	pgtest.EveryFault(t, func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
		b := setupOn(t, db)
		b.record(b.an, reading(b.an, 1), start)
		page, err := b.List(t.Context(), faulty, []*seal.Keys{b.an}, open{}, b.self(), audit.Query{}, start)
		if err != nil && (len(page.Entries) != 0 || page.Next != "") {
			t.Errorf("%d entries beside %v", len(page.Entries), err)
		}
		if err == nil && len(page.Entries) != 1 {
			t.Errorf("%d entries without an error", len(page.Entries))
		}
	})
}

// TestQueueIfFollowsTheCondition records a reading as served only if there was something to read.
func TestQueueIfFollowsTheCondition(t *testing.T) {
	t.Parallel()
	b := setup(t)
	there := identity.NewID[identity.ObjectID]()
	if _, err := b.Exec(t.Context(), act, there, start); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		id   identity.ObjectID
		at   time.Time
		want int
	}{{there, start, 1}, {identity.NewID[identity.ObjectID](), start, 1}, {there, start.Add(time.Second), 1}, {there, start, 2}} {
		row, err := b.Row(b.an, reading(b.an, i+1), start)
		if err != nil {
			t.Fatal(err)
		}
		batch := new(pgx.Batch)
		row.QueueIf(batch, `exists (select from sandbox_messages where message_id = $1 and at = $2)`, c.id, c.at)
		if err := pg.Pipeline(t.Context(), b.Pool, batch); err != nil {
			t.Fatal(err)
		}
		if n := value[int](b, `select count(*) from access_log`); n != c.want {
			t.Fatalf("step %d: %d rows, want %d", i, n, c.want)
		}
	}
	row, err := b.Row(b.an, disclosure(t, b.an), start)
	if err != nil {
		t.Fatal(err)
	}
	batch := new(pgx.Batch)
	row.QueueIf(batch, `true`)
	if err := pg.Pipeline(t.Context(), b.Pool, batch); err != nil {
		t.Fatal(err)
	}
	for _, e := range b.list(audit.Query{}, b.an).Entries {
		if e.Damaged {
			t.Errorf("entry %s does not verify", e.ID)
		}
	}
}

// TestRowWantsTheRightKeys refuses keys of another vault and none.
func TestRowWantsTheRightKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, keys := range []*seal.Keys{b.alias, nil} {
		if _, err := b.Row(keys, reading(b.an, 1), start); !errors.Is(err, audit.ErrEntry) {
			t.Errorf("%v, want ErrEntry", err)
		}
	}
}

// TestTheRecordIsInsertOnly tries to change and remove rows as the service.
func TestTheRecordIsInsertOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.record(b.an, reading(b.an, 1), start)
	for _, sql := range []string{
		`update access_log set kind = 'x'`, `delete from access_log`, `truncate access_log`,
		`update access_log_202611 set kind = 'x'`, `delete from access_log_202611`, `insert into access_log_202611 select * from access_log`,
	} {
		if _, err := b.Exec(t.Context(), sql); err == nil {
			t.Errorf("the service may %q", sql)
		}
	}
}

// TestA2_NothingOfAPersonInClear reads whole rows as a thief of the database would.
func TestA2_NothingOfAPersonInClear(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.record(b.an, disclosure(t, b.an), start)
	for _, word := range []string{"Hoa", "cb-0417", "MN-2026", "child_full_name", "kindergarten_enrolment", "consent", "van-phong"} {
		n := value[int](b, `select count(*) from access_log x where position(convert_to($1, 'UTF8') in x.sealed) > 0
			or x.kind like '%' || $1 || '%' or x.organisation_id = $1 or position(convert_to($1, 'UTF8') in x.commitment) > 0`, word)
		if n != 0 {
			t.Errorf("%q stands in clear", word)
		}
	}
}

// TestRowSize keeps rows small: there are more of them than of anything else.
func TestRowSize(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for label, c := range map[string]struct {
		e   audit.Entry
		max int
	}{
		"own reading":        {reading(b.an, 2), 260},
		"form of 12 fields":  {disclosure(t, b.an), 420},
		"list of own papers": {audit.Entry{Vault: b.an.Vault(), Kind: audit.ListRead, Actor: audit.Actor{Vault: b.an.Vault(), Client: "app"}}, 230},
	} {
		id := b.record(b.an, c.e, start)
		size := value[int](b, `select pg_column_size(x.*) from access_log x where entry_id = $1`, id)
		sealed := value[int](b, `select length(sealed) from access_log where entry_id = $1`, id)
		t.Logf("%s: row %d bytes with its header, %d of them sealed", label, size, sealed)
		if size > c.max {
			t.Errorf("%s: %d bytes, at most %d", label, size, c.max)
		}
	}
}
