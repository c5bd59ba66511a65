package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"vidan/auth"
	"vidan/cmd/vidan/sandbox"
)

type serveCommand struct {
	Sandbox bool   `help:"A complete wallet with fictional organisations and people; creates it if there is none."`
	Addr    string `help:"Where to listen, host:port." placeholder:"127.0.0.1:8080"`
}

// Run serves until the context ends, then drains.
func (s serveCommand) Run(ctx context.Context) error {
	return serve(ctx, serveOptions{sandbox: s.Sandbox, addr: s.Addr, out: os.Stdout, logs: os.Stderr, began: time.Now()})
}

// serveOptions are what a caller inside the binary (demo, bench, tests) may choose; ready is told the issuer once the service serves.
type serveOptions struct {
	sandbox bool
	addr    string
	config  func(*config)
	out     io.Writer
	logs    io.Writer
	began   time.Time
	ready   func(issuer string)
}

func serve(ctx context.Context, o serveOptions) (err error) {
	c, err := readConfigWith(o)
	if err != nil {
		return err
	}
	log := newLogger(o.logs, c.LogLevel)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("%w (choose another with --addr)", err)
	}
	defer listener.Close()
	db, err := openDatabase(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	pool, dep, err := prepare(ctx, c, db, o.sandbox)
	if err != nil {
		return err
	}
	defer pool.Close()
	if dep.issuer != c.Issuer {
		return fmt.Errorf("the deployment is known as %s: set VIDAN_ISSUER to it, or serve another database", dep.issuer)
	}
	a, err := wire(ctx, c, pool, dep, log)
	if err != nil {
		return err
	}
	defer a.close()
	return a.serve(ctx, c, db, listener, o)
}

// tuneCollector trades memory for processor time once everything is loaded: the heap may grow to five times what is alive, where the runtime's own
// default is twice, up to a limit beyond which it is collected as often as that takes. The limit has room for a full cache of keys and for a
// passphrase that is checked on every processor. GOGC and GOMEMLIMIT, where they are set, decide instead.
func tuneCollector() {
	const percent, house, perProcessor = 400, 96 << 20, 32 << 20
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(house + perProcessor*int64(runtime.GOMAXPROCS(0)))
	}
}

func readConfigWith(o serveOptions) (config, error) {
	c, err := readEnvironment()
	if err != nil {
		return c, err
	}
	if o.addr != "" {
		c.Addr = o.addr
	}
	if o.config != nil {
		o.config(&c)
	}
	return c, c.check()
}

func newLogger(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	if l.UnmarshalText([]byte(level)) != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l}))
}

// prepare migrates and opens the deployment. A sandbox migrates and creates itself; production is migrated and created by its operator.
func prepare(ctx context.Context, c config, db *database, isSandbox bool) (*pgxpool.Pool, *deployment, error) {
	kind := kindProduction
	if isSandbox {
		kind = kindSandbox
		if _, err := db.migrate(ctx); err != nil {
			return nil, nil, err
		}
	}
	pool, err := db.pool(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	dep, err := openDeployment(ctx, c, pool, kind)
	if errors.Is(err, errNoDeployment) && isSandbox {
		if err = createDeployment(ctx, c, pool, kindSandbox, time.Now()); err == nil {
			dep, err = openDeployment(ctx, c, pool, kind)
		}
	}
	if errors.Is(err, errNoDeployment) {
		err = errors.New("no deployment in this database: create one with 'vidan keys init --production', or serve with --sandbox")
	}
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	return pool, dep, nil
}

// serve runs the listeners and the workers, and ends them in order: readiness off, listener closed, requests finished, workers
// stopped, pool closed last (A5).
func (a *app) serve(ctx context.Context, c config, db *database, listener net.Listener, o serveOptions) error {
	h := &health{app: a, alarm: c.OutboxAlarm}
	h.starting.Store(true)
	more := []func(*http.ServeMux){h.routes}
	var box *sandbox.Box
	if o.sandbox {
		var err error
		if box, err = a.openSandbox(ctx, db); err != nil {
			return err
		}
		more = append(more, box.Routes)
	}
	tuneCollector()
	m := newMetrics(a)
	server := &http.Server{
		Handler:           m.measured(a.handler(more...)),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 60 * time.Second, WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	g := new(errgroup.Group)
	if err := a.relay.Start(work); err != nil {
		return err
	}
	g.Go(func() error { return a.periodic(work) })
	g.Go(func() error { a.releaseHeld(work); return nil })
	g.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	if c.MetricsAddr != "" {
		g.Go(func() error { return m.serve(work, c.MetricsAddr) })
	}
	if box != nil {
		if err := box.Seed(ctx, server.Handler); err != nil {
			return errors.Join(err, a.stop(server, c, h, stopWork, g))
		}
	}
	h.starting.Store(false)
	a.announce(o, box)
	if o.ready != nil {
		o.ready(a.dep.issuer)
	}
	<-ctx.Done()
	return a.stop(server, c, h, stopWork, g)
}

// stop drains: whoever balances load sees readiness fail before the listener closes.
func (a *app) stop(server *http.Server, c config, h *health, stopWork func(), g *errgroup.Group) error {
	h.draining.Store(true)
	wait := c.Drain
	if wait < 0 && a.dep.kind == kindProduction {
		wait = 2 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), max(wait, 0)+30*time.Second)
	defer cancel()
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		<-timer.C
	}
	err := server.Shutdown(ctx)
	err = errors.Join(err, a.relay.Stop(ctx))
	stopWork()
	if failed := g.Wait(); failed != nil && !errors.Is(failed, context.Canceled) {
		err = errors.Join(err, failed)
	}
	return err
}

func (a *app) announce(o serveOptions, box *sandbox.Box) {
	fmt.Fprintf(o.out, "vidan %s ready in %d ms: %s\n", a.dep.kind, time.Since(o.began).Milliseconds(), a.dep.issuer)
	if box == nil {
		return
	}
	who := box.Contents().Citizens[0]
	fmt.Fprintf(o.out, "  pages           %s/me\n  API documents   %s/docs\n  messages sent   %s/sandbox/messages\n  sign in as      %s, number %s, passphrase %s\n  everything else vidan sandbox --json\n",
		a.dep.issuer, a.dep.issuer, a.dep.issuer, who.FullName, who.PersonalNumber, who.Passphrase)
}

// periodic does what falls due by itself: proofs and spent one-time things forgotten, results that waited too long, keys refreshed.
func (a *app) periodic(ctx context.Context) error {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-minute.C:
			if err := auth.RotateProofs(ctx, a.pool, time.Now()); err != nil && ctx.Err() == nil {
				a.log.WarnContext(ctx, "proofs not rotated", "error", err.Error())
			}
			if _, err := auth.ForgetSpent(ctx, a.pool, time.Now()); err != nil && ctx.Err() == nil {
				a.log.WarnContext(ctx, "rows of one-time things not forgotten", "error", err.Error())
			}
			if err := a.due(ctx); err != nil && ctx.Err() == nil {
				a.log.WarnContext(ctx, "due work failed", "error", err.Error())
			}
			if err := auth.RotateKeys(ctx, a.pool, a.dep.seal, time.Now()); err != nil && ctx.Err() == nil {
				a.log.WarnContext(ctx, "signing keys not rotated", "error", err.Error())
			}
			if err := a.keys.Refresh(ctx, time.Now()); err != nil && ctx.Err() == nil {
				a.log.WarnContext(ctx, "signing keys not refreshed", "error", err.Error())
			}
		}
	}
}

// due carries out what has become due by the clock of substance.
func (a *app) due(ctx context.Context) error { return a.intake.Overdue(ctx) }
