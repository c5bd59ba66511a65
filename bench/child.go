package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"vidan/bench/floor"
)

// child is a process of the same program.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
	last  *tail
	err   error // how it ended; read behind ended
}

// tail keeps the last of what a child says, for the day it fails.
type tail struct {
	mu   sync.Mutex // guards kept
	kept []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - 4<<10; over > 0 {
		t.kept = slices.Delete(t.kept, 0, over)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}

// command prepares a child whose settings are those given and no others.
func command(binary string, settings []string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if name != "DATABASE_URL" && (!strings.HasPrefix(name, "VIDAN_") || name == "VIDAN_AS_BINARY") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, settings...)
	return cmd
}

func start(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, ended: make(chan struct{}), last: new(tail)}
	cmd.Stderr = c.last
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		c.err = cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// stop ends the child in order and waits for it.
func (c *child) stop() error {
	if c == nil {
		return nil
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-c.ended:
	case <-time.After(patience):
		_ = c.cmd.Process.Kill()
		<-c.ended
	}
	if c.err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(c.cmd.Args, " "), c.err, c.last)
	}
	return nil
}

// server is a child that serves the sandbox.
type server struct {
	*child
	addr    string
	issuer  string
	metrics string
}

// startServer starts a server and waits until it is ready. It listens at addr, by which it is known, unless settings name another issuer.
func startServer(ctx context.Context, binary, addr string, args, settings []string) (*server, error) {
	metrics, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s := &server{addr: addr, issuer: "http://" + addr, metrics: "http://" + metrics + "/metrics"}
	cmd := command(binary, append(settings, "VIDAN_METRICS_ADDR="+metrics), append(args, "--addr", addr)...)
	if s.child, err = start(cmd); err != nil {
		return nil, err
	}
	if err := s.ready(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for {
		if s.isReady(ctx) {
			return nil
		}
		select {
		case <-s.ended:
			return errors.New("the server ended before it was ready")
		case <-ctx.Done():
			return errors.New("the server is not ready")
		case <-every.C:
		}
	}
}

func (s *server) isReady(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// beside is a child that is the floor.
type beside struct {
	*child
	in      io.WriteCloser
	tell    *json.Encoder
	answers *bufio.Scanner
}

func startFloor(binary string, spec floor.Spec) (*beside, error) {
	cmd := command(binary, nil, "bench", "--as-floor")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	f := &beside{in: in, tell: json.NewEncoder(in), answers: bufio.NewScanner(out)}
	f.answers.Buffer(nil, 1<<20)
	if f.child, err = start(cmd); err != nil {
		return nil, err
	}
	if _, err := f.ask(spec); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

// ask gives the floor an order and waits for its answer.
func (f *beside) ask(order any) (a floor.Answer, err error) {
	if err := f.tell.Encode(order); err != nil {
		return a, fmt.Errorf("the floor has ended: %w\n%s", err, f.last)
	}
	if !f.answers.Scan() {
		return a, fmt.Errorf("the floor has ended: %w\n%s", f.answers.Err(), f.last)
	}
	if err := json.Unmarshal(f.answers.Bytes(), &a); err != nil {
		return a, err
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// stop ends the floor: it serves until its input ends.
func (f *beside) stop() error {
	if f == nil {
		return nil
	}
	_ = f.in.Close() // it may have ended
	<-f.ended
	return f.err
}
