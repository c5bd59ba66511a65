package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/localpg"
	"vidan/internal/pg"
)

// cluster is this process's share in the server.
type cluster struct {
	server *localpg.Server // nil for TEST_DATABASE_URL
	base   string          // address of the maintenance database, "" with a server of our own
	admin  *pgxpool.Pool   // on the maintenance database
	life   *pgx.Conn       // holds the lock that says this run lives (D2), and those of the templates it uses

	run    string       // names the databases of this process
	clones atomic.Int64 // how many there have been

	mu        sync.Mutex // guards the maps, and use of life
	templates map[string]string
	pools     map[string]*pgxpool.Pool

	work sync.WaitGroup // drops and sweeps under way
	busy chan struct{}  // bounds drops at the same time
}

// process is the state of the test process: one cluster, joined by the first test that needs it.
var process struct {
	main        bool
	interrupted atomic.Bool
	once        sync.Once
	cluster     *cluster
	err         error
}

// join returns the process's cluster.
func join(t testing.TB) *cluster {
	t.Helper()
	if !process.main {
		t.Fatal("this package's tests need: func TestMain(m *testing.M) { pgtest.Main(m) }")
	}
	if process.interrupted.Load() {
		select {} // rather than fail one test after the other until the process ends
	}
	process.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
		defer cancel()
		process.cluster, process.err = start(ctx)
	})
	if process.err != nil {
		t.Fatal(process.err)
	}
	return process.cluster
}

// leave gives up the process's share, if it has one.
func leave() error {
	process.once.Do(func() { process.err = errors.New("pgtest: the tests are over") })
	if process.cluster == nil {
		return nil
	}
	return process.cluster.close()
}

// interrupted gives up the server in the middle of everything; databases are swept by the next run.
func interrupted() {
	process.interrupted.Store(true)
	process.once.Do(func() { process.err = errors.New("pgtest: interrupted") })
	if process.cluster != nil && process.cluster.server != nil {
		_ = process.cluster.server.Close()
	}
}

func start(ctx context.Context) (_ *cluster, err error) {
	c := &cluster{
		base:      os.Getenv("TEST_DATABASE_URL"),
		templates: map[string]string{}, pools: map[string]*pgxpool.Pool{},
		busy: make(chan struct{}, 2),
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("pgtest: %w", err)
			_ = c.close()
		}
	}()
	if c.base == "" {
		root, err := moduleRoot()
		if err != nil {
			return nil, err
		}
		if c.server, err = localpg.Start(ctx, localpg.Options{Project: root, Name: "test", Test: true}); err != nil {
			return nil, err
		}
	}
	if c.admin, err = pg.Open(ctx, c.dsn("", ""), pg.Config{
		AppName: "pgtest", MaxConns: 4, AcquireTimeout: patience, StatementTimeout: 2 * patience, LockTimeout: 2 * patience,
	}); err != nil {
		return nil, err
	}
	conn, err := c.admin.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	c.life = conn.Hijack()
	raw := make([]byte, 4)
	if _, err := rand.Read(raw); err != nil {
		return nil, err
	}
	c.run = hex.EncodeToString(raw)
	if err := c.hold(ctx, sqlHold, runKey(c.run)); err != nil {
		return nil, err
	}
	c.background(func(ctx context.Context) { // what stays is swept by the next run
		_ = c.sweep(ctx)
		_ = c.vacuum(ctx)
	})
	return c, nil
}

// moduleRoot is the folder of go.mod: tests run in the folder of their package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the tests")
		}
		dir = filepath.Dir(dir)
	}
}

// dsn is the address of a database of the cluster; "" is the maintenance database.
func (c *cluster) dsn(db, role string) string {
	if c.server != nil {
		return c.server.DSN(db, role)
	}
	options := ""
	if role != "" {
		options = "-c role=" + role
	}
	u, err := url.Parse(c.base)
	if err != nil || u.Scheme == "" { // keyword=value: later ones win
		dsn := c.base
		if db != "" {
			dsn += " dbname='" + db + "'"
		}
		if options != "" {
			dsn += " options='" + options + "'"
		}
		return dsn
	}
	if db != "" {
		u.Path = "/" + db
	}
	if options != "" {
		q := u.Query()
		q.Set("options", options)
		u.RawQuery = q.Encode()
	}
	return u.String()
}

// Names of databases: vidan_t_FINGERPRINT (templates), vidan_s_FINGERPRINT (shared by Rollback), vidan_c_RUN_NUMBER.
const (
	templatePrefix = "vidan_t_"
	sharedPrefix   = "vidan_s_"
	clonePrefix    = "vidan_c_"
)

