package auth

import (
	"errors"
	"net/http"
	"testing"

	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// on is a server of the world that uses another pool.
func (w *world) on(t *testing.T, when pgtest.When, match string) *Server {
	t.Helper()
	s := w.another()
	s.pool = w.db.FailOn(t, when, match)
	return s
}

// P1, P2: a token request cut off before its batch persisted can be sent again as it is; cut off afterwards, proof and assertion are
// used up and say so, and a new request is served. No answer ever said 200 for what is not there.
func TestP2_TokenCutOff(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		when  pgtest.When
		again string
	}{
		"before": {pgtest.FailBefore, ""},
		"after":  {pgtest.FailAfter, "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.agency("motcua")
			s := w.on(t, row.when, "proof_ids")
			form, proof := a.form("results"), a.proof(http.MethodPost, pathToken, "")
			status, body := w.post(s, form, proof)
			if status != http.StatusServiceUnavailable || body["error"] != "temporarily_unavailable" || body["access_token"] != nil {
				t.Fatalf("cut off: %d %v", status, body)
			}
			status, body = w.post(s, form, proof)
			switch {
			case row.again == "" && status != http.StatusOK:
				t.Errorf("again: %d %v", status, body)
			case row.again != "" && body["error"] != row.again:
				t.Errorf("again: %d %v, want %s", status, body, row.again)
			}
			var used int
			if err := w.db.Owner(t).QueryRow(t.Context(), `select count(*) from proof_ids`).Scan(&used); err != nil || used != 2 {
				t.Errorf("%d ids used up, %v", used, err)
			}
			a.token(s, "results")
		})
	}
}

// P2: the same for the guard of an operation.
func TestP2_GuardCutOff(t *testing.T) {
	t.Parallel()
	const path = "/v1/results"
	for name, row := range map[string]struct {
		when pgtest.When
		want error
	}{
		"before": {pgtest.FailBefore, nil},
		"after":  {pgtest.FailAfter, ErrReplay},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.agency("motcua")
			token := a.token(w.Server, "results")
			s := w.on(t, row.when, "proof_ids")
			proof := a.proof(http.MethodPost, path, token)
			p, err := s.Authenticate(request(http.MethodPost, path, token, proof))
			if err != nil {
				t.Fatal(err)
			}
			if err := run(t.Context(), s, p.Guard()); err == nil || row.when == pgtest.FailAfter && !errors.Is(err, pg.ErrOutcomeUnknown) {
				t.Fatalf("cut off: %v", err)
			}
			if p, err = s.Authenticate(request(http.MethodPost, path, token, proof)); err != nil {
				t.Fatal(err)
			}
			if err := run(t.Context(), s, p.Guard()); !errors.Is(err, row.want) {
				t.Errorf("again: %v, want %v", err, row.want)
			}
		})
	}
}

// Without a database nothing is issued and nothing passes; what was accepted before is not remembered as authority.
func TestNoDatabaseNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	s := w.another()
	token := a.token(s, "results")
	s.pool = w.db.Open(t, pg.Config{Role: pgtest.Serve})
	s.pool.Close()
	if status, body := w.post(s, a.form("results"), a.proof(http.MethodPost, pathToken, "")); status < 500 {
		t.Errorf("%d %v", status, body)
	}
	if err := a.call(s, token); err == nil {
		t.Error("a call passed")
	}
}
