package seal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/identity"
	"vidan/internal/keyring"
	"vidan/internal/pgtest"
	"vidan/seal"
)

// stock is a bundle whose keys lie in a database, with a cache before it whose clock the test moves.
type stock struct {
	*bundle
	base    *pgtest.DB
	pool    *pgxpool.Pool // as the service
	db      *counting
	vaults  *seal.Vaults
	elapsed atomic.Int64
}

func newStock(t *testing.T, cfg seal.CacheConfig) *stock {
	t.Helper()
	s := &stock{bundle: setup(t), base: pgtest.New(t)}
	s.pool = s.base.Pool
	s.db = &counting{Querier: s.pool}
	s.store(t, s.anRows)
	s.vaults = must(seal.NewVaults(s.Deployment, cfg, s.now))(t)
	t.Cleanup(s.vaults.Close)
	return s
}

func (s *stock) now() time.Time {
	return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC).Add(time.Duration(s.elapsed.Load()))
}

func (s *stock) pass(d time.Duration) { s.elapsed.Add(int64(d)) }

func (s *stock) store(t *testing.T, rows []seal.WrappedKey) {
	t.Helper()
	b := new(pgx.Batch)
	seal.QueueVaultKeys(b, rows, s.now())
	if err := s.pool.SendBatch(t.Context(), b).Close(); err != nil {
		t.Fatal(err)
	}
}

func (s *stock) newVault(t *testing.T) identity.VaultID {
	t.Helper()
	v := identity.NewVaultID()
	_, rows, err := s.NewVault(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	s.store(t, rows)
	return v
}

func (s *stock) destroy(t *testing.T, v identity.VaultID) {
	t.Helper()
	tag, err := s.pool.Exec(t.Context(), `update vault_keys set state = 'destroyed', wrapped = '' where vault_id = $1`, v)
	if err != nil || tag.RowsAffected() != 3 {
		t.Fatalf("destroyed %d rows, %v", tag.RowsAffected(), err)
	}
}

func (s *stock) reads(t *testing.T, sealed []byte) {
	t.Helper()
	keys, err := s.vaults.OpenOne(t.Context(), s.db, s.an)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := keys.Open(seal.Content, s.header(), sealed); err != nil || !bytes.Equal(got, secret) {
		t.Fatalf("got %q, %v", got, err)
	}
}

// counting counts queries.
type counting struct {
	seal.Querier
	n atomic.Int32
}

func (c *counting) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.n.Add(1)
	return c.Querier.Query(ctx, sql, args...)
}

func TestSeveralVaultsInOneQuery(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	second, third, unknown := s.newVault(t), s.newVault(t), identity.NewVaultID()
	keys := must(s.vaults.Open(t.Context(), s.db, s.an, second, third, unknown, s.an))(t)
	if len(keys) != 3 || keys[s.an].Vault() != s.an || keys[second].Vault() != second || keys[unknown] != nil {
		t.Errorf("got keys of %d vaults", len(keys))
	}
	if s.db.n.Load() != 1 {
		t.Errorf("%d queries, want 1", s.db.n.Load())
	}
	if again := must(s.vaults.Open(t.Context(), s.db, third, s.an))(t); len(again) != 2 || s.db.n.Load() != 1 {
		t.Errorf("held keys took %d queries", s.db.n.Load()-1)
	}
	if _, err := s.vaults.OpenOne(t.Context(), s.db, unknown); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("unknown vault: %v, want ErrNoKeys", err)
	}
	if keys := must(s.vaults.Open(t.Context(), s.db))(t); len(keys) != 0 {
		t.Error("no vaults have keys")
	}
	s.reads(t, must(s.ofAn.Seal(seal.Content, s.header(), secret))(t))
}

func TestA3_CachedReadsOutliveTheKMS(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	other := s.newVault(t)
	sealed := must(s.ofAn.Seal(seal.Content, s.header(), secret))(t)
	s.reads(t, sealed)

	s.kek.Down()
	for _, step := range []time.Duration{0, 4 * time.Minute, 2 * time.Minute, 0, 4 * time.Minute, 4*time.Minute + 59*time.Second} {
		s.pass(step)
		s.reads(t, sealed)
	}
	if _, err := s.vaults.OpenOne(t.Context(), s.db, other); !errors.Is(err, seal.ErrKeysUnavailable) {
		t.Errorf("a vault not held: %v, want ErrKeysUnavailable", err)
	}
	if keys, err := s.vaults.Open(t.Context(), s.db, s.an, other); !errors.Is(err, seal.ErrKeysUnavailable) || keys != nil {
		t.Errorf("one held, one not: %v, want ErrKeysUnavailable", err)
	}
	if _, rows, err := s.NewVault(t.Context(), identity.NewVaultID()); !errors.Is(err, seal.ErrKeysUnavailable) || rows != nil {
		t.Errorf("a new vault: %v, want ErrKeysUnavailable and nothing to store", err)
	}
	s.pass(time.Minute) // 15 minutes and 59 seconds
	if _, err := s.vaults.OpenOne(t.Context(), s.db, s.an); !errors.Is(err, seal.ErrKeysUnavailable) {
		t.Errorf("after the life of the keys: %v, want ErrKeysUnavailable", err)
	}
	s.kek.Heal()
	s.reads(t, sealed)
	must(s.vaults.OpenOne(t.Context(), s.db, other))(t)
}