const (
	sqlHold       = `select pg_advisory_lock($1)`
	sqlHoldShared = `select pg_advisory_lock_shared($1)`
	sqlRelease    = `select pg_advisory_unlock($1)`
	sqlTryHold    = `select pg_try_advisory_lock($1)`
	sqlComplete   = `select coalesce((select datistemplate from pg_database where datname = $1), false)`
	sqlExists     = `select exists (select from pg_database where datname = $1)`
)

func runKey(run string) int64       { return int64(pg.NewLockKey("pgtest run", []byte(run))) }
func buildKey(name string) int64    { return int64(pg.NewLockKey("pgtest build", []byte(name))) }
func templateKey(name string) int64 { return int64(pg.NewLockKey("pgtest template", []byte(name))) }

// hold takes a lock for the life of this process.
func (c *cluster) hold(ctx context.Context, sql string, key int64) error {
	_, err := c.life.Exec(ctx, sql, key)
	return err
}

// template returns the name of a complete template with the schema of files, making it if no process has yet (D3).
func (c *cluster) template(ctx context.Context, files fs.FS) (string, error) {
	fingerprint, err := pg.Fingerprint(files)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if name, ok := c.templates[fingerprint]; ok {
		return name, nil
	}
	name := templatePrefix + fingerprint[:16]
	if err := c.hold(ctx, sqlHoldShared, templateKey(name)); err != nil { // it is not swept while we use it
		return "", fmt.Errorf("pgtest: hold template: %w", err)
	}
	err = c.built(ctx, name, func() error {
		var complete bool
		if err := c.admin.QueryRow(ctx, sqlComplete, name).Scan(&complete); err != nil || complete {
			return err
		}
		return c.build(ctx, name, files)
	})
	if err != nil {
		return "", fmt.Errorf("pgtest: make template: %w", err)
	}
	c.templates[fingerprint] = name
	return name, nil
}

// built runs make while no other process makes the same database.
func (c *cluster) built(ctx context.Context, name string, make func() error) error {
	if err := c.hold(ctx, sqlHold, buildKey(name)); err != nil {
		return err
	}
	err := make()
	_, release := c.life.Exec(ctx, sqlRelease, buildKey(name))
	return errors.Join(err, release)
}

func (c *cluster) build(ctx context.Context, name string, files fs.FS) error {
	for _, sql := range []string{`drop database if exists ` + name + ` with (force)`, `create database ` + name + ` template template0`} {
		if _, err := c.admin.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if _, err := pg.Migrate(ctx, c.dsn(name, ""), files); err != nil {
		return err
	}
	// Nobody can connect to it any more, so that copies never meet a connection; then it is complete.
	_, err := c.admin.Exec(ctx, `alter database `+name+` with allow_connections false is_template true`)
	return err
}

// clone makes a database of this run from the template.
func (c *cluster) clone(ctx context.Context, template string) (string, error) {
	name := clonePrefix + c.run + "_" + strconv.FormatInt(c.clones.Add(1), 10)
	return name, c.copy(ctx, template, name)
}

// copy makes a database from a template. Copying files is the fastest way in memory and the slowest on a disk.
func (c *cluster) copy(ctx context.Context, template, name string) error {
	sql := `create database ` + name + ` template ` + template
	if c.server != nil && c.server.InMemory {
		sql += ` strategy file_copy`
	}
	if _, err := c.admin.Exec(ctx, sql); err != nil {
		return fmt.Errorf("pgtest: copy template: %w", err)
	}
	return nil
}

// shared returns a pool on the database that the Rollback tests of all processes share.
func (c *cluster) shared(ctx context.Context, files fs.FS) (*pgxpool.Pool, error) {
	template, err := c.template(ctx, files)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if pool, ok := c.pools[template]; ok {
		return pool, nil
	}
	name := sharedPrefix + strings.TrimPrefix(template, templatePrefix)
	err = c.built(ctx, name, func() error {
		var exists bool
		if err := c.admin.QueryRow(ctx, sqlExists, name).Scan(&exists); err != nil || exists {
			return err
		}
		return c.copy(ctx, template, name)
	})
	if err != nil {
		return nil, err
	}
	pool, err := pg.Open(ctx, c.dsn(name, ""), pg.Config{
		Role: Serve, AppName: "pgtest", MaxConns: 16, AcquireTimeout: 2 * patience, StatementTimeout: patience, IdleTimeout: 2 * patience,
	})
	if err != nil {
		return nil, err
	}
	c.pools[template] = pool
	return pool, nil
}

// Private starts a durable server for one test that has to configure, kill or restart it, and stops it at the end.
func Private(t testing.TB) *localpg.Server {
	t.Helper()
	dir := t.TempDir()
	s, err := localpg.Start(limited(t), localpg.Options{Project: dir, Name: "private"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(s.Dir) // outside dir when the server's account cannot reach that
	})
	return s
}
