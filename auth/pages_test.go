package auth

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vidan/identity"
)

// onPages brings a sign-in for the pages to where it is done.
func (w *town) onPages(s *Server) *SignIn {
	w.tb.Helper()
	cookie, err := s.BeginPages(w.tb.Context(), "192.0.2.1")
	if err != nil {
		w.tb.Fatal(err)
	}
	x := w.reopen(s, cookie)
	if verdict, err := x.Passphrase(w.tb.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); err != nil || verdict != Accepted {
		w.tb.Fatalf("passphrase: %d %v", verdict, err)
	}
	return w.reopen(s, cookie)
}

func (w *town) withPages() *town {
	w.tb.Helper()
	if err := NewDirectory(w.pool, w.deployment).AddPages(w.tb.Context(), w.clock.now()); err != nil {
		w.tb.Fatal(err)
	}
	return w
}

func (w *town) pageCookie() Cookie {
	w.tb.Helper()
	cookie, err := w.onPages(w.Server).FinishPages(w.tb.Context())
	if err != nil {
		w.tb.Fatal(err)
	}
	return cookie
}

// O3: a session of the pages ends at once in every process, with its person and its client, and by itself after a quarter of an hour without use and
// after twelve hours in any case.
func TestO3_PagesEndEverywhere(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		end  func(w *town, d du, x *PageSession) error
		want error
	}{
		"signed out": {func(w *town, d du, x *PageSession) error {
			return w.EndSession(t.Context(), x.Standing(), x.Actor(), d.vault, x.Session)
		}, ErrTokenRevoked},
		"all ended": {func(w *town, d du, _ *PageSession) error {
			return w.EndAllSessions(t.Context(), free{}, actorOf(d), d.vault, identity.SessionID{})
		}, ErrTokenRevoked},
		"blocked": {func(w *town, d du, _ *PageSession) error {
			_, err := w.db.Owner(t).Exec(t.Context(), `update people set blocked = true where vault_id = $1`, d.vault)
			return err
		}, ErrPersonBlocked},
		"dead": {func(w *town, d du, _ *PageSession) error {
			_, err := w.db.Owner(t).Exec(t.Context(), `update people set life = 'death_reported' where vault_id = $1`, d.vault)
			return err
		}, ErrPersonBlocked},
		"pages off": {func(w *town, _ du, _ *PageSession) error {
			return NewDirectory(w.pool, w.deployment).BlockClient(t.Context(), PagesClient)
		}, ErrClientBlocked},
		"idle": {func(w *town, _ du, _ *PageSession) error {
			w.clock.advance(PagesIdle)
			return nil
		}, ErrTokenRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t).withPages()
			d := w.du(2, false)
			there := w.peopled(w.pool)
			cookie := w.pageCookie()
			x, err := w.OpenPages(t.Context(), cookie)
			if err != nil || x.Vault != d.vault || x.Level != 1 {
				t.Fatalf("open: %+v %v", x, err)
			}
			if _, err := there.OpenPages(t.Context(), cookie); err != nil {
				t.Fatal(err)
			}
			if err := row.end(w, d, x); err != nil {
				t.Fatal(err)
			}
			for where, s := range map[string]*Server{"here": w.Server, "there": there} {
				if _, err := s.OpenPages(t.Context(), cookie); !errors.Is(err, row.want) {
					t.Errorf("%s: %v", where, err)
				}
			}
			if err := run(t.Context(), w.Server, x.Standing()); !errors.Is(err, row.want) {
				t.Errorf("an act on a page that was open: %v", err)
			}
		})
	}
}

// A session that is used lasts, and not for ever.
func TestPagesLife(t *testing.T) {
	t.Parallel()
	w := newTown(t).withPages()
	w.du(2, false)
	cookie := w.pageCookie()
	for used := time.Duration(0); used+10*time.Minute < PagesLife; used += 10 * time.Minute {
		if _, err := w.OpenPages(t.Context(), cookie); err != nil {
			t.Fatalf("after %s: %v", used, err)
		}
		w.clock.advance(10 * time.Minute)
	}
	w.clock.advance(10 * time.Minute)
	if _, err := w.OpenPages(t.Context(), cookie); !errors.Is(err, ErrTokenRevoked) {
		t.Errorf("after twelve hours: %v", err)
	}
}

// P4: of a hundred that finish one sign-in, one has the session; the code that others end with is not to be had for it.
func TestP4_PagesOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t).withPages()
	d := w.du(2, false)
	x := w.onPages(w.Server)
	if _, err := x.Finish(t.Context()); !errors.Is(err, ErrMoved) {
		t.Errorf("a code for the pages: %v", err)
	}
	if _, err := w.begin(w.Server, 1).FinishPages(t.Context()); !errors.Is(err, ErrMoved) {
		t.Errorf("a session of the pages for the app: %v", err)
	}
	var won atomic.Int32
	together(100, func(int) {
		copied := *x
		switch _, err := copied.FinishPages(t.Context()); {
		case err == nil:
			won.Add(1)
		case !errors.Is(err, ErrMoved):
			t.Error(err)
		}
	})
	if n := w.count(`select count(*) from sessions where vault_id = $1 and state = 'active'`, d.vault); won.Load() != 1 || n != 1 {
		t.Errorf("%d winners, %d sessions", won.Load(), n)
	}
	if n := w.count(`select count(*) from authorization_codes`); n != 0 {
		t.Errorf("%d codes", n)
	}
}

// O4: a cookie is known by its hash under the MAC of the row: neither another cookie nor another hand's row opens anything; forms hold for one
// session, one act, one object.
func TestO4_PagesCookie(t *testing.T) {
	t.Parallel()
	w := newTown(t).withPages()
	d := w.du(2, false)
	cookie := w.pageCookie()
	if len(cookie) > maxPages {
		t.Fatalf("a cookie of %d characters", len(cookie))
	}
	if n := w.count(`select count(*) from sessions where sessions::text like '%' || $1 || '%'`, string(cookie)); n != 0 {
		t.Error("the cookie is stored")
	}
	x, err := w.OpenPages(t.Context(), cookie)
	if err != nil {
		t.Fatal(err)
	}
	token := x.FormToken("end", "1")
	another, err := w.OpenPages(t.Context(), w.pageCookie())
	if err != nil {
		t.Fatal(err)
	}
	if !x.Holds(token, "end", "1") || x.Holds(token, "end", "2") || x.Holds(token, "endall", "1") || x.Holds("", "end", "1") || another.Holds(token, "end", "1") {
		t.Error("forms")
	}
	made := w.newPages(d.vault, x.Session) // with the deployment's key and without the row
	for name, bad := range map[string]Cookie{
		"none": "", "not ours": "x", "long": Cookie(strings.Repeat("x", 600)), "altered": cookie[:len(cookie)-2] + "xx", "made": made,
		"a session id": Cookie(w.sessionRef(d.vault, x.Session)),
	} {
		if _, err := w.OpenPages(t.Context(), bad); !errors.Is(err, ErrNoSession) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.exec(`update sessions set jkt = '` + hashPages(made) + `' where session_id = '` + x.Session.String() + `'`)
	for _, c := range []Cookie{made, cookie} {
		if _, err := w.OpenPages(t.Context(), c); err == nil || errors.Is(err, ErrNoSession) {
			t.Errorf("a row by another hand: %v", err)
		}
	}
	off := newTown(t)
	if _, err := off.BeginPages(t.Context(), "192.0.2.1"); !errors.Is(err, ErrUntrusted) {
		t.Errorf("without a client of the pages: %v", err)
	}
}
