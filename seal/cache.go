package seal

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"vidan/identity"
)

// CacheConfig bounds what Vaults keeps. A zero field takes its default.
type CacheConfig struct {
	// Size is the largest number of vaults; one takes 3.1 KB (default 10,000, 31 MB).
	Size int
	// Fresh is how long keys are used without looking at their rows again (default 5 minutes).
	Fresh time.Duration
	// Life is how long keys are used at most after they were last unwrapped, when the key-encryption key does not
	// answer; then they are dropped (default 15 minutes). A3's "bounded time" is between Life − Fresh and Life.
	Life time.Duration
	// Patience is how long a caller whose keys are still alive waits for fresh ones, and how long nobody tries again
	// after that failed (default 1 second).
	Patience time.Duration
}

// Vaults keeps the opened keysets of vaults for a short time and a bounded number of them. It is safe for concurrent
// use: callers who miss the same vault at once share one query and one unwrapping.
type Vaults struct {
	masked
	d     *Deployment
	cfg   CacheConfig
	now   func() time.Time
	cache *otter.Cache[identity.VaultID, *cached]
	// forgotten counts the calls of Forget, for readings that are under way meanwhile.
	forgotten *atomic.Uint64
}

// cached is an entry. Only renewAt changes: whoever moves it forward is the one that renews.
type cached struct {
	keys    *Keys
	renewAt atomic.Int64 // nanoseconds since 1970
}

// NewVaults makes an empty cache. Close ends its one goroutine, which drops keys when their life is over.
func NewVaults(d *Deployment, cfg CacheConfig, now func() time.Time) (*Vaults, error) {
	if d == nil || now == nil {
		return nil, errors.New("seal: a cache of vault keys needs a deployment and a clock")
	}
	if cfg.Size == 0 {
		cfg.Size = 10_000
	}
	if cfg.Fresh == 0 {
		cfg.Fresh = 5 * time.Minute
	}
	if cfg.Life == 0 {
		cfg.Life = 15 * time.Minute
	}
	if cfg.Patience == 0 {
		cfg.Patience = time.Second
	}
	if cfg.Size < 0 || cfg.Patience < 0 || cfg.Fresh < 0 || cfg.Life < cfg.Fresh {
		return nil, errors.New("seal: a cache of vault keys needs positive bounds, and a life not shorter than its freshness")
	}
	cache, err := otter.New(&otter.Options[identity.VaultID, *cached]{
		MaximumSize:      cfg.Size,
		ExpiryCalculator: otter.ExpiryWriting[identity.VaultID, *cached](cfg.Life),
		Clock:            cacheClock{now},
	})
	if err != nil {
		return nil, fmt.Errorf("cache of vault keys: %w", err)
	}
	return &Vaults{d: d, cfg: cfg, now: now, cache: cache, forgotten: new(atomic.Uint64)}, nil
}

