//go:build linux || darwin || freebsd

package localpg

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// strange is a folder name with all that has ever broken a path: spaces, both quotes, a comma, a dollar, Vietnamese
// letters composed and decomposed, and a length that no socket address has room for.
var strange = `ví dân's "dự án", $HOME * ` + "Nguye\u0302\u0303n " + strings.Repeat("đường dài ", 8)

// TestStrangePathAndEnvironment runs a cluster in such a folder, in a process whose environment means other servers (L6).
func TestStrangePathAndEnvironment(t *testing.T) {
	t.Parallel()
	if len(strange) < 120 {
		t.Fatalf("name of %d bytes", len(strange))
	}
	o := Options{Project: project(t, strange), Name: "dev"}
	c := spawn(t, o, nil, "PGPORT=1", "PGHOST=/nonexistent", "PGUSER=nobody", "PGDATABASE=nothing", "PGDATA=/nonexistent",
		"PGOPTIONS=-c statement_timeout=1", "PGSSLMODE=verify-full", "PGPASSWORD=wrong", "PGTZ=Mars/Olympus",
		"LC_ALL=vi_VN.nonsense", "LANG=xx", "TZ=Mars/Olympus", "PGCLIENTENCODING=LATIN1", "DATABASE_SECRET=canary")
	s := c.server(t)
	if want := filepath.Join(o.Project, ".vidan", "dev"); s.Dir != want {
		t.Errorf("dir = %s, want %s", s.Dir, want)
	}
	if !plainPath(s.Socket) || len(s.Socket) > socketPathMax {
		t.Errorf("socket directory %q", s.Socket)
	}
	if st, err := os.Stat(s.Socket); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("socket directory: %v %v, want mode 0700", st.Mode(), err)
	}
	conn := connectTo(t, s, DefaultDatabase)
	if got := one[string](t, conn, `select current_setting('timezone')`); got != "UTC" {
		t.Errorf("timezone = %s", got)
	}
	if env, err := os.ReadFile("/proc/" + itoa(s.Pid) + "/environ"); err == nil && strings.Contains(string(env), "canary") {
		t.Error("the server inherited a secret")
	}
	conn.Close(t.Context())
	c.leave(t)
	if _, err := os.Stat(s.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket directory stays: %v", err)
	}
}

// TestOrdinaryUser runs a memory cluster as an ordinary user, also when the tests run as root.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	dir := project(t, "vidan")
	cred := ordinary(t)
	if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	c := spawn(t, Options{Project: dir, Name: "test", Test: true}, cred)
	s := c.server(t)
	t.Cleanup(func() { os.RemoveAll(s.Dir) })
	st, err := os.Stat(s.Dir)
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("cluster directory: %v %v, want mode 0700", st.Mode(), err)
	}
	conn := connectTo(t, s, DefaultDatabase)
	for _, want := range [][2]string{{"fsync", "off"}, {"synchronous_commit", "on"}, {"autovacuum", "off"}} {
		if got := one[string](t, conn, `select current_setting($1)`, want[0]); got != want[1] {
			t.Errorf("%s = %s, want %s", want[0], got, want[1])
		}
	}
	conn.Close(t.Context())
	c.leave(t)
	if !gone(t, s) {
		t.Error("server still there")
	}
}

// TestUnreachableProject: below a folder that the server's account cannot enter, or where nobody can write, the data
// lies in the temporary area that survives a restart, keyed by the project.
func TestUnreachableProject(t *testing.T) {
	t.Parallel()
	dir := project(t, "vidan")
	closed := os.FileMode(0o700) // for root: the lesser account cannot pass
	if os.Geteuid() != 0 {
		closed = 0o555
	}
	if err := os.Chmod(dir, closed); err != nil {
		t.Fatal(err)
	}
	s := mustStart(t, Options{Project: dir, Name: "dev"})
	if filepath.Dir(s.Dir) != "/var/tmp" {
		t.Fatalf("cluster in %s", s.Dir)
	}
	run(t, connectTo(t, s, ""), `create table kept ()`)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// Once there it stays there, even if the project could be reached now.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	again := mustStart(t, Options{Project: dir, Name: "dev"})
	if again.Initialised || again.Dir != s.Dir {
		t.Errorf("a second cluster in %s", again.Dir)
	}
	run(t, connectTo(t, again, ""), `select from kept`)
}

// TestL7_SharedPlaces: what somebody else put where we would go is never used.
func TestL7_SharedPlaces(t *testing.T) {
	t.Parallel()
	a, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	top := project(t, "tmp")
	for name, plant := range map[string]func(path string) error{
		"link":   func(p string) error { return os.Symlink(top, p) },
		"file":   func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"socket": func(p string) error { return os.Symlink("/nonexistent", p) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			taken := filepath.Join(top, name)
			if err := plant(taken); err != nil {
				t.Fatal(err)
			}
			if err := makeSocketDir(taken, a); !errors.Is(err, ErrForeign) {
				t.Errorf("socket directory: %v, want ErrForeign", err)
			}
			if err := ownDir(taken, uint32(os.Geteuid()), 0o700); !errors.Is(err, ErrForeign) {
				t.Errorf("cluster directory: %v, want ErrForeign", err)
			}
		})
	}
	t.Run("too open", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(top, "open")
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := makeSocketDir(dir, a); err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("mode %v %v, want 0700", st.Mode(), err)
		}
	})
	t.Run("other owner", func(t *testing.T) {
		t.Parallel()
		if err := ownDir("/", uint32(os.Geteuid())+1, 0o700); !errors.Is(err, ErrForeign) {
			t.Errorf("err = %v, want ErrForeign", err)
		}
	})
}

// TestL7_TakenSocketName: a name taken in /tmp makes us use another, not fail and not follow.
func TestL7_TakenSocketName(t *testing.T) {
	t.Parallel()
	s := site{dir: "/" + strings.Repeat("x", 200), key: "0-test" + itoa(os.Getpid())}
	dirs := s.sockets(host{getenv: func(string) string { return "" }})
	if len(dirs) < 9 {
		t.Fatalf("%d places for a socket", len(dirs))
	}
	for _, d := range dirs {
		if len(d)+len("/.s.PGSQL."+port) > 103 {
			t.Errorf("%s is too long for a socket", d)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "..", "a/b", "Dev", "dev ", strings.Repeat("x", 17)} {
		if _, err := Start(context.Background(), Options{Project: "/tmp", Name: name}); err == nil {
			t.Errorf("name %q accepted", name)
		}
	}
	if _, err := Start(context.Background(), Options{Project: "/nonexistent", Name: "dev"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing project: %v", err)
	}
}
