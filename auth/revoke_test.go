package auth

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// O3, S2 for machines: what ends here is refused at the next request there, with a token and with keys used before.
func TestO3_EndedAtOnceInEveryProcess(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name    string
		end     func(w *world, a *agency) error
		back    func(w *world, a *agency) error
		call    error
		request string
	}{
		{
			name: "client blocked", call: ErrClientBlocked, request: "invalid_client",
			end:  func(w *world, a *agency) error { return w.directory.BlockClient(t.Context(), a.id) },
			back: func(w *world, a *agency) error { return w.directory.UnblockClient(t.Context(), a.id) },
		},
		{
			name: "key ended", call: ErrTokenRevoked, request: "invalid_client",
			end: func(w *world, a *agency) error {
				return w.directory.EndKey(t.Context(), a.id, a.key.kid, w.clock.now())
			},
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.agency("motcua")
			there := w.another()
			token := a.token(there, "results")
			if err := a.call(there, token); err != nil {
				t.Fatal(err)
			}
			if err := row.end(w, a); err != nil {
				t.Fatal(err)
			}
			for name, s := range map[string]*Server{"there": there, "here": w.Server} {
				if err := a.call(s, token); !errors.Is(err, row.call) {
					t.Errorf("%s: token issued before: %v, want %v", name, err, row.call)
				}
				if status, body := w.post(s, a.form("results"), a.proof(http.MethodPost, pathToken, "")); body["error"] != row.request {
					t.Errorf("%s: new token: %d %v", name, status, body)
				}
			}
			if row.back == nil {
				return
			}
			if err := row.back(w, a); err != nil {
				t.Fatal(err)
			}
			if err := a.call(there, token); err != nil {
				t.Errorf("after unblocking: %v", err)
			}
			a.token(there, "results")
		})
	}
}

// A new key works within a second of its registration, without a restart.
func TestNewKeyIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	a.token(w.Server, "results")
	a.key = newSender(t, jose.EdDSA, "motcua-2")
	a.register(a.key)
	if status, _ := w.post(w.Server, a.form("results"), a.proof(http.MethodPost, pathToken, "")); status != http.StatusBadRequest {
		t.Errorf("found at once: %d", status)
	}
	w.clock.advance(reloadAfter)
	a.token(w.Server, "results")
}

// O3 for people: session, person and level are read by each operation.
func TestO3_PeopleAndSessions(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name, sql string
		level     int
		want      error
	}{
		{"nothing changed", `select 1`, 2, nil},
		{"session ended", `update sessions set state = 'ended'`, 2, ErrTokenRevoked},
		{"session of another client", `update sessions set client_id = 'motcua'`, 2, ErrTokenRevoked},
		{"session gone", `delete from sessions`, 2, ErrTokenRevoked},
		{"session over", `update sessions set expires_at = '2026-11-23 08:30:15+00'`, 2, ErrTokenRevoked},
		{"session below the token", `update sessions set level = 1`, 2, ErrTokenRevoked},
		{"level taken back", `update people set level = 1`, 2, ErrTokenRevoked},
		{"level 1 is enough for level 1", `update people set level = 1`, 1, nil},
		{"person blocked", `update people set blocked = true`, 2, ErrPersonBlocked},
		{"death reported", `update people set life = 'death_reported'`, 2, ErrPersonBlocked},
		{"dead", `update people set life = 'dead'`, 2, ErrPersonBlocked},
		{"person gone", `delete from people`, 2, ErrPersonBlocked},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			phone := w.app("vidan-app")
			token := phone.signIn(row.level)
			if err := phone.call(w.another(), token); err != nil {
				t.Fatal(err)
			}
			if _, err := w.db.Owner(t).Exec(t.Context(), row.sql); err != nil {
				t.Fatal(err)
			}
			if err := phone.call(w.Server, token); !errors.Is(err, row.want) {
				t.Errorf("%v, want %v", err, row.want)
			}
		})
	}
}

func TestPrincipalOfACitizen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	phone := w.app("vidan-app")
	token := phone.signIn(2)
	const path = "/v1/people/me/documents"
	p, err := w.Authenticate(request(http.MethodGet, path, token, phone.proof(http.MethodGet, path, token)))
	if err != nil {
		t.Fatal(err)
	}
	if p.Kind != Citizen || p.Vault != phone.vault || p.Session != phone.session || p.Level != 2 || p.Sector != AppSector || p.Organisation != "" {
		t.Errorf("%v %v %v level %d sector %q", p.Kind, p.Vault == phone.vault, p.Session == phone.session, p.Level, p.Sector)
	}
	if !p.AuthTime.Equal(w.clock.now().Truncate(time.Second)) || len(p.AMR) != 2 {
		t.Errorf("auth_time %v amr %v", p.AuthTime, p.AMR)
	}
	if err := p.Scope(ScopeWallet); err != nil {
		t.Error(err)
	}
	if err := p.Scope(ScopeResults); !errors.Is(err, ErrScope) || Code(err) != "insufficient_scope" {
		t.Errorf("scope of a machine: %v", err)
	}
}
