package wallet_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// table is what the database says of one of its tables.
type table struct {
	Name      string
	Comment   string
	Columns   []string
	Partition bool
}

const sqlTables = `
select c.relname, coalesce(obj_description(c.oid, 'pg_class'), ''), c.relispartition,
  (select array_agg(a.attname::text order by a.attnum) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by c.relname`

func tables(t *testing.T, owner *pgxpool.Pool) []table {
	t.Helper()
	rows, err := owner.Query(t.Context(), sqlTables)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (table, error) {
		var one table
		err := row.Scan(&one.Name, &one.Comment, &one.Partition, &one.Columns)
		return one, err
	})
	if err != nil || len(list) < 40 {
		t.Fatalf("%d tables, %v", len(list), err)
	}
	return list
}

// right is what the service may do to a table beside reading and inserting.
type right struct {
	update                   []string
	remove, truncate, insert bool
}

// listed are the tables whose comment does not list their columns. Every other is judged by its comment: a fact never changes, of
// a head "head (…)" names the columns that may.
var listed = map[string]right{
	"organisations":      {insert: true, update: []string{"state"}},
	"signins":            {insert: true, update: []string{"vault_id", "step", "challenge_id", "number", "level", "amr", "failures", "mac"}},
	"throttles":          {insert: true, update: []string{"failures", "window_start", "blocked_until"}},
	"outbox":             {insert: true, update: []string{"attempts", "not_before"}, remove: true},
	"sandbox_state":      {insert: true, update: []string{"one", "clock_offset_seconds", "contents", "created_at"}},
	"sandbox_messages":   {insert: true, remove: true},
	"schema_compat":      {},
	"schema_fingerprint": {},
}

var headColumns = regexp.MustCompile(`^head \(([^)]*)\), `)

// rightOf reads what the comment of a table promises.
func rightOf(one table) (right, error) {
	if one.Partition { // reached through its parent alone; the slots of proof_ids are emptied one by one
		return right{truncate: strings.HasPrefix(one.Name, "proof_ids_")}, nil
	}
	if r, ok := listed[one.Name]; ok {
		return r, nil
	}
	if one.Name == "schema_version" {
		return right{}, nil // which migrations have run; made by the migrator, without a comment
	}
	if strings.HasPrefix(one.Comment, "fact, ") {
		return right{insert: true}, nil
	}
	head := headColumns.FindStringSubmatch(one.Comment)
	if head == nil {
		return right{}, fmt.Errorf("table %s: neither a fact nor a head: %q", one.Name, one.Comment)
	}
	r := right{insert: true}
	for _, word := range strings.FieldsFunc(head[1], func(c rune) bool { return c == ',' || c == ' ' }) {
		if slices.Contains(one.Columns, word) {
			r.update = append(r.update, word)
		}
	}
	if len(r.update) == 0 {
		return right{}, fmt.Errorf("table %s: a head of which nothing changes", one.Name)
	}
	return r, nil
}

// TestFactsStayAndHeadsKeepTheirColumns tries, as the service, every statement on every table: it may do what the table's comment
// says, and everything else is forbidden by the database itself (DESIGN §4).
func TestFactsStayAndHeadsKeepTheirColumns(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for _, one := range tables(t, db.Owner(t)) {
		r, err := rightOf(one)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, column := range one.Columns {
			try(t, db.Pool, fmt.Sprintf(`update %s set %s = %s where false`, one.Name, column, column), slices.Contains(r.update, column))
		}
		try(t, db.Pool, `delete from `+one.Name+` where false`, r.remove)
		try(t, db.Pool, `insert into `+one.Name+` select from (select 1) s where false`, r.insert)
		try(t, db.Pool, `truncate `+one.Name+` cascade`, r.truncate)
		for _, sql := range []string{
			`alter table %s disable trigger all`, `alter table %s add column x int`, `alter table %s owner to vidan_serve`, `drop table %s cascade`,
			`create trigger x before insert on %s execute function suppress_redundant_updates_trigger()`,
		} {
			try(t, db.Pool, fmt.Sprintf(sql, one.Name), false)
		}
	}
	for _, sql := range []string{
		`create table x (id int)`, `create function x() returns int language sql as 'select 1'`, `create or replace function vidan_require(ok boolean, code text)
returns void language plpgsql as $$ begin end $$`, `drop function vidan_require`, `alter role vidan_serve superuser`, `create role x`,
		`copy vaults to program 'true'`, `set session_replication_role = replica`,
	} {
		try(t, db.Pool, sql, false)
	}
}

// TestAuditorReadsOnly: the role that checks the record changes nothing, and reads neither people nor secrets of sign-in.
func TestAuditorReadsOnly(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	auditor := db.Open(t, pg.Config{Role: "vidan_audit"})
	for _, one := range tables(t, db.Owner(t)) {
		try(t, auditor, fmt.Sprintf(`update %s set %s = %[2]s where false`, one.Name, one.Columns[0]), false)
		try(t, auditor, `delete from `+one.Name+` where false`, false)
		try(t, auditor, `insert into `+one.Name+` select from (select 1) s where false`, false)
		try(t, auditor, `truncate `+one.Name+` cascade`, false)
	}
	for _, name := range []string{"access_log", "document_revisions", "documents", "vaults", "receipts", "grant_events"} {
		try(t, auditor, `select from `+name+` limit 0`, true)
	}
	for _, name := range []string{"people", "identifiers", "credentials", "contacts", "signins", "signing_keys", "activation_codes", "messages"} {
		try(t, auditor, `select from `+name+` limit 0`, false)
	}
}

// try runs a statement that would change nothing and compares whether the database allowed it.
func try(t *testing.T, pool *pgxpool.Pool, sql string, allowed bool) {
	t.Helper()
	_, err := pool.Exec(t.Context(), sql)
	var refused *pgconn.PgError
	forbidden := errors.As(err, &refused) && refused.Code == pgerrcode.InsufficientPrivilege
	switch {
	case allowed && err != nil:
		t.Errorf("%s: %v", sql, err)
	case !allowed && !forbidden:
		t.Errorf("%s: not forbidden: %v", sql, err)
	}
}
