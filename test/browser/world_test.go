//go:build browser

// Package browser_test looks at the pages as people do, with a real browser on a sandbox of its own: Debian's Chromium signs in by every way that
// there is, in both languages, with scripts and without. Each page that it meets is held against the rules of accessibility (axe-core) and against
// its own width, at the size of a phone and with text twice as large, and is kept as a picture for somebody to look at.
//
//	Q1  every way in leads to the client, at the level that it is worth
//	Q2  no page that is visited breaks a rule of WCAG 2.2 A or AA that a program can check, or has to be moved sideways to be read
//	Q3  the browser has nothing to complain about: no refused script, style or form, no missing file
//
// `make test-browser` alone runs it (build tag browser): it needs Chromium and npm. Nothing of it is part of the product.
package browser_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vidan/internal/outside"
)

// patience is how long anything may take on a busy machine before it counts as never.
const patience = 40 * time.Second

// world is a sandbox, and who is in it.
type world struct {
	issuer   string
	contents contents
	landing  *landing
	axe      string // source of axe-core
	pictures string // folder
	looked   sync.Map
}

// contents is what `vidan sandbox --json` prints, as far as it is used here.
type contents struct {
	Clients []struct {
		ID           string          `json:"client_id"`
		Organisation string          `json:"organisation"`
		JWK          json.RawMessage `json:"jwk"`
		Redirects    []string        `json:"redirect_uris"`
	} `json:"clients"`
	Apps []struct {
		ID        string   `json:"client_id"`
		Redirects []string `json:"redirect_uris"`
	} `json:"apps"`
	Citizens []citizen `json:"citizens"`
}

type citizen struct {
	ID         string          `json:"id"`
	Number     string          `json:"personal_number"`
	Passphrase string          `json:"passphrase"`
	Device     json.RawMessage `json:"device_jwk"`
}

// build starts a sandbox with VIDAN_BINARY on a free port, known by a name, because browsers make no passkeys for numbers.
func build(t *testing.T) *world {
	t.Helper()
	binary := os.Getenv("VIDAN_BINARY")
	if binary == "" {
		t.Fatal("VIDAN_BINARY names the program to test: make test-browser sets it")
	}
	data := t.TempDir()
	for at := data; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		check(t, os.Chmod(at, 0o711)) // PostgreSQL runs as a lesser account and has to reach its own folder below
	}
	port := freePort(t)
	env := []string{"VIDAN_DATA=" + data, "VIDAN_ADDR=127.0.0.1:" + port, "VIDAN_ISSUER=http://localhost:" + port}
	for _, setting := range os.Environ() { // a database or issuer of whoever runs this must not be touched
		name, _, _ := strings.Cut(setting, "=")
		if name == "PG_BIN" || name != "DATABASE_URL" && !strings.HasPrefix(name, "VIDAN_") && !strings.HasPrefix(name, "PG") {
			env = append(env, setting)
		}
	}
	serve(t, binary, env)
	w := &world{issuer: "http://localhost:" + port, landing: land(t), axe: read(t, filepath.Join("node_modules", "axe-core", "axe.min.js"))}
	list := exec.CommandContext(t.Context(), binary, "sandbox", "--json")
	list.Env = env
	check(t, json.Unmarshal(must(list.Output())(t), &w.contents))
	w.pictures = must(os.MkdirTemp("", "vidan-pages-"))(t)
	return w
}

// serve runs the sandbox until the test ends, and returns when it is ready.
func serve(t *testing.T, binary string, env []string) {
	t.Helper()
	log := must(os.Create(filepath.Join(t.TempDir(), "server.log")))(t)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	server := exec.CommandContext(ctx, binary, "serve", "--sandbox")
	server.Env, server.Stderr = env, log
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	server.WaitDelay = patience
	said := must(server.StdoutPipe())(t)
	check(t, server.Start())
	lines := bufio.NewScanner(said)
	t.Cleanup(func() {
		stop()
		for lines.Scan() { // the pipe is read to its end, so that the server can write its last words
		}
		_ = server.Wait() // ended by the signal
		if t.Failed() {
			t.Logf("the server said:\n%s", tail(read(t, log.Name()), 20))
		}
	})
	late := time.AfterFunc(3*time.Minute, stop)
	defer late.Stop()
	for lines.Scan() {
		if strings.Contains(lines.Text(), " ready in ") {
			return
		}
	}
	t.Fatal("the sandbox did not become ready")
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func freePort(t *testing.T) string {
	t.Helper()
	l := must(new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	_, port, err := net.SplitHostPort(l.Addr().String())
	check(t, err)
	check(t, l.Close())
	return port
}

// landing is where clients let people come back to.
type landing struct {
	*httptest.Server
	mu      sync.Mutex
	arrived map[string]chan string // query of the answer by state
}

func land(t *testing.T) *landing {
	l := &landing{arrived: map[string]chan string{}}
	l.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(rw, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>client</title><p id="landed">Back at the client.</p>`)
		select {
		case l.of(r.URL.Query().Get("state")) <- r.URL.RawQuery:
		default: // loaded again
		}
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *landing) of(state string) chan string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.arrived[state] == nil {
		l.arrived[state] = make(chan string, 1)
	}
	return l.arrived[state]
}

// citizen returns somebody with what they have in hand.
func (w *world) citizen(t *testing.T, id string) outside.Citizen {
	t.Helper()
	for _, c := range w.contents.Citizens {
		if c.ID != id {
			continue
		}
		who := outside.Citizen{PersonalNumber: c.Number, Passphrase: c.Passphrase}
		if c.Device != nil {
			who.Device = must(outside.ParseKey(c.Device))(t)
			who.DeviceID = who.Device.JWK.KeyID
		}
		return who
	}
	t.Fatalf("nobody called %s in the sandbox", id)
	return outside.Citizen{}
}

// app is the citizens' app with a key of its own.
func (w *world) app(t *testing.T) *outside.Client {
	t.Helper()
	return &outside.Client{Issuer: w.issuer, ID: w.contents.Apps[0].ID, DPoP: must(outside.NewKey("dpop"))(t), HTTP: http.DefaultClient, Now: time.Now}
}

// agency is the client of an organisation.
func (w *world) agency(t *testing.T, organisation string) *outside.Client {
	t.Helper()
	for _, c := range w.contents.Clients {
		if c.Organisation == organisation {
			return &outside.Client{
				Issuer: w.issuer, ID: c.ID, Key: must(outside.ParseKey(c.JWK))(t), DPoP: must(outside.NewKey("dpop"))(t), HTTP: http.DefaultClient, Now: time.Now,
			}
		}
	}
	t.Fatalf("no client of %s in the sandbox", organisation)
	return nil
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	return string(b)
}
