package pg_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/migrations"
)

func migrate(t testing.TB, db *pgtest.DB, files fs.FS) pg.Result {
	t.Helper()
	r, err := pg.Migrate(t.Context(), db.DSN(""), files)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	db := pgtest.Empty(t)
	m := files("0002_ledger.sql", ledger)
	if v, err := pg.Version(t.Context(), db.Pool); err != nil || v != 0 {
		t.Errorf("version of an empty database: %d, %v", v, err)
	}

	got := migrate(t, db, m)
	want := pg.Result{From: 0, To: 2, Applied: []string{"0001_base.sql", "0002_ledger.sql"}, River: got.River, Changed: true}
	if diff := cmp.Diff(want, got); diff != "" || got.River < 6 {
		t.Errorf("first: %s river %d", diff, got.River)
	}
	if n := one[int](t, db.Pool, `select count(*) from river.river_migration`); n != got.River {
		t.Errorf("%d migrations of the job queue, want %d", n, got.River)
	}
	if comments := one[int](t, db.Pool, `select count(obj_description(oid)) from pg_class where relname = 'schema_fingerprint'`); comments != 1 {
		t.Error("the table that remembers has no comment")
	}

	if diff := cmp.Diff(pg.Result{From: 2, To: 2}, migrate(t, db, m)); diff != "" {
		t.Errorf("again: %s", diff)
	}

	m["0003_more.sql"] = &fstest.MapFile{Data: []byte("-- vidan:transactional\nalter table entries add note text; create index entries_note on entries (note);")}
	got = migrate(t, db, m)
	if diff := cmp.Diff(pg.Result{From: 2, To: 3, Applied: []string{"0003_more.sql"}, River: got.River, Changed: true}, got); diff != "" {
		t.Errorf("one more: %s", diff)
	}
	if v, err := pg.Version(t.Context(), db.Pool); err != nil || v != 3 {
		t.Errorf("version %d, %v; want 3", v, err)
	}

	// roles.sql alone changed: it is run.
	m["roles.sql"] = &fstest.MapFile{Data: []byte(serveRole + "grant select (note) on entries to vidan_serve;")}
	if got := migrate(t, db, m); !got.Changed || got.Applied != nil {
		t.Errorf("changed roles: %+v", got)
	}
	if !one[bool](t, db.Pool, `select has_column_privilege('vidan_serve', 'entries', 'note', 'select')`) {
		t.Error("roles.sql was not run")
	}
}

// TestSchemaOfAnotherForm: files that were altered under numbers that ran already lead nowhere, and the error says what to do.
func TestSchemaOfAnotherForm(t *testing.T) {
	t.Parallel()
	db := pgtest.Empty(t)
	migrate(t, db, files())
	for name, roles := range map[string]string{
		"a table": "grant select on since_added to vidan_serve;", "a column": "grant select (since_added) on schema_version to vidan_serve;",
		"a function": "grant execute on function since_added() to vidan_serve;",
	} {
		if _, err := pg.Migrate(t.Context(), db.DSN(""), files("roles.sql", serveRole+roles)); !errors.Is(err, pg.ErrSchemaOther) {
			t.Errorf("%s: %v", name, err)
		}
	}
	migrate(t, db, files())
}

