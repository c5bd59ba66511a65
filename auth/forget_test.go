package auth

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"vidan/internal/pgtest"
)

// What is older than its term goes, what is not stays, and the service can make neither the clock nor another statement delete more.
func TestForgetSpent(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	owner := db.Owner(t)
	now := time.Now()
	day := 24 * time.Hour
	tables := map[string]struct {
		keep time.Duration
		sql  string // $1 name, $2 the moment from which the term counts
	}{
		"signins":             {day, `insert into signins (signin_hash, client_id, request, step, created_at, expires_at, mac) values ($1, 'c', '{}', 'dead', $2, $2, '')`},
		"pushed_requests":     {day, `insert into pushed_requests (request_hash, client_id, request, created_at, expires_at, mac) values ($1, 'c', '{}', $2, $2, '')`},
		"authorization_codes": {day, `insert into authorization_codes (code_hash, client_id, vault_id, session_id, redirect_uri, challenge, scope, expires_at, mac) values ($1, 'c', gen_random_uuid(), gen_random_uuid(), '', '', '', $2, '')`},
		"throttles":           {2 * day, `insert into throttles (bucket, failures, window_start, blocked_until) values ($1, 1, $2, $2)`},
		"activation_codes":    {30 * day, `insert into activation_codes (vault_id, code_hash, purpose, expires_at, created_at) values (gen_random_uuid(), $1, 'activate', $2, $2)`},
		"idempotency":         {90 * day, `insert into idempotency (scope, key_hash, request_sha256, reference, created_at) values ($1, '', '', '{}', $2)`},
	}
	for name, row := range tables {
		for i, ago := range []time.Duration{row.keep - time.Hour, row.keep + time.Minute, row.keep + 400*day} {
			if _, err := owner.Exec(t.Context(), row.sql, []byte{byte(i)}, now.Add(-ago)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	left := func(want int) {
		t.Helper()
		for name := range tables {
			var n int
			if err := owner.QueryRow(t.Context(), `select count(*) from `+name).Scan(&n); err != nil || n != want {
				t.Errorf("%s: %d rows are left, want %d, %v", name, n, want, err)
			}
		}
	}
	// A clock that is a year ahead deletes no more: the database asks its own too.
	for range 2 {
		if _, err := ForgetSpent(t.Context(), db.Pool, now.Add(365*day)); err != nil {
			t.Fatal(err)
		}
		left(1)
	}
	for name := range tables {
		var said *pgconn.PgError
		_, err := db.Pool.Exec(t.Context(), `delete from `+name)
		if !errors.As(err, &said) || said.Code != pgerrcode.InsufficientPrivilege {
			t.Errorf("the service deletes from %s: %v", name, err)
		}
	}
}

// Many rows go in several transactions, by one of several processes; a locked row waits for the next run.
func TestForgetSpentIsBounded(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	owner := db.Owner(t)
	if _, err := owner.Exec(t.Context(), `insert into throttles (bucket, failures, window_start, blocked_until)
		select int4send(i), 1, now() - interval '3 days', now() - interval '3 days' from generate_series(1, $1::int) i`, 2*forgetRows+1); err != nil {
		t.Fatal(err)
	}
	tx, err := owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `select from throttles where bucket = int4send(1) for update`); err != nil {
		t.Fatal(err)
	}
	total := make([]int64, 4)
	together(len(total), func(i int) {
		var err error
		if total[i], err = ForgetSpent(t.Context(), db.Pool, time.Now()); err != nil {
			t.Error(err)
		}
	})
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	last, err := ForgetSpent(t.Context(), db.Pool, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	sum := last
	for _, n := range total {
		sum += n
	}
	if sum != 2*forgetRows+1 || last < 1 {
		t.Errorf("%v and %d were forgotten", total, last)
	}
}
