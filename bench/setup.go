package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/bench/floor"
	"vidan/internal/localpg"
	"vidan/internal/pg"
	"vidan/migrations"
	"vidan/procedure"
)

// stage is everything that runs during a benchmark.
type stage struct {
	Config
	database *localpg.Server
	admin    *pgx.Conn
	server   *server
	floor    *beside
	world    *world
	idle     float64 // MiB of a server that serves nobody
}

const (
	// maxGrants is over how many requests the prefills are spread: as many as are under way at once.
	maxGrants = 32
	// maxCouples is how many pairs of parents the newborns have: enough that what follows from one birth seldom waits for another's.
	maxCouples = 200
	// births is for how many children certificates are stored in the runs of all concurrencies together.
	births         = 3600
	sqlCreateFloor = `create database vidan_floor template template0`
	// sqlAnalyze gives the planner what it knows of any database that is some minutes old, for the tables that are full by now. The others stay as they
	// are: of tables that were found empty it would plan to read all, and go on so when they are full.
	sqlAnalyze = `analyze identifiers, vaults, vault_keys, people`
	// sqlCheckpoint lets the runs begin without a checkpoint to come.
	sqlCheckpoint = `checkpoint`
)

// setUp starts PostgreSQL as `make run` does, a server that was seeded and started anew, and the floor beside it.
func setUp(ctx context.Context, c Config) (_ *stage, err error) {
	s := &stage{Config: c}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("bench: %w", err), s.close())
		}
	}()
	if s.database, err = localpg.Start(ctx, localpg.Options{Project: c.Folder, Name: "dev", Log: c.Log}); err != nil {
		return nil, err
	}
	if s.admin, err = pgx.Connect(ctx, s.database.DSN("", "")); err != nil {
		return nil, err
	}
	if err = s.enrol(ctx); err != nil {
		return nil, err
	}
	args := []string{"serve", "--sandbox"}
	if c.Profile != "" {
		args = []string{"bench", "--as-server", "--profile", c.Profile}
	}
	if s.server, err = startServer(ctx, c.Binary, s.world.addr, args, s.settings()); err != nil {
		return nil, err
	}
	if err = s.rest(ctx); err != nil {
		return nil, err
	}
	if err = s.world.signIn(ctx, s.few(maxGrants)); err != nil {
		return nil, err
	}
	if err = s.startFloor(ctx); err != nil {
		return nil, err
	}
	return s, s.settle(ctx)
}

// enrol fills the database through a server that ends when everything that follows is done: what drawing keys and enrolling leaves in memory is not
// what an idle server has.
func (s *stage) enrol(ctx context.Context) error {
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	first, err := startServer(ctx, s.Binary, addr, []string{"serve", "--sandbox"}, s.settings())
	if err != nil {
		return err
	}
	children := s.few(maxGrants) + sampled + len(s.Concurrency)*(s.warmUp(slices.Max(s.Concurrency))+s.Rounds*s.birthsOfRun())
	s.say("enrolling %d children", children)
	if s.world, err = openWorld(ctx, first, s.few(maxCouples), children); err == nil {
		err = meter{admin: s.admin}.settled(ctx)
	}
	return errors.Join(err, first.stop())
}

// birthsOfRun is the most certificates that one run stores.
func (s *stage) birthsOfRun() int {
	if s.Requests > 0 {
		return s.Requests
	}
	return births / (len(s.Concurrency) * s.Rounds)
}

// few is n, or less where there are not so many requests anyway.
func (s *stage) few(n int) int {
	if s.Requests > 0 {
		n = min(n, s.Requests)
	}
	return n
}

// settings are those of a server on this stage.
func (s *stage) settings() []string { return []string{"VIDAN_DATA=" + s.Folder} }

// rest lets the server idle for a second and reads its memory.
func (s *stage) rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Second):
	}
	now, _, err := residentOf(s.server.pid())
	s.idle = mib(now)
	return err
}

func (s *stage) startFloor(ctx context.Context) error {
	if _, err := s.admin.Exec(ctx, sqlCreateFloor); err != nil {
		return err
	}
	if _, err := pg.Migrate(ctx, s.database.DSN("vidan_floor", ""), migrations.FS); err != nil {
		return err
	}
	catalogue, err := procedure.Load()
	if err != nil {
		return err
	}
	typ, ok := catalogue.Type(birthCertificate)
	if !ok {
		return fmt.Errorf("no document type %s", birthCertificate)
	}
	document, err := s.world.certificate(0)
	if err != nil {
		return err
	}
	spec := floor.Spec{DSN: s.database.DSN("vidan_floor", "vidan_serve"), Schema: typ.Schema(), Grants: s.few(maxGrants), Children: s.world.born}
	if spec.Document, err = json.Marshal(document); err != nil {
		return err
	}
	if spec.Payload, err = s.world.result(0); err != nil {
		return err
	}
	s.floor, err = startFloor(s.Binary, spec)
	return err
}

// settle brings both databases to the same state before anything is measured.
func (s *stage) settle(ctx context.Context) error {
	other, err := pgx.Connect(ctx, s.database.DSN("vidan_floor", ""))
	if err != nil {
		return err
	}
	defer other.Close(ctx)
	for _, conn := range []*pgx.Conn{s.admin, other} {
		if _, err := conn.Exec(ctx, sqlAnalyze); err != nil {
			return err
		}
	}
	_, err = s.admin.Exec(ctx, sqlCheckpoint)
	return err
}

func (s *stage) close() error {
	var errs []error
	if s.floor != nil {
		errs = append(errs, s.floor.stop())
	}
	if s.server != nil {
		errs = append(errs, s.server.stop())
	}
	if s.admin != nil {
		errs = append(errs, s.admin.Close(context.Background()))
	}
	if s.database != nil {
		errs = append(errs, s.database.Close())
	}
	return errors.Join(errs...)
}

// say tells what is going on.
func (s *stage) say(format string, args ...any) {
	if s.Log != nil {
		fmt.Fprintf(s.Log, "bench: "+format+"\n", args...)
	}
}

// key is where the server keeps its key-encryption key.
func (s *stage) key() string { return "file:" + filepath.Join(s.Folder, ".vidan", "kek.json") }

// Folder makes a temporary project folder that the database's account can reach.
func Folder() (string, error) {
	dir, err := os.MkdirTemp("", "vidan-bench-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}