// TestMigrateAtOnce: several that start together end with one schema, each migration run once.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.Empty(t)
	m := files("0002_ledger.sql", ledger,
		"0003_online.sql", "-- vidan:online\ncreate index concurrently if not exists entries_what on entries (what)")
	var wg sync.WaitGroup
	results := make([]pg.Result, 4)
	for i := range results {
		wg.Go(func() {
			var err error
			if results[i], err = pg.Migrate(t.Context(), db.DSN(""), m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	changed := 0
	for _, r := range results {
		if r.Changed {
			changed++
		}
		if r.To != 3 {
			t.Errorf("%+v", r)
		}
	}
	if changed != 1 {
		t.Errorf("%d of them changed the schema, want 1", changed)
	}
}

// TestP11_InterruptedMigration: a migration whose connection breaks at any statement, before or after the server ran it,
// is completed by the next run.
func TestP11_InterruptedMigration(t *testing.T) {
	t.Parallel()
	m := files("0002_ledger.sql", ledger,
		"0003_online.sql", "-- vidan:online\ncreate unique index concurrently if not exists entries_what on entries (what)",
		"0004_more.sql", "alter table entries add note text")
	later := func(t testing.TB) *pgtest.DB { return pgtest.NewFrom(t, files()) } // has 0001 and the job queue
	for name, test := range map[string]struct {
		database    func(testing.TB) *pgtest.DB
		first, step int
	}{
		"first migration, now and then": {pgtest.Empty, 7, 23},
		"later migration, odd":          {later, 1, 2},
		"later migration, even":         {later, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for trip := test.first; ; trip += test.step {
				for _, when := range []pgtest.When{pgtest.FailBefore, pgtest.FailAfter} {
					f := &pgtest.Fault{When: when, Trip: trip}
					ok := t.Run(fmt.Sprintf("%s trip %d", when, trip), func(t *testing.T) { interrupted(t, test.database(t), m, f) })
					if !ok || !f.Fired() {
						if trip < 20 {
							t.Errorf("done after %d round trips", trip)
						}
						return
					}
				}
			}
		})
	}
}

func interrupted(t *testing.T, db *pgtest.DB, m fs.FS, f *pgtest.Fault) {
	_, err := pg.MigrateIntercepted(t.Context(), db.DSN(""), m, f.Intercept)
	if f.Fired() && err != nil && !pg.Transient(err) {
		t.Errorf("a lost connection is not transient: %v", err)
	}
	if r := migrate(t, db, m); r.To != 4 {
		t.Errorf("%+v", r)
	}
	if r := migrate(t, db, m); r.Changed {
		t.Errorf("not complete: %+v", r)
	}
	const sqlState = `select
	(select count(*) from pg_index where not indisvalid),
	(select count(*) from pg_indexes where indexname = 'entries_what'),
	(select count(*) from pg_attribute where attrelid = 'entries'::regclass and attname = 'note'),
	(select count(*) = max(version) from river.river_migration),
	has_table_privilege('vidan_serve', 'schema_version', 'select')`
	var invalid, index, column int
	var river, granted bool
	if err := db.Owner(t).QueryRow(t.Context(), sqlState).Scan(&invalid, &index, &column, &river, &granted); err != nil {
		t.Fatal(err)
	}
	if invalid != 0 || index != 1 || column != 1 || !river || !granted {
		t.Errorf("%d invalid indexes, %d index, %d column, river %t, granted %t", invalid, index, column, river, granted)
	}
}

// TestOnlineMigration: an index that a first attempt left invalid is made anew, not taken for the real one.
func TestOnlineMigration(t *testing.T) {
	t.Parallel()
	db := pgtest.Empty(t)
	m := files("0002_ledger.sql", ledger)
	migrate(t, db, m)
	if _, err := db.Pool.Exec(t.Context(), `insert into entries (key, what) values (1, 'same'), (2, 'same')`); err != nil {
		t.Fatal(err)
	}
	m["0003_online.sql"] = &fstest.MapFile{Data: []byte("-- vidan:online\ncreate unique index concurrently if not exists entries_what on entries (what);\n")}
	_, err := pg.Migrate(t.Context(), db.DSN(""), m)
	if err == nil || !strings.Contains(err.Error(), "0003_online.sql") || strings.Contains(err.Error(), "same") {
		t.Fatalf("err = %v", err)
	}
	valid := func() bool {
		return one[bool](t, db.Pool, `select indisvalid from pg_index where indexrelid = 'entries_what'::regclass`)
	}
	if valid() {
		t.Fatal("the index should be invalid")
	}
	if _, err := db.Pool.Exec(t.Context(), `delete from entries where key = 2`); err != nil {
		t.Fatal(err)
	}
	if r := migrate(t, db, m); r.To != 3 || !valid() {
		t.Errorf("%+v, valid %t", r, valid())
	}
}

// TestMigrateWaitsForLock: a table in use delays a migration and does not fail it.
func TestMigrateWaitsForLock(t *testing.T) {
	t.Parallel()
	db := pgtest.Empty(t)
	m := files("0002_ledger.sql", ledger)
	migrate(t, db, m)
	m["0003_more.sql"] = &fstest.MapFile{Data: []byte("alter table entries add note text")}
	done := make(chan error, 1)
	err := pg.InTx(t.Context(), db.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `select from entries where key = $1`, 1); err != nil {
			return err
		}
		go func() {
			_, err := pg.Migrate(t.Context(), db.DSN(""), m)
			done <- err
		}()
		// Long enough for the first attempt to give up: until the server has cancelled it.
		for one[int](t, db.Pool, `select count(*) from pg_stat_database where datname = current_database() and xact_rollback > 0`) == 0 ||
			one[int](t, db.Pool, `select count(*) from pg_locks where relation = 'entries'::regclass and not granted`) == 0 {
			if _, err := tx.Exec(t.Context(), `select pg_sleep($1)`, 0.02); err != nil { // not idle
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestMigrationFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files fstest.MapFS
		says  string
	}{
		"none":         {fstest.MapFS{}, "none"},
		"a gap":        {files("0003_x.sql", "select 1"), "0003_x.sql follows number 0001"},
		"twice":        {files("0001_again.sql", "select 1"), "0001_base.sql follows"},
		"odd name":     {files("0002-x.sql", "select 1"), "0002-x.sql is neither"},
		"unknown kind": {files("0002_x.sql", "-- vidan:offline\nselect 1"), "unknown kind"},
	} {
		if _, err := pg.Expected(test.files); !errors.Is(err, pg.ErrMigrations) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := pg.Expected(files("0002_x.sql", "select 1", "README.txt", "not ours")); err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	a, _ := pg.Fingerprint(files("0002_x.sql", "select 1"))
	b, _ := pg.Fingerprint(files("0002_x.sql", "select 2"))
	c, _ := pg.Fingerprint(files("0002_x.sql", "select 1", "roles.sql", "select 3"))
	if a == b || a == c || len(a) != 64 {
		t.Errorf("fingerprints %s %s %s", a, b, c)
	}
}

// TestMigrationErrors: an error names file and line, stores nothing of its file, and leaves the database usable.
func TestMigrationErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		name, text, says string
		version          int
	}{
		"syntax":                {"0002_x.sql", "create table a ();\n\ncreate tabel b ();", "0002_x.sql line 3: PostgreSQL error 42601", 1},
		"two online statements": {"0002_x.sql", "-- vidan:online\ncreate table a (); create table b ()", "0002_x.sql", 1},
		"in roles":              {"roles.sql", "select 1;\nselect nothing", "roles.sql line 2", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.Empty(t)
			m := files(test.name, test.text)
			_, err := pg.Migrate(t.Context(), db.DSN(""), m)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("err = %v, want one that says %q", err, test.says)
			}
			if v, err := pg.Version(t.Context(), db.Pool); err != nil || v != test.version {
				t.Errorf("version %d, %v; want %d", v, err, test.version)
			}
			if one[bool](t, db.Pool, `select to_regclass('public.a') is not null`) {
				t.Error("half of a file was kept")
			}
			m[test.name] = &fstest.MapFile{Data: []byte("select 1")}
			migrate(t, db, m)
		})
	}
}

