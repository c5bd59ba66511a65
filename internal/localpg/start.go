//go:build linux || darwin || freebsd

package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// claim is this process's share in a server: the users lock, held from Start to Close.
type claim struct {
	account account
	users   *lock
	closing sync.Once
	closed  error
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,15}$`)

// Start makes the cluster of o available and returns a claim on it, which Close gives up. It waits for another process
// that is starting or stopping the same cluster, as long as ctx allows.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := start(ctx, o, host{getenv: os.Getenv, globs: binaryGlobs, memory: "/dev/shm"})
	if err != nil {
		return nil, fmt.Errorf("localpg: %w", err)
	}
	return s, nil
}

// host is what Start takes from its surroundings.
type host struct {
	getenv func(string) string
	globs  []string // where distributions put PostgreSQL
	memory string   // memory file system
}

func start(ctx context.Context, o Options, h host) (_ *Server, err error) {
	began := time.Now()
	if !validName.MatchString(o.Name) {
		return nil, fmt.Errorf("cluster name %q: want lower-case letters, digits, -", o.Name)
	}
	if o.Database == "" {
		o.Database = DefaultDatabase
	}
	s := &Server{database: o.Database}
	if s.account, err = serverAccount(); err != nil {
		return nil, err
	}
	site, err := locate(o, h, s.account)
	if err != nil {
		return nil, err
	}
	s.Dir, s.Data, s.InMemory = site.dir, filepath.Join(site.dir, "data"), site.memory

	starting, err := acquire(ctx, filepath.Join(s.Dir, "start.lock"), exclusive)
	if err != nil {
		return nil, err
	}
	defer starting.release()
	if s.users, err = acquire(ctx, filepath.Join(s.Dir, "users.lock"), shared); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.users.release()
		}
	}()
	s.Took.Locks = time.Since(began)

	if err := s.prepare(ctx, o, h); err != nil {
		return nil, err
	}
	if err := s.run(ctx, o, site.sockets(h)); err != nil {
		return nil, err
	}
	step := time.Now()
	if err := s.ensureDatabase(ctx, o.Database); err != nil {
		return nil, err
	}
	s.Took.Database = time.Since(step)
	s.Took.Total = time.Since(began)
	o.logf("PostgreSQL %s is ready after %d ms (%s)", s.Version, s.Took.Total.Milliseconds(), s.Data)
	return s, nil
}

func (o Options) logf(format string, args ...any) {
	if o.Log != nil {
		fmt.Fprintf(o.Log, format+"\n", args...)
	}
}

// prepare finds the binaries and makes the cluster if there is none (L2, L3). It runs under the start lock.
func (s *Server) prepare(ctx context.Context, o Options, h host) error {
	sweepUnfinished(s.Dir)
	want := 0
	switch b, err := os.ReadFile(filepath.Join(s.Data, "PG_VERSION")); {
	case err == nil:
		if want, err = parseMajor(strings.TrimSpace(string(b))); err != nil {
			return fmt.Errorf("%s/PG_VERSION: %w", s.Data, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("look at the cluster: %w", err)
	}
	b, err := findBinaries(ctx, h, want, filepath.Join(s.Dir, "binaries"))
	if err != nil {
		if want != 0 {
			return fmt.Errorf("%w\n%s was made by PostgreSQL %d and needs that version; or move it away to begin anew", err, s.Data, want)
		}
		return err
	}
	s.Bin, s.Version = b.dir, b.version
	if want != 0 {
		return nil
	}
	o.logf("PostgreSQL %s makes a private cluster in %s", s.Version, s.Dir)
	step := time.Now()
	if err := s.initialise(ctx, o); err != nil {
		return err
	}
	s.Initialised, s.Took.Init = true, time.Since(step)
	return nil
}

// unclearFor is how long an empty pid file may be that of a server being started: PostgreSQL makes the file and writes
// it microseconds later.
const unclearFor = time.Second

// run adopts the server that serves s.Data, or launches one. It runs under the start lock, so that any server it sees
// coming up was launched by a starter that has been killed.
func (s *Server) run(ctx context.Context, o Options, sockets []string) error {
	step := time.Now()
	defer func() { s.Took.Launch = time.Since(step) }()
	for {
		p, err := s.postmaster(ctx)
		if err != nil {
			return err
		}
		switch {
		case p.state == ready:
			s.Adopted, s.Pid, s.Socket = true, p.pid, p.socket
			return nil
		case p.state == absent:
			return s.launch(ctx, o, sockets)
		case p.state == blocked, p.state == unclear && time.Since(step) > unclearFor:
			if err := os.Remove(s.pidFile()); err != nil {
				return fmt.Errorf("remove stale pid file: %w", err)
			}
		default:
			if err := pause(ctx, time.Millisecond); err != nil {
				return fmt.Errorf("wait for another server process: %w", err)
			}
		}
	}
}

// connect dials the server in the socket directory as its owner.
func connect(ctx context.Context, socket, db string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(dsn(socket, db, ""))
	if err != nil {
		return nil, err
	}
	delete(cfg.RuntimeParams, "timezone") // PGTZ
	return pgx.ConnectConfig(ctx, cfg)
}

// ensureDatabase creates db unless it exists. A fresh cluster's own "postgres" is renamed instead: that takes no copy of
// a database, which on a slow disk costs as much as all the rest of a cold start.
func (s *Server) ensureDatabase(ctx context.Context, db string) error {
	fail := func(err error) error { return fmt.Errorf("make database %s: %w", db, err) }
	if !s.Initialised {
		conn, err := connect(ctx, s.Socket, db)
		if err == nil {
			return conn.Close(ctx)
		}
		if !isMissingDatabase(err) {
			return fail(err)
		}
	}
	conn, err := connect(ctx, s.Socket, "template1")
	if err != nil {
		return fail(err)
	}
	defer conn.Close(ctx)
	sql := "create database " + pgx.Identifier{db}.Sanitize() + " template template0"
	if s.Initialised {
		sql = "alter database postgres rename to " + pgx.Identifier{db}.Sanitize()
	}
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fail(err)
	}
	return nil
}

// Close gives up the claim. The last claim of all processes stops the server and waits until it is gone. Further calls
// return the first one's answer.
func (s *Server) Close() error {
	s.closing.Do(func() {
		if err := s.leave(); err != nil {
			s.closed = fmt.Errorf("localpg: stop: %w", err)
		}
	})
	return s.closed
}

// closeWithin bounds how long Close waits for other starters and for the server's last checkpoint.
const closeWithin = time.Minute

func (s *Server) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	defer s.users.release()
	starting, err := acquire(ctx, filepath.Join(s.Dir, "start.lock"), exclusive)
	if err != nil {
		return err
	}
	defer starting.release()
	switch last, err := s.users.tryExclusive(); {
	case err != nil:
		return err
	case !last:
		return nil
	}
	return s.stop(ctx)
}
