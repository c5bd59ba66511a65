package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"vidan/identity"
	"vidan/internal/pg"
)

// Config says what a relay needs. Zero values of the numbers mean the defaults.
type Config struct {
	Handlers map[string]Handler // by kind of task
	Now      func() time.Time   // the clock of everything that is due (D7); River's own retries go by the real clock
	Logger   *slog.Logger
	Workers  int           // tasks worked at once in this process; default 4
	Batch    int           // rows relayed in one transaction; default 500
	Poll     time.Duration // how often an idle relay looks at the outbox, a busy one four times as often; default 100 ms
	// Timeout is how long a handler may take; default 8 s, which is below the idle limit of a transaction: Drain holds one
	// open meanwhile.
	Timeout time.Duration
	// PollOnly makes River poll instead of LISTEN, for servers behind a transaction pooler; work then begins within
	// about 200 ms instead of 100. The outbox itself is always polled: NOTIFY in every writing transaction would make
	// their commits wait for each other.
	PollOnly bool

	// river is changed by tests of this package alone, to rescue the work of a dead process without waiting.
	river func(*river.Config)
}

func (c Config) withDefaults() (Config, error) {
	if c.Now == nil || c.Logger == nil {
		return c, fmt.Errorf("%w: it needs a clock and a logger", ErrConfig)
	}
	for kind, h := range c.Handlers {
		if kind == "" || kind == kindEvent || h == nil {
			return c, fmt.Errorf("%w: handler of %q", ErrConfig, kind)
		}
	}
	c.Workers = orDefault(c.Workers, 4)
	c.Batch = orDefault(c.Batch, 500)
	c.Poll = orDefault(c.Poll, 100*time.Millisecond)
	c.Timeout = orDefault(c.Timeout, 8*time.Second)
	if c.Workers < 0 || c.Batch < 0 || c.Batch > 5000 || c.Poll < 0 || c.Timeout < 0 {
		return c, fmt.Errorf("%w: negative or huge numbers", ErrConfig)
	}
	return c, nil
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// Relay moves queued work on. It is started once and stopped once or more; without being started it can still
// [Relay.Drain].
type Relay struct {
	cfg   Config
	pool  *pgxpool.Pool
	river *river.Client[pgx.Tx]

	mu       sync.Mutex         // guards what follows
	started  bool               // Start was called
	stop     context.CancelFunc // ends loop; nil before Start
	stopping chan struct{}      // closed by the first Stop
	looped   chan struct{}      // closed when loop has returned
}

// New makes a relay over a pool. River's tables must exist (internal/pg.Migrate makes them).
func New(pool *pgxpool.Pool, cfg Config) (*Relay, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if pool == nil {
		return nil, fmt.Errorf("%w: it needs a pool", ErrConfig)
	}
	r := &Relay{cfg: cfg, pool: pool, stopping: make(chan struct{})}
	if r.river, err = r.newRiver(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return r, nil
}

// Start begins to relay and to work; it returns as soon as the database has answered. ctx bounds the start alone: the
// relay runs until Stop.
func (r *Relay) Start(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started {
		return ErrStarted
	}
	r.started = true
	if err := r.pool.Ping(ctx); err != nil {
		return fmt.Errorf("start relay: %w", pg.Classify(err))
	}
	life := context.WithoutCancel(ctx)
	if err := r.river.Start(life); err != nil {
		return fmt.Errorf("start river: %w", err)
	}
	loop, stop := context.WithCancel(life)
	r.stop, r.looped = stop, make(chan struct{})
	go func() {
		defer close(r.looped)
		r.loop(loop)
	}()
	return nil
}

// Stop ends the relay: nothing new is taken, and it waits for handlers that are at work. When ctx ends first their
// contexts are cancelled, and Stop waits until they have returned; what they left undone is done by the next process.
// It may be called more than once, and before Start.
func (r *Relay) Stop(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop == nil {
		r.started = true // a relay that was stopped does not start
		return nil
	}
	select {
	case <-r.stopping:
		return nil // stopped before
	default:
	}
	r.stop()
	<-r.looped
	err := r.river.Stop(ctx)
	close(r.stopping)
	if err != nil {
		return errors.Join(err, r.river.StopAndCancel(context.WithoutCancel(ctx)))
	}
	return nil
}

// loop looks at the outbox again and again. A failure is logged once when it begins and slows the looking down, never
// ends it.
func (r *Relay) loop(ctx context.Context) {
	const slowest = 5 * time.Second
	wait, failing := r.cfg.Poll, false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		moved, err := r.round(ctx)
		switch {
		case err == nil && moved:
			wait, failing = r.cfg.Poll/4, false
		case err == nil:
			wait, failing = min(2*wait, r.cfg.Poll), false
		case ctx.Err() != nil:
			return
		default:
			if !failing {
				r.cfg.Logger.WarnContext(ctx, "outbox not relayed", slog.Any("error", err))
			}
			wait, failing = min(2*wait, slowest), true
		}
		timer.Reset(wait)
	}
}

// sqlDue answers from the index alone; it is all that an idle relay ever asks.
const sqlDue = `select exists (select from outbox where not_before <= $1)`

// round relays until nothing is due and reports whether there was anything.
func (r *Relay) round(ctx context.Context) (moved bool, err error) {
	for {
		var due bool
		if err := r.pool.QueryRow(ctx, sqlDue, r.cfg.Now()).Scan(&due); err != nil || !due {
			return moved, pg.Classify(err)
		}
		events, err := r.numberEvents(ctx)
		if err != nil {
			return moved, err
		}
		tasks, err := r.handOver(ctx)
		if err != nil {
			return moved, err
		}
		if events+tasks == 0 {
			return moved, nil // another process is at it
		}
		moved = true
	}
}

// lockKey is the advisory lock of handing tasks over: one relay at a time, so that they reach River in about the order
// they were queued in. It ends with the transaction, and so with the process.
const lockKey = 0x7669_6461_6e5f_6f62 // "vidan_ob"

const sqlRelayLock = `select pg_try_advisory_xact_lock($1)`

const sqlTake = `select outbox_id, kind, vault_id, coalesce(organisation_id, ''), args, not_before, attempts from outbox
  where kind <> 'event' and not_before <= $1
  order by not_before, outbox_id limit $2 for update skip locked`

// handOver gives due tasks to River and deletes them here, in one transaction, and returns how many. The unique key of
// a River job is the id of its outbox row: should the row come back, restored from a backup beside its job, there is
// still one job.
func (r *Relay) handOver(ctx context.Context) (int, error) {
	var taken int
	err := pg.InTx(ctx, r.pool, func(tx pgx.Tx) error {
		var mine bool
		var tasks []Task
		b := new(pgx.Batch)
		b.Queue(sqlRelayLock, int64(lockKey)).QueryRow(func(row pgx.Row) error { return row.Scan(&mine) })
		if err := tx.SendBatch(ctx, b).Close(); err != nil || !mine {
			return err
		}
		rows, err := tx.Query(ctx, sqlTake, r.cfg.Now(), r.cfg.Batch)
		if err != nil {
			return err
		}
		if tasks, err = pgx.CollectRows(rows, scanTask); err != nil || len(tasks) == 0 {
			return err
		}
		jobs := make([]river.InsertManyParams, len(tasks))
		ids := make([]identity.ObjectID, len(tasks))
		for i, t := range tasks {
			jobs[i], ids[i] = jobOf(t), t.ID
		}
		if _, err := r.river.InsertManyTx(ctx, tx, jobs); err != nil {
			return err
		}
		taken = len(tasks)
		b = new(pgx.Batch)
		queueDone(b, ids)
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return 0, fmt.Errorf("hand tasks over: %w", err)
	}
	return taken, nil
}

func scanTask(row pgx.CollectableRow) (Task, error) {
	var t Task
	err := row.Scan(&t.ID, &t.Kind, &t.Vault, &t.Organisation, &t.Args, &t.NotBefore, &t.Attempts)
	return t, err
}