// TestSchemaCheck: a program works with its own schema and with newer ones that say so.
func TestSchemaCheck(t *testing.T) {
	t.Parallel()
	db := pgtest.Empty(t)
	old := files()
	check := func(m fs.FS, want error) {
		t.Helper()
		if err := pg.Check(t.Context(), db.Pool, m); !errors.Is(err, want) {
			t.Errorf("check: %v, want %v", err, want)
		}
	}
	newer := files("0002_x.sql", "create table x ()", "0003_y.sql", "create table y ()")
	check(old, pg.ErrSchemaOlder)
	migrate(t, db, old)
	check(old, nil)
	check(newer, pg.ErrSchemaOlder)
	migrate(t, db, newer)
	check(newer, nil)
	check(old, nil) // min_schema is 1

	// What is newer is left alone, roles included, and nothing is remembered.
	before := one[string](t, db.Pool, `select fingerprint from schema_fingerprint`)
	if r := migrate(t, db, old); r.Changed || r.To != 3 {
		t.Errorf("migrated backwards: %+v", r)
	}
	if after := one[string](t, db.Pool, `select fingerprint from schema_fingerprint`); after != before {
		t.Error("an older program wrote its own fingerprint")
	}
	for _, sql := range []string{`update schema_compat set min_schema = 2`, `delete from schema_compat`, `drop table schema_compat`} {
		if _, err := db.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		check(old, pg.ErrSchemaNewer)
		check(newer, nil)
		if _, err := pg.Migrate(t.Context(), db.DSN(""), old); !errors.Is(err, pg.ErrSchemaNewer) {
			t.Errorf("%s: migrate: %v", sql, err)
		}
	}
}

// TestHouseMigrations: the files of the house migrate and check, and our own statements fit them.
func TestHouseMigrations(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	if err := pg.Check(t.Context(), db.Owner(t), migrations.FS); err != nil {
		t.Error(err)
	}
	conn, err := db.Owner(t).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for name, sql := range pg.Statements() {
		if _, err := conn.Conn().Prepare(t.Context(), name, sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkMigrateWarm(b *testing.B) {
	db := pgtest.Empty(b)
	migrate(b, db, migrations.FS)
	for b.Loop() {
		if r := migrate(b, db, migrations.FS); r.Changed {
			b.Fatal(r)
		}
	}
}

func BenchmarkFingerprint(b *testing.B) {
	for b.Loop() {
		if _, err := pg.Fingerprint(migrations.FS); err != nil {
			b.Fatal(err)
		}
	}
}

var _ pg.Sender = (*pgxpool.Pool)(nil)
