package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"vidan/internal/pgtest"
)

// TestServeLife starts a sandbox in an empty folder, kills it, starts it again on what it left, and stops it: what it printed before is there after
// (P1), and readiness says why it is not ready.
func TestServeLife(t *testing.T) {
	t.Parallel()
	dir, at := folder(t), addr(t)
	p := start(t, dir, at)
	status, contents := get(t.Context(), t, p.issuer+"/sandbox")
	if status != http.StatusOK {
		t.Fatalf("sandbox answered %d", status)
	}
	for _, path := range []string{"/livez", "/readyz", "/openapi.yaml", "/docs", "/.well-known/oauth-authorization-server", "/oauth/jwks", "/"} {
		if status, body := get(t.Context(), t, p.issuer+path); status != http.StatusOK {
			t.Errorf("%s answered %d %s", path, status, body)
		}
	}
	p.stop(syscall.SIGKILL)
	p = start(t, dir, at)
	if _, again := get(t.Context(), t, p.issuer+"/sandbox"); again != contents {
		t.Error("after kill -9 the sandbox is another")
	}
	p.stop(syscall.SIGTERM)
	if state := p.cmd.ProcessState; state.ExitCode() != 0 {
		t.Errorf("SIGTERM ended in %v:\n%s", state, p.output())
	}
}

// TestA5_DrainUnderLoad ends a server under load, behind somebody who balances load by its readiness: no request fails.
func TestA5_DrainUnderLoad(t *testing.T) {
	t.Parallel()
	p := start(t, folder(t), addr(t), "VIDAN_DRAIN=1s")
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var answered, broken atomic.Int64
	var away atomic.Bool // the balancer sends no more requests here
	ask := func(path string) int {
		resp, err := client.Get(p.issuer + path)
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return 0
		}
		return resp.StatusCode
	}
	g := new(errgroup.Group)
	g.Go(func() error {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if ask("/readyz") != http.StatusOK {
				away.Store(true)
				return nil
			}
		}
		return nil
	})
	for range 4 {
		g.Go(func() error {
			for !away.Load() {
				if ask("/v1/procedures") != http.StatusOK {
					broken.Add(1)
				}
				if answered.Add(1) == 200 {
					_ = p.cmd.Process.Signal(syscall.SIGTERM)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	if broken.Load() > 0 || answered.Load() < 200 {
		t.Errorf("%d answered, %d broken", answered.Load(), broken.Load())
	}
}

// TestKindsStayApart: a sandbox is never served as production, nor under another key.
func TestKindsStayApart(t *testing.T) {
	t.Parallel()
	dir, at := folder(t), addr(t)
	start(t, dir, at).stop(syscall.SIGTERM)

	out, err := command(t, dir, nil, "serve", "--addr", at).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "never served as production") {
		t.Errorf("a sandbox served as production: %v %s", err, out)
	}
	out, err = command(t, dir, []string{"VIDAN_ISSUER=http://" + at, "VIDAN_ALLOW_FILE_KEY=true"}, "keys", "init", "--production").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "has a deployment already") {
		t.Errorf("a second deployment: %v %s", err, out)
	}
	key := filepath.Join(dir, ".vidan", "kek.json")
	if err := os.Rename(key, key+".away"); err != nil {
		t.Fatal(err)
	}
	out, err = command(t, dir, nil, "serve", "--sandbox", "--addr", at).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "key-encryption key") {
		t.Errorf("served without its key: %v %s", err, out)
	}
}

// TestSandboxInAnotherServer: with DATABASE_URL an empty folder and an empty database are enough, the first time and the next.
func TestSandboxInAnotherServer(t *testing.T) {
	t.Parallel()
	dir, at, url := folder(t), addr(t), "DATABASE_URL="+pgtest.Empty(t).DSN("")
	for range 2 {
		p := start(t, dir, at, url)
		if r, err := http.Get(p.issuer + "/readyz"); err != nil || r.StatusCode != http.StatusOK {
			t.Errorf("%v %+v", err, r)
		} else {
			_ = r.Body.Close()
		}
		p.stop(syscall.SIGTERM)
	}
	if _, err := os.Stat(filepath.Join(dir, ".vidan", "dev")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a PostgreSQL of its own beside the other: %v", err)
	}
}

// TestProductionNeedsItsOperator: nothing is created by serving, and a key file is taken only when told.
func TestProductionNeedsItsOperator(t *testing.T) {
	t.Parallel()
	dir, at := folder(t), addr(t)
	env := []string{"VIDAN_ISSUER=http://" + at}
	if out, err := command(t, dir, env, "migrate").CombinedOutput(); err != nil {
		t.Fatalf("migrate: %v %s", err, out)
	}
	out, err := command(t, dir, env, "serve", "--addr", at).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "vidan keys init") {
		t.Errorf("served without a deployment: %v %s", err, out)
	}
	out, err = command(t, dir, env, "keys", "init", "--production").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "VIDAN_ALLOW_FILE_KEY") {
		t.Errorf("a key file was taken untold: %v %s", err, out)
	}
	told := append([]string{"VIDAN_ALLOW_FILE_KEY=true"}, env...)
	out, err = command(t, dir, append(told, "VIDAN_ISSUER=http://wallet.example"), "keys", "init", "--production").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "https") {
		t.Errorf("a production deployment known by http: %v %s", err, out)
	}
	if out, err := command(t, dir, told, "keys", "init", "--production").CombinedOutput(); err != nil {
		t.Fatalf("keys init: %v %s", err, out)
	}
	out, err = command(t, dir, env, "serve", "--addr", at).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "VIDAN_ALLOW_FILE_KEY") {
		t.Errorf("served production with a key file, untold: %v %s", err, out)
	}
	out, err = command(t, dir, env, "serve", "--sandbox", "--addr", at).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "never served as sandbox") {
		t.Errorf("production served as a sandbox: %v %s", err, out)
	}
}
