//go:build linux || darwin || freebsd

package localpg

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A second life of the test binary: one process that starts a cluster, says what it got, waits until its input ends
// and leaves.
func TestMain(m *testing.M) {
	if raw := os.Getenv("LOCALPG_CHILD"); raw != "" {
		if err := beChild([]byte(raw)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func beChild(raw []byte) error {
	var o Options
	if err := json.Unmarshal(raw, &o); err != nil {
		return err
	}
	s, err := Start(context.Background(), o)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.Close()
}

// child is a process of its own that uses the cluster.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
}

// ordinary is the account of a child that is to be an ordinary user although the tests run as root.
func ordinary(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	const nobody = 65534
	return &syscall.Credential{Uid: nobody, Gid: nobody}
}

func spawn(t *testing.T, o Options, cred *syscall.Credential, env ...string) *child {
	t.Helper()
	o.Log = nil
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	self := "/proc/self/exe" // reachable for another account even if the folder of the test binary is not
	if _, err := os.Stat(self); err != nil {
		if self, err = os.Executable(); err != nil {
			t.Fatal(err)
		}
	}
	c := &child{cmd: exec.Command(self)}
	c.cmd.Dir = "/"
	c.cmd.Env = append(append(os.Environ(), "LOCALPG_CHILD="+string(raw)), env...)
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setpgid: true}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.kill() })
	return c
}

// server waits until the child has its server.
func (c *child) server(t *testing.T) *Server {
	t.Helper()
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("child did not start: %v", err)
	}
	s := new(Server)
	if err := json.Unmarshal(line, s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // only after a failure is it still there
		if serves(context.Background(), s.Pid, s.Data) {
			_ = syscall.Kill(s.Pid, syscall.SIGQUIT)
		}
	})
	return s
}

// leave lets the child close its claim and end.
func (c *child) leave(t *testing.T) {
	t.Helper()
	c.stdin.Close()
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("child: %v", err)
	}
}

// kill ends the child and whatever it runs in the foreground, without warning.
func (c *child) kill() {
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	_ = c.cmd.Wait()
}

// project is a fresh project folder that any account can reach, unlike t.TempDir, emptied at the end.
func project(t testing.TB, name string) string {
	t.Helper()
	top, err := os.MkdirTemp("/tmp", "localpg-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	dir := filepath.Join(top, name)
	for _, d := range []string{top, dir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func mustStart(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Start(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if filepath.Dir(s.Dir) == "/dev/shm" || filepath.Dir(s.Dir) == "/var/tmp" {
			os.RemoveAll(s.Dir)
		}
	})
	return s
}

func connectTo(t testing.TB, s *Server, db string) *pgx.Conn {
	t.Helper()
	return dial(t, s.DSN(db, ""))
}

func dial(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(testContext(t), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func one[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(testContext(t), sql, args...).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func run(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(testContext(t), sql); err != nil {
		t.Fatal(err)
	}
}

// gone reports whether no server serves data any more.
func gone(t testing.TB, s *Server) bool {
	t.Helper()
	return !serves(testContext(t), s.Pid, s.Data)
}

// eventually polls for a change made by another process.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx := testContext(t)
	for !ok() {
		if err := pause(ctx, time.Millisecond); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}
