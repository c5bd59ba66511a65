package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/delivery"
)

// Routes adds what only a sandbox has. None of it exists outside one.
func (b *Box) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /sandbox", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, b.contents) })
	mux.HandleFunc("GET /sandbox/clock", b.clock)
	mux.HandleFunc("POST /sandbox/clock", b.advance)
	mux.HandleFunc("GET /sandbox/messages", b.messages)
	mux.HandleFunc("POST /sandbox/reset", b.reset(mux))
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller is gone: nobody is left to tell
}

func failed(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "status": status, "title": code})
}

func (b *Box) clock(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"now": b.Now().UTC().Format(time.RFC3339), "advanced_seconds": int64(b.offset / time.Second)})
}

// maxAdvance keeps the clock within the calendar of holidays and the partitions of the record.
const maxAdvance = 20 * 365 * 24 * time.Hour

// advance moves the clock of substance forward and runs everything that falls due. Tokens and proofs keep the real time.
func (b *Box) advance(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Seconds int64 `json:"advance_seconds"`
	}
	if json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&in) != nil || in.Seconds < 0 || time.Duration(in.Seconds)*time.Second > maxAdvance {
		failed(w, http.StatusBadRequest, "invalid_request")
		return
	}
	b.offset += time.Duration(in.Seconds) * time.Second
	b.Offset(b.offset)
	if err := b.save(r.Context()); err != nil {
		failed(w, http.StatusServiceUnavailable, "unavailable")
		return
	}
	if err := b.Settle(r.Context()); err != nil {
		failed(w, http.StatusServiceUnavailable, "unavailable")
		return
	}
	b.clock(w, r)
}

func (b *Box) messages(w http.ResponseWriter, r *http.Request) {
	messages, err := delivery.SandboxMessages(r.Context(), b.Pool, 100)
	if err != nil {
		failed(w, http.StatusServiceUnavailable, "unavailable")
		return
	}
	answer(w, http.StatusOK, map[string]any{"messages": messages})
}

// kept are the tables a reset leaves: what makes the deployment what it is.
const sqlTables = `select tablename from pg_tables where schemaname = 'public'
  and tablename not in ('deployment', 'deployment_keys', 'signing_keys', 'schema_compat', 'schema_version', 'schema_fingerprint', 'sandbox_state')
  and tablename not like 'river%' and tablename not like 'access\_log\_%' and tablename not like 'proof\_ids\_%'`

// reset empties the sandbox and fills it again, with the same keys (B2).
func (b *Box) reset(handler http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := b.empty(r.Context()); err != nil {
			failed(w, http.StatusServiceUnavailable, "unavailable")
			return
		}
		b.seeded, b.offset = false, 0
		b.Offset(0)
		if err := b.Seed(r.Context(), handler); err != nil {
			failed(w, http.StatusServiceUnavailable, "unavailable")
			return
		}
		answer(w, http.StatusOK, map[string]string{"status": "reset"})
	}
}

func (b *Box) empty(ctx context.Context) error {
	owner, err := pgx.Connect(ctx, b.Owner)
	if err != nil {
		return fmt.Errorf("sandbox: reset: %w", err)
	}
	defer func() { _ = owner.Close(ctx) }()
	rows, err := owner.Query(ctx, sqlTables)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	list := ""
	for i, t := range tables {
		if i > 0 {
			list += ", "
		}
		list += pgx.Identifier{t}.Sanitize()
	}
	_, err = owner.Exec(ctx, "truncate "+list)
	return err
}
