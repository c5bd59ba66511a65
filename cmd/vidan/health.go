package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"vidan/delivery"
	"vidan/internal/keyring"
	"vidan/internal/pg"
	"vidan/migrations"
)

// health answers /livez, which depends on nothing else, and /readyz, which is false when the service cannot serve (A4).
type health struct {
	app      *app
	alarm    time.Duration // age of the outbox behind which the service is not ready
	starting atomic.Bool
	draining atomic.Bool
}

// check is one thing readiness looks at.
type check struct {
	name string
	run  func(context.Context) error
}

var errDraining = errors.New("draining")

func (h *health) checks() []check {
	a := h.app
	return []check{
		{"serving", func(context.Context) error {
			if h.draining.Load() || h.starting.Load() {
				return errDraining
			}
			return nil
		}},
		{"database", func(ctx context.Context) error { return a.pool.Ping(ctx) }},
		{"schema", func(ctx context.Context) error { return pg.Check(ctx, a.pool, migrations.FS) }},
		{"key", func(ctx context.Context) error {
			row, err := readDeployment(ctx, a.pool)
			if err != nil {
				return err
			}
			return keyring.Check(ctx, a.dep.kek, row.ID, row.Check)
		}},
		{"outbox", func(ctx context.Context) error {
			age, err := delivery.OutboxAge(ctx, a.pool, a.clock.now())
			if err == nil && age > h.alarm {
				err = errors.New("old work")
			}
			return err
		}},
	}
}

func (h *health) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", h.ready)
}

func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	status, body := http.StatusOK, map[string]string{"status": "ok"}
	for _, c := range h.checks() {
		body[c.name] = "ok"
		if err := c.run(ctx); err != nil {
			status, body["status"], body[c.name] = http.StatusServiceUnavailable, "failing", "failing"
			if !errors.Is(err, errDraining) {
				h.app.log.WarnContext(ctx, "not ready", "check", c.name, "error", err.Error())
			}
		}
	}
	answer(w, status, body)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller is gone: nobody is left to tell
}
