package auth

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"vidan/audit"
	"vidan/identity"
	"vidan/seal"
)

// O3: ending one session, all but one, all, or blocking the person acts on the next request of every process, for access and refresh tokens.
func TestO3_SessionsEndEverywhere(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		end      func(w *town, d du, first, second identity.SessionID) error
		spares   bool // the second session goes on
		recorded string
		want     error
	}{
		"one": {func(w *town, d du, first, _ identity.SessionID) error {
			return w.EndSession(t.Context(), free{}, actorOf(d), d.vault, first)
		}, true, "session_ended done", ErrTokenRevoked},
		"all but this": {func(w *town, d du, _, second identity.SessionID) error {
			return w.EndAllSessions(t.Context(), free{}, actorOf(d), d.vault, second)
		}, true, "session_ended done all", ErrTokenRevoked},
		"all": {func(w *town, d du, _, _ identity.SessionID) error {
			return w.EndAllSessions(t.Context(), free{}, actorOf(d), d.vault, identity.SessionID{})
		}, false, "session_ended done all", ErrTokenRevoked},
		"blocked": {func(w *town, d du, _, _ identity.SessionID) error {
			_, err := w.db.Owner(t).Exec(t.Context(), `update people set blocked = true where vault_id = $1`, d.vault)
			return err
		}, false, "", ErrPersonBlocked},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			d := w.du(2, false)
			there := w.peopled(w.pool)
			var access, refresh [2]string
			var sessions [2]identity.SessionID
			for i := range access {
				access[i], refresh[i] = w.lasting()
				sessions[i] = w.sessionOf(d, access[i])
				if err := w.app.call(there, access[i]); err != nil { // there everything is known from before
					t.Fatal(err)
				}
			}
			for range 2 { // ending again changes nothing
				if err := row.end(w, d, sessions[0], sessions[1]); err != nil {
					t.Fatal(err)
				}
			}
			for where, s := range map[string]*Server{"here": w.Server, "there": there} {
				if err := w.app.call(s, access[0]); !errors.Is(err, row.want) {
					t.Errorf("%s: %v", where, err)
				}
				if status, body := w.refresh(s, refresh[0]); body["error"] != "invalid_grant" {
					t.Errorf("%s: refresh: %d %v", where, status, body)
				}
				if err := w.app.call(s, access[1]); row.spares != (err == nil) {
					t.Errorf("%s: the other session: %v", where, err)
				}
			}
			status, body := w.refresh(w.Server, refresh[1])
			if row.spares != (status == http.StatusOK) {
				t.Errorf("refresh of the other session: %d %v", status, body)
			}
			lines := slices.DeleteFunc(w.history(d.vault), func(line string) bool { return line[:min(len(line), 13)] != "session_ended" })
			if row.recorded != "" && (len(lines) != 1 || lines[0] != row.recorded) || row.recorded == "" && len(lines) != 0 {
				t.Errorf("record %q", lines)
			}
		})
	}
}

// sessionOf is the session of an access token.
func (w *town) sessionOf(d du, token string) identity.SessionID {
	w.tb.Helper()
	opened, err := w.openToken(token)
	if err != nil || opened.vault != d.vault {
		w.tb.Fatalf("token: %v", err)
	}
	return opened.session
}

// S1: a person sees and ends their own sessions; one of somebody else is not there.
func TestS1_Sessions(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, false)
	access, _ := w.lasting()
	w.clock.advance(time.Minute)
	w.redeem(w.Server, w.signedIn())
	all, err := w.Sessions(t.Context(), free{}, d.vault)
	if err != nil || len(all) != 2 {
		t.Fatalf("%v %v", all, err)
	}
	if all[0].Lasting || !all[1].Lasting || all[1].Client != w.app.id || all[1].ClientName != "Ví dân" || all[1].Level != 1 ||
		!slices.Equal(all[1].AMR, []string{MethodPassphrase}) || !all[1].Until.Equal(all[1].Since.Add(sessionIdle)) {
		t.Errorf("%+v", all)
	}
	id, err := w.SessionID(d.vault, all[1].ID)
	if err != nil || id != w.sessionOf(d, access) {
		t.Errorf("%v", err)
	}
	other := identity.NewVaultID()
	if list, err := w.Sessions(t.Context(), free{}, other); err != nil || len(list) != 0 {
		t.Errorf("of somebody else: %v %v", list, err)
	}
	for name, try := range map[string]string{"of another": w.sessionRef(other, id), "garbage": "x", "empty": ""} {
		if _, err := w.SessionID(d.vault, try); !errors.Is(err, ErrNoSession) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.EndSession(t.Context(), free{}, actorOf(d), d.vault, identity.NewID[identity.SessionID]()); !errors.Is(err, ErrNoSession) {
		t.Errorf("one that is not there: %v", err)
	}
	w.clock.advance(AccessTokenLife)
	if all, err = w.Sessions(t.Context(), free{}, d.vault); err != nil || len(all) != 1 || !all[0].Lasting {
		t.Errorf("a session that is over is listed: %v %v", all, err)
	}
}

// O4: a session that somebody else wrote, raised, prolonged or brought back opens nothing, also where the session is known from before.
func TestO4_SessionRows(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		before string // by the service's own hand, in SQL
		sql    string
		wait   time.Duration
		want   error
	}{
		"prolonged":     {sql: `update sessions set expires_at = expires_at + interval '1 year'`, wait: 9 * time.Minute, want: ErrTokenRevoked},
		"brought back":  {before: "end", sql: `update sessions set state = 'active'`, want: seal.ErrTampered},
		"another key":   {sql: `update sessions set jkt = 'x', mac = mac || '\x00'`, want: seal.ErrTampered},
		"without a MAC": {sql: `update sessions set mac = ''`, want: seal.ErrTampered},
	}
	for name, row := range rows {
		for _, known := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newTown(t)
				d := w.du(2, false)
				w.Server.idle = 5 * time.Minute // shorter than a token, so that a row can be over before it
				access, _ := w.lasting()
				s := w.peopled(w.pool)
				if known {
					if err := w.app.call(s, access); err != nil {
						t.Fatal(err)
					}
				}
				if row.before == "end" {
					if err := w.EndSession(t.Context(), free{}, audit.Actor{Vault: d.vault, Client: w.app.id}, d.vault, w.sessionOf(d, access)); err != nil {
						t.Fatal(err)
					}
				}
				w.exec(row.sql)
				w.clock.advance(row.wait)
				want := row.want
				if name == "prolonged" && !known {
					want = seal.ErrTampered
				}
				if err := w.app.call(s, access); !errors.Is(err, want) {
					t.Errorf("known %t: %v, want %v", known, err, want)
				}
			})
		}
	}
}