func TestA3_SlowKMS(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{Patience: time.Millisecond})
	sealed := must(s.ofAn.Seal(seal.Content, s.header(), secret))(t)
	other := s.newVault(t)
	s.reads(t, sealed)
	s.kek.Slow(make(chan struct{})) // for ever
	s.pass(6 * time.Minute)
	s.reads(t, sealed)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.vaults.OpenOne(short, s.db, other); !errors.Is(err, seal.ErrKeysUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a vault not held: %v, want ErrKeysUnavailable", err)
	}
}

func TestA3_WrongKeyIsNoOutage(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	s.reads(t, must(s.ofAn.Seal(seal.Content, s.header(), secret))(t))
	s.kek.WrongKey()
	s.pass(6 * time.Minute)
	if _, err := s.vaults.OpenOne(t.Context(), s.db, s.an); !errors.Is(err, seal.ErrKeyset) {
		t.Errorf("renewal under a wrong key: %v, want ErrKeyset", err)
	}
}

func TestMissesAreShared(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	before := s.kek.Calls()
	release := make(chan struct{})
	s.kek.Slow(release)
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			if _, err := s.vaults.OpenOne(t.Context(), s.db, s.an); err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	group.Wait()
	if queries, calls := s.db.n.Load(), s.kek.Calls()-before; queries != 1 || calls != 3 {
		t.Errorf("%d queries and %d unwrappings for 100 callers, want 1 and 3", queries, calls)
	}
}

func TestOneRenews(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	sealed := must(s.ofAn.Seal(seal.Content, s.header(), secret))(t)
	s.reads(t, sealed)
	for range 3 {
		before := s.db.n.Load()
		s.pass(6 * time.Minute)
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if _, err := s.vaults.OpenOne(t.Context(), s.db, s.an); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if n := s.db.n.Load() - before; n != 1 {
			t.Errorf("%d queries to renew, want 1", n)
		}
	}
	s.reads(t, sealed) // 18 minutes after the first unwrapping: renewal prolongs
}

// One caller's cancellation does not fail those who wait with it.
func TestCancelledCallerHarmsNobody(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	release, ctx := make(chan struct{}), context.Background()
	s.kek.Slow(release)
	first, cancel := context.WithCancel(ctx)
	entered := make(chan struct{})
	gate := &signalling{Querier: s.db, entered: entered}
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := s.vaults.OpenOne(first, gate, s.an); err == nil {
			t.Error("the cancelled caller got keys")
		}
	})
	<-entered
	group.Go(func() {
		if _, err := s.vaults.OpenOne(ctx, s.db, s.an); err != nil {
			t.Errorf("the caller who waited: %v", err)
		}
	})
	cancel()
	close(release)
	group.Wait()
}

// signalling says when it was first asked, and then waits until its context ends.
type signalling struct {
	seal.Querier
	entered chan struct{}
	once    sync.Once
}

func (q *signalling) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	q.once.Do(func() { close(q.entered) })
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestErasedVaultIsForgotten(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	must(s.vaults.OpenOne(t.Context(), s.db, s.an))(t)
	s.destroy(t, s.an)
	s.vaults.Forget(s.an)
	if _, err := s.vaults.OpenOne(t.Context(), s.db, s.an); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("here: %v, want ErrNoKeys", err)
	}
	// Another server, which nobody told, follows when the keys are no longer fresh.
	other := s.newVault(t)
	must(s.vaults.OpenOne(t.Context(), s.db, other))(t)
	s.destroy(t, other)
	s.pass(6 * time.Minute)
	if _, err := s.vaults.OpenOne(t.Context(), s.db, other); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("elsewhere: %v, want ErrNoKeys", err)
	}
	if keys := must(s.vaults.Open(t.Context(), s.db, other, s.an))(t); len(keys) != 0 {
		t.Error("erased vaults have keys")
	}
}

// A vault forgotten while its keys are on their way, or being renewed, stays forgotten.
func TestForgetWinsAgainstALoad(t *testing.T) {
	t.Parallel()
	for _, renewing := range []bool{false, true} {
		t.Run(fmt.Sprintf("renewing %v", renewing), func(t *testing.T) {
			t.Parallel()
			s := newStock(t, seal.CacheConfig{Patience: time.Minute})
			if renewing {
				must(s.vaults.OpenOne(t.Context(), s.db, s.an))(t)
				s.pass(6 * time.Minute)
			}
			release := make(chan struct{})
			s.kek.Slow(release)
			calls := s.kek.Calls()
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = s.vaults.OpenOne(context.WithoutCancel(t.Context()), s.db, s.an)
			}()
			for s.kek.Calls() == calls { // until the rows were read and the KEK was asked
				select {
				case <-done:
					t.Fatal("the load ended before the key-encryption key answered")
				default:
				}
			}
			s.destroy(t, s.an)
			s.vaults.Forget(s.an)
			close(release)
			<-done
			if keys := must(s.vaults.Open(t.Context(), s.db, s.an))(t); len(keys) != 0 {
				t.Error("the erased vault is still held")
			}
		})
	}
}

