//go:build linux || darwin || freebsd

package localpg

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestLife takes one durable cluster through everything that can happen to it.
func TestLife(t *testing.T) {
	t.Parallel()
	o := Options{Project: project(t, "vidan"), Name: "dev"}
	var log strings.Builder
	o.Log = &log

	// Cold.
	s := mustStart(t, o)
	if !s.Initialised || s.Adopted {
		t.Errorf("cold start: initialised %t, adopted %t", s.Initialised, s.Adopted)
	}
	if want := filepath.Join(o.Project, ".vidan", "dev"); s.Dir != want {
		t.Errorf("dir = %s, want %s", s.Dir, want)
	}
	if s.Socket != filepath.Join(s.Dir, "s") {
		t.Errorf("socket in %s, want it beside the data", s.Socket)
	}
	if !strings.Contains(log.String(), "is ready") {
		t.Errorf("log: %q", log.String())
	}
	t.Logf("cold: %+v", s.Took)
	conn := connectTo(t, s, "")
	for _, want := range [][2]string{
		{"current_user", Owner}, {"current_database()", DefaultDatabase}, {"current_setting('data_checksums')", "on"},
		{"current_setting('fsync')", "on"}, {"current_setting('listen_addresses')", ""}, {"current_setting('server_encoding')", "UTF8"},
	} {
		if got := one[string](t, conn, "select "+want[0]+"::text"); got != want[1] {
			t.Errorf("%s = %q, want %q", want[0], got, want[1])
		}
	}
	run(t, conn, `create role reader; create table kept (n int primary key); grant select on kept to reader`)
	conn.Close(t.Context())

	// Adopt while in use; the first to leave does not stop it (L4).
	second := mustStart(t, o)
	if !second.Adopted || second.Initialised || second.Pid != s.Pid || second.Socket != s.Socket {
		t.Errorf("second start: adopted %t, initialised %t, pid %d, want %d", second.Adopted, second.Initialised, second.Pid, s.Pid)
	}
	t.Logf("adopt: %+v", second.Took)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if gone(t, second) {
		t.Fatal("the first Close stopped a server in use")
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if !gone(t, second) {
		t.Fatal("the last Close left the server")
	}
	if _, err := os.Stat(s.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket directory stays: %v", err)
	}

	// A starter that is killed leaves a server that the next one adopts (L4).
	c := spawn(t, o, nil)
	left := c.server(t)
	if left.Adopted || left.Initialised {
		t.Errorf("warm start: adopted %t, initialised %t", left.Adopted, left.Initialised)
	}
	t.Logf("warm: %+v", left.Took)
	c.kill()
	s = mustStart(t, o)
	if !s.Adopted || s.Pid != left.Pid {
		t.Errorf("after a killed starter: adopted %t, pid %d, want %d", s.Adopted, s.Pid, left.Pid)
	}

	// A killed server loses nothing it acknowledged, although one of its backends is still busy.
	conn = connectTo(t, s, "")
	run(t, conn, `insert into kept select generate_series(1, 1000)`)
	busy := connectTo(t, s, "")
	go busy.Exec(context.Background(), `select count(*) from generate_series(1, 1000000000000) where random() > 2`)
	eventually(t, "busy backend", func() bool {
		return one[int](t, conn, `select count(*)::int from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and backend_type = 'client backend'`) == 1
	})
	if err := syscall.Kill(s.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "death of the server", func() bool { return gone(t, s) })
	again := mustStart(t, o)
	if again.Adopted || again.Pid == s.Pid {
		t.Errorf("after a killed server: adopted %t", again.Adopted)
	}
	t.Logf("after kill -9 of the server: %+v", again.Took)
	conn = connectTo(t, again, "")
	if n := one[int](t, conn, `select count(*)::int from kept`); n != 1000 {
		t.Errorf("%d rows after kill -9, want 1000", n)
	}

	// A second database in the same cluster, and a lesser role.
	o.Database = `second "đb"`
	other := mustStart(t, o)
	if got := one[string](t, connectTo(t, other, ""), `select current_database()`); got != o.Database {
		t.Errorf("database %q, want %q", got, o.Database)
	}
	o.Database = ""
	if got := connectAs(t, again.DSN("", "reader")); got != "reader" {
		t.Errorf("DSN with a role connects as %q", got)
	}

	// A server whose process we cannot see, as that of another container, is adopted and not doubled.
	path := filepath.Join(again.Data, "postmaster.pid")
	real, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(real), "\n")
	writePidFile(t, again, "4194303\n"+rest)
	unseen := mustStart(t, o)
	if !unseen.Adopted || unseen.Socket != again.Socket {
		t.Error("a server that answers was not adopted")
	}
	writePidFile(t, again, string(real))

	for _, claim := range []*Server{s, other, unseen, again} {
		if err := claim.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !gone(t, again) {
		t.Fatal("the last Close left the server")
	}

	// Stale pid files: of a process that is gone, of another program (our own), and an empty one.
	for _, content := range []string{pidFile(again.Pid, again), pidFile(os.Getpid(), again), ""} {
		writePidFile(t, again, content)
		s := mustStart(t, o)
		if s.Adopted {
			t.Errorf("adopted a server from the stale pid file %.20q", content)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func pidFile(pid int, s *Server) string {
	return strings.Join([]string{strconv.Itoa(pid), s.Data, "1790000000", port, s.Socket, "", "  5432001 0", "ready   "}, "\n") + "\n"
}

func writePidFile(t testing.TB, s *Server, content string) {
	t.Helper()
	path := filepath.Join(s.Data, "postmaster.pid")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.account.give(path); err != nil {
		t.Fatal(err)
	}
}

func connectAs(t testing.TB, dsn string) string {
	t.Helper()
	return one[string](t, dial(t, dsn), `select current_user::text`)
}

// TestL1_FourAtOnce: four processes start one cold cluster; one initdb, one server, and the last of them stops it.
func TestL1_FourAtOnce(t *testing.T) {
	t.Parallel()
	o := Options{Project: project(t, "vidan"), Name: "test", Test: true}
	children := make([]*child, 4)
	for i := range children {
		children[i] = spawn(t, o, nil)
	}
	var first *Server
	initialised, launched := 0, 0
	for _, c := range children {
		s := c.server(t)
		if first == nil {
			first = s
			t.Cleanup(func() { os.RemoveAll(s.Dir) })
		}
		if s.Initialised {
			initialised++
		}
		if !s.Adopted {
			launched++
		}
		if s.Pid != first.Pid {
			t.Errorf("server %d beside %d", s.Pid, first.Pid)
		}
		t.Logf("one of four, cold: %+v", s.Took)
	}
	if initialised != 1 || launched != 1 {
		t.Errorf("%d initdb, %d servers, want one of each", initialised, launched)
	}
	for i, c := range children {
		if gone(t, first) {
			t.Fatalf("server gone with %d users left", len(children)-i)
		}
		c.leave(t)
	}
	if !gone(t, first) {
		t.Error("the last one out left the server")
	}
}

// TestL3_KilledInitdb: a starter killed in the middle of initdb leaves nothing that the next one stumbles over.
func TestL3_KilledInitdb(t *testing.T) {
	t.Parallel()
	o := Options{Project: project(t, "vidan"), Name: "dev"}
	c := spawn(t, o, nil)
	dir := filepath.Join(o.Project, ".vidan", "dev")
	eventually(t, "initdb at work", func() bool {
		m, _ := filepath.Glob(filepath.Join(dir, unfinished+"*", "base", "1", "PG_VERSION"))
		return len(m) == 1
	})
	c.kill()
	s := mustStart(t, o)
	if !s.Initialised {
		t.Error("took over half a cluster")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, unfinished+"*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if n := one[int](t, connectTo(t, s, ""), `select 1`); n != 1 {
		t.Error("no answer")
	}
}

func TestStartWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	o := Options{Project: project(t, "vidan"), Name: "dev"}
	dir := filepath.Join(o.Project, ".vidan", "dev")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	held, err := acquire(testContext(t), filepath.Join(dir, "start.lock"), exclusive)
	if err != nil {
		t.Fatal(err)
	}
	defer held.release()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("Ctrl-C")
	cancel(why)
	if _, err := Start(ctx, o); !errors.Is(err, why) {
		t.Errorf("err = %v, want %v", err, why)
	}
}
