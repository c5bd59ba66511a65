package pg_test

import (
	"context"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"vidan/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	// base is what the house's first migration brings and this package relies on.
	base = `
create function vidan_require(ok boolean, code text) returns void language plpgsql as $$
begin
	if ok is not true then raise exception using errcode = 'VD001', message = code; end if;
end $$;
create table schema_compat (id int primary key check (id = 1), min_schema int not null);
insert into schema_compat values (1, 1);
`
	ledger = `
create table entries (
	key int constraint entries_key primary key,
	what text not null check (length(what) < 20),
	twin int constraint entries_twin unique deferrable initially deferred
);
`
	serveRole = `
do $$ begin
	if not exists (select from pg_roles where rolname = 'vidan_serve') then create role vidan_serve nologin; end if;
exception when duplicate_object or unique_violation then null;
end $$;
grant select on schema_version, schema_compat to vidan_serve;
`
)

// files makes migration files of name and text in turn.
func files(nameText ...string) fstest.MapFS {
	m := fstest.MapFS{"roles.sql": {Data: []byte(serveRole)}, "0001_base.sql": {Data: []byte(base)}}
	for i := 0; i < len(nameText); i += 2 {
		m[nameText[i]] = &fstest.MapFile{Data: []byte(nameText[i+1])}
	}
	return m
}

// schema is what most tests of this package run on.
func schema() fs.FS {
	return files("0002_ledger.sql", ledger, "roles.sql", serveRole+`grant select, insert, update on entries to vidan_serve;`)
}

func newDB(t testing.TB) *pgtest.DB {
	t.Helper()
	return pgtest.NewFrom(t, schema())
}

const (
	sqlInsert  = `insert into entries (key, what) values ($1, $2)`
	sqlOnce    = `insert into entries (key, what) values ($1, $2) on conflict (key) do nothing`
	sqlTwin    = `insert into entries (key, what, twin) values ($1, 'twin', 1)`
	sqlKeys    = `select key from entries order by key`
	sqlWhat    = `select what from entries where key = $1`
	sqlRequire = `select vidan_require($1, $2)`
)

type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// wantKeys compares what is stored.
func wantKeys(t testing.TB, db queryer, want ...int) {
	t.Helper()
	rows, _ := db.Query(context.WithoutCancel(t.Context()), sqlKeys)
	got, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

// batch queues text and arguments in turn: batch(sql, args{…}, sql, args{…}).
type args []any

func batch(queued ...any) *pgx.Batch {
	b := &pgx.Batch{}
	for i := 0; i < len(queued); i += 2 {
		b.Queue(queued[i].(string), queued[i+1].(args)...)
	}
	return b
}