func TestAlteredRowsAreFound(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	other := s.newVault(t)
	// Somebody who can write gives one vault the keys of another.
	if _, err := s.base.Owner(t).Exec(t.Context(), `delete from vault_keys where vault_id = $1`, other); err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(t.Context(), `insert into vault_keys (vault_id, purpose, keyset_id, kek_epoch, state, wrapped, created_at)
		select $1, purpose, keyset_id, kek_epoch, state, wrapped, created_at from vault_keys where vault_id = $2`, other, s.an); err != nil {
		t.Fatal(err)
	}
	if _, err := s.vaults.OpenOne(t.Context(), s.db, other); !errors.Is(err, seal.ErrKeyset) {
		t.Errorf("got %v, want ErrKeyset", err)
	}
}

func TestManyVaultsInParallel(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{Size: 16})
	all := []identity.VaultID{s.an}
	for range 31 {
		all = append(all, s.newVault(t))
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 60 {
				two := []identity.VaultID{all[(i*7+j)%32], all[(i*3+j*5)%32]}
				keys, err := s.vaults.Open(t.Context(), s.db, two...)
				if err != nil {
					t.Error(err)
					return
				}
				for _, v := range two {
					if keys[v].Vault() != v {
						t.Errorf("asked for %s, got %s", v, keys[v].Vault())
					}
				}
				switch j % 10 {
				case 3:
					s.vaults.Forget(two[0])
				case 7:
					s.pass(time.Minute)
				}
			}
		})
	}
	group.Wait()
}

func TestCacheRefusesNonsense(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, f := range map[string]func() (*seal.Vaults, error){
		"no deployment": func() (*seal.Vaults, error) { return seal.NewVaults(nil, seal.CacheConfig{}, time.Now) },
		"no clock":      func() (*seal.Vaults, error) { return seal.NewVaults(b.Deployment, seal.CacheConfig{}, nil) },
		"a negative size": func() (*seal.Vaults, error) {
			return seal.NewVaults(b.Deployment, seal.CacheConfig{Size: -1}, time.Now)
		},
		"life shorter than fresh": func() (*seal.Vaults, error) {
			return seal.NewVaults(b.Deployment, seal.CacheConfig{Life: time.Second}, time.Now)
		},
	} {
		if v, err := f(); err == nil || v != nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestDeploymentFromRows(t *testing.T) {
	t.Parallel()
	b, pool := setup(t), pgtest.New(t).Pool
	batch := new(pgx.Batch)
	seal.QueueDeploymentKeys(batch, b.rows, time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC))
	if err := pool.SendBatch(t.Context(), batch).Close(); err != nil {
		t.Fatal(err)
	}
	d := must(seal.LoadDeployment(t.Context(), pool, b.kek, b.id))(t)
	if d.Digest(seal.PersonalNumber, "099326000004") != b.Digest(seal.PersonalNumber, "099326000004") {
		t.Error("loaded, the deployment digests otherwise")
	}
	if err := d.VerifyMAC("grants", grantRow(b), b.MAC("grants", grantRow(b))); err != nil {
		t.Error(err)
	}
	if _, err := seal.LoadDeployment(t.Context(), pool, openOtherKEK(t), b.id); !errors.Is(err, seal.ErrKeyset) {
		t.Errorf("another key-encryption key: %v, want ErrKeyset", err)
	}
	if _, err := seal.LoadDeployment(t.Context(), pgtest.New(t).Pool, b.kek, b.id); !errors.Is(err, seal.ErrKeyset) {
		t.Errorf("no rows: %v, want ErrKeyset", err)
	}
}

// T3: keys are read and written in every protocol mode that a pooler may force.
func TestEveryProtocolMode(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe,
		pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		t.Run(mode.String(), func(t *testing.T) {
			cfg := s.pool.Config()
			cfg.ConnConfig.DefaultQueryExecMode = mode
			pool := must(pgxpool.NewWithConfig(t.Context(), cfg))(t)
			defer pool.Close()
			v := identity.NewVaultID()
			_, rows, err := s.NewVault(t.Context(), v)
			if err != nil {
				t.Fatal(err)
			}
			b := new(pgx.Batch)
			seal.QueueVaultKeys(b, rows, s.now())
			if err := pool.SendBatch(t.Context(), b).Close(); err != nil {
				t.Fatal(err)
			}
			must(s.vaults.OpenOne(t.Context(), pool, v))(t)
		})
	}
}

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	conn := pgtest.Rollback(t).Conn()
	for name, sql := range seal.Statements() {
		if _, err := conn.Prepare(t.Context(), name, sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func openOtherKEK(t *testing.T) keyring.KEK { return openKEK(t, setup(t).uri) }