// Open returns the opened keys of the vaults, those it does not hold from one query on db. A vault without keys
// (unknown or erased) is absent from the answer. Errors: ErrKeysUnavailable when keys are needed that cannot be
// unwrapped now (C10), ErrKeyset, and those of db. It is called before a transaction begins, not within.
func (v *Vaults) Open(ctx context.Context, db Querier, ids ...identity.VaultID) (map[identity.VaultID]*Keys, error) {
	keys := make(map[identity.VaultID]*Keys, len(ids))
	var missing []identity.VaultID
	var due map[identity.VaultID]*cached
	for _, id := range ids {
		entry, found := v.cache.GetIfPresent(id)
		switch {
		case !found:
			missing = append(missing, id)
			continue
		case v.claim(entry):
			if due == nil {
				due = make(map[identity.VaultID]*cached)
			}
			due[id] = entry
		}
		keys[id] = entry.keys
	}
	if len(missing) > 0 {
		entries, err := v.cache.BulkGet(ctx, missing, v.loader(db))
		if err != nil {
			return nil, err
		}
		for id, entry := range entries {
			keys[id] = entry.keys
		}
	}
	if len(due) > 0 {
		if err := v.renew(ctx, db, due, keys); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// OpenOne is Open for one vault; a vault without keys is ErrNoKeys.
func (v *Vaults) OpenOne(ctx context.Context, db Querier, id identity.VaultID) (*Keys, error) {
	if entry, found := v.cache.GetIfPresent(id); found && v.now().UnixNano() < entry.renewAt.Load() {
		return entry.keys, nil
	}
	keys, err := v.Open(ctx, db, id)
	if err != nil {
		return nil, err
	}
	if keys[id] == nil {
		return nil, fmt.Errorf("vault %s: %w", id, ErrNoKeys)
	}
	return keys[id], nil
}

// Forget drops the keys of a vault, also those that are being loaded. Whoever changes vault_keys calls it after the
// commit; other replicas follow within Fresh.
func (v *Vaults) Forget(id identity.VaultID) {
	v.forgotten.Add(1)
	v.cache.Invalidate(id)
}

// Close ends the goroutine and drops all keys.
func (v *Vaults) Close() {
	v.cache.StopAllGoroutines()
	v.cache.InvalidateAll()
}

// claim reports whether this caller is the one to renew the entry now.
func (v *Vaults) claim(entry *cached) bool {
	now, at := v.now(), entry.renewAt.Load()
	return now.UnixNano() >= at && entry.renewAt.CompareAndSwap(at, now.Add(v.cfg.Patience).UnixNano())
}

// renew replaces entries whose freshness is over. Keys that are still alive stay in use while the key-encryption key
// does not answer (A3); keys whose rows are gone, or no longer theirs, do not.
func (v *Vaults) renew(ctx context.Context, db Querier, due map[identity.VaultID]*cached, keys map[identity.VaultID]*Keys) error {
	ids := make([]identity.VaultID, 0, len(due))
	for id := range due {
		ids = append(ids, id)
	}
	rows, err := vaultKeys(ctx, db, ids)
	if err != nil {
		return err
	}
	patient, cancel := context.WithTimeout(ctx, v.cfg.Patience)
	defer cancel()
	for id, old := range due {
		fresh, err := v.open(patient, id, rows[id])
		switch {
		case errors.Is(err, ErrNoKeys):
			v.cache.Invalidate(id)
			delete(keys, id)
		case errors.Is(err, ErrKeysUnavailable) && ctx.Err() == nil:
			// keys[id] stays what it is until its life ends
		case err != nil:
			return err
		default:
			keys[id] = fresh.keys
			// Written only over the entry it renews: one that was forgotten meanwhile stays forgotten.
			v.cache.ComputeIfPresent(id, func(now *cached) (*cached, otter.ComputeOp) {
				if now != old {
					return now, otter.CancelOp
				}
				return fresh, otter.WriteOp
			})
		}
	}
	return nil
}

func (v *Vaults) open(ctx context.Context, id identity.VaultID, rows []WrappedKey) (*cached, error) {
	keys, err := v.d.OpenVault(ctx, id, rows)
	if err != nil {
		return nil, err
	}
	entry := &cached{keys: keys}
	entry.renewAt.Store(v.now().Add(v.cfg.Fresh).UnixNano())
	return entry, nil
}

// loader opens vaults that are not held, with the db of one call of Open; a vault without keys is left out.
func (v *Vaults) loader(db Querier) otter.BulkLoaderFunc[identity.VaultID, *cached] {
	return func(ctx context.Context, ids []identity.VaultID) (map[identity.VaultID]*cached, error) {
		rows, err := vaultKeys(ctx, db, ids)
		if err != nil {
			return nil, err
		}
		entries := make(map[identity.VaultID]*cached, len(rows))
		for id, rows := range rows {
			entry, err := v.open(ctx, id, rows)
			if errors.Is(err, ErrNoKeys) {
				continue
			}
			if err != nil {
				return nil, err
			}
			entries[id] = entry
		}
		return entries, nil
	}
}

// cacheClock gives otter the clock of the caller, and ticks by which it drops what is over.
type cacheClock struct{ now func() time.Time }

func (c cacheClock) NowNano() int64 { return c.now().UnixNano() }

func (c cacheClock) Tick(every time.Duration) <-chan time.Time { return time.Tick(every) }
