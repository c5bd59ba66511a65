package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vidan/internal/pgtest"
)

// TestMain lets the test binary stand in for the real one: with VIDAN_AS_BINARY it is `vidan` and nothing else.
func TestMain(m *testing.M) {
	if os.Getenv("VIDAN_AS_BINARY") != "" {
		main()
		return
	}
	if err := os.Setenv("VIDAN_AS_BINARY", "1"); err != nil { // for children; this process has passed the check
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	pgtest.Main(m)
}

// folder is a project folder that the database's account can reach.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vidan-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// process is a server of its own.
type process struct {
	cmd    *exec.Cmd
	issuer string
	mu     sync.Mutex // guards logs
	logs   strings.Builder
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logs.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logs.String()
}

// command is `vidan` with a folder and further settings of its own.
func command(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "DATABASE_URL=", "VIDAN_DATA="+dir)
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// start runs `vidan serve --sandbox` and waits until it says that it is ready.
func start(t *testing.T, dir, addr string, env ...string) *process {
	t.Helper()
	p := &process{issuer: "http://" + addr}
	p.cmd = command(t, dir, env, "serve", "--sandbox", "--addr", addr)
	p.cmd.Stderr = p
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(syscall.SIGTERM) })
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			fmt.Fprintln(p, lines.Text())
			if strings.Contains(lines.Text(), "ready in") {
				ready <- true
			}
		}
		ready <- false
	}()
	select {
	case ok := <-ready:
		if !ok {
			t.Fatalf("the server ended:\n%s", p.output())
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("the server is not ready:\n%s", p.output())
	}
	return p
}

func (p *process) stop(sig syscall.Signal) {
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	_ = p.cmd.Wait()
}

func addr(t *testing.T) string {
	t.Helper()
	a, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func get(ctx context.Context, t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
