package main

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/auth"
	"vidan/consent"
	"vidan/delivery"
	"vidan/intake"
	"vidan/openapi"
	"vidan/person"
	"vidan/prefill"
	"vidan/procedure"
	"vidan/seal"
	"vidan/wallet"
	"vidan/web"
)

// clock is the clock of substance: the real one, advanced in a sandbox.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// app is every package, wired.
type app struct {
	pool      *pgxpool.Pool
	dep       *deployment
	clock     *clock
	vaults    *seal.Vaults
	catalogue *procedure.Catalogue
	keys      *auth.Keys
	auth      *auth.Server
	directory *auth.Directory
	people    *person.Registry
	ledger    *consent.Ledger
	wallet    *wallet.Wallet
	intake    *intake.Intake
	prefill   *prefill.Filler
	relay     *delivery.Relay
	release   func(context.Context) (int, error) // sends what was held while there was no gateway; nil: there is none still
	api       *openapi.API
	web       *web.Pages
	log       *slog.Logger
}

// wire builds every package on an open deployment.
func wire(ctx context.Context, c config, pool *pgxpool.Pool, dep *deployment, log *slog.Logger) (*app, error) {
	a := &app{pool: pool, dep: dep, clock: new(clock), log: log}
	now := a.clock.now
	var err error
	if a.catalogue, err = procedure.Load(); err != nil {
		return nil, err
	}
	if a.keys, err = auth.OpenKeys(ctx, pool, dep.seal, time.Now()); err != nil {
		return nil, err
	}
	if a.vaults, err = seal.NewVaults(dep.seal, seal.CacheConfig{}, time.Now); err != nil {
		return nil, err
	}
	record := audit.New(dep.seal)
	if a.people, err = person.New(person.Deps{Pool: pool, Deployment: dep.seal, Vaults: a.vaults, Audit: record, Now: now}); err != nil {
		return nil, err
	}
	a.directory = auth.NewDirectory(pool, dep.seal)
	if dep.kind == kindSandbox {
		a.directory = a.directory.Rehearsal()
	}
	if a.ledger, err = consent.New(consent.Deps{
		Pool: pool, Deployment: dep.seal, Vaults: a.vaults, Audit: record, People: a.people, Catalogue: a.catalogue, Issuer: dep.issuer, Now: now,
		Sign: func(claims []byte) (string, error) {
			return a.keys.Signer(auth.ReceiptKeys).Sign(consent.ReceiptType, claims)
		},
	}); err != nil {
		return nil, err
	}
	party, err := passkeys(dep.issuer)
	if err != nil {
		return nil, err
	}
	if a.auth, err = auth.New(auth.Deps{
		Pool: pool, Deployment: dep.seal, Keys: a.keys, People: a.people, Vaults: a.vaults, Audit: record, Consent: a.ledger, Issuer: dep.issuer,
		Now: time.Now, Calendar: now, Address: browserAddress(c.AddressHeader), Logger: log, Passkeys: party, Config: auth.Config{RequireNonce: c.Nonce == "required"},
	}); err != nil {
		return nil, err
	}
	if a.wallet, err = wallet.New(wallet.Deps{Pool: pool, Deployment: dep.seal, Vaults: a.vaults, Audit: record, Now: now}); err != nil {
		return nil, err
	}
	if a.intake, err = intake.New(intake.Deps{
		Pool: pool, Deployment: dep.seal, Vaults: a.vaults, Catalogue: a.catalogue, Audit: record, People: a.people, Relations: a.ledger,
		Wallet: a.wallet, Auth: a.auth, Receipts: func() *auth.Signer { return a.keys.Signer(auth.ReceiptKeys) },
		Issuer: dep.issuer, Synthetic: dep.kind == kindSandbox, Now: now,
	}); err != nil {
		return nil, err
	}
	if a.prefill, err = prefill.New(prefill.Deps{
		Pool: pool, Deployment: dep.seal, Vaults: a.vaults, Catalogue: a.catalogue, Audit: record, People: a.people, Consent: a.ledger,
		Wallet: a.wallet, Issuer: dep.issuer, Now: now,
		Sign: func(claims []byte) (string, error) {
			return a.keys.Signer(auth.PrefillKeys).Sign(prefill.AnswerType, claims)
		},
	}); err != nil {
		return nil, err
	}
	if err := a.deliver(c); err != nil {
		return nil, err
	}
	names := auth.NewNames(pool, time.Now)
	a.api = openapi.New(openapi.Deps{
		Pool: pool, Deployment: dep.seal, Catalogue: a.catalogue, Auth: a.auth, Audit: record, People: a.people, Consent: a.ledger, Wallet: a.wallet,
		Prefill: a.prefill, Intake: a.intake, Vaults: a.vaults, Names: names, Issuer: dep.issuer, Now: now, Log: log,
	})
	a.web, err = web.New(web.Deps{
		Auth: a.auth, Names: names, Problem: problemPage, Preview: a.prefill.Preview, Address: browserAddress(c.AddressHeader), Logger: log,
		Mine: &web.Mine{Pool: pool, Consent: a.ledger, Audit: record, People: a.people, Vaults: a.vaults, Now: now},
	})
	return a, err
}

// problemPage is what the page of a problem code says.
func problemPage(code, language string) (title, next string, ok bool) {
	title, next, _, ok = openapi.ProblemText(code, language)
	return title, next, ok
}

// browserAddress reads the address of the browser as our own proxy wrote it: the last entry, which nobody before it can forge.
func browserAddress(header string) func(*http.Request) string {
	if header == "" {
		return nil
	}
	return func(r *http.Request) string {
		entries := strings.Split(r.Header.Get(header), ",")
		return strings.TrimSpace(entries[len(entries)-1])
	}
}

// deliver wires what follows from commits: each kind of task belongs to the package that queues it.
func (a *app) deliver(c config) error {
	gateway := c.Gateway
	if gateway == "" && a.dep.kind == kindSandbox {
		gateway = "sandbox:"
	}
	door, err := openGateway(c, gateway, a.pool)
	if err != nil {
		return err
	}
	messenger, err := delivery.NewMessenger(a.pool, a.vaults, door, a.clock.now)
	if err != nil {
		return err
	}
	if gateway != "" {
		a.release = messenger.Release
	}
	handlers := map[string]delivery.Handler{
		intake.KindApply: a.intake.Apply, intake.KindCopy: a.intake.Copy, wallet.KindMirror: a.intake.MirrorHolding,
		consent.TaskRestricted: a.intake.EndRestricted, delivery.TaskMessage: messenger.Send,
	}
	for kind, handler := range a.people.Handlers() {
		handlers[kind] = handler
	}
	for kind, handler := range a.ledger.Handlers() {
		handlers[kind] = handler
	}
	a.relay, err = delivery.New(a.pool, delivery.Config{Handlers: handlers, Now: a.clock.now, Logger: a.log, PollOnly: c.PollOnly})
	return err
}

// handler serves everything people and programs reach.
func (a *app) handler(more ...func(*http.ServeMux)) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/", a.api.Handler())
	a.auth.Routes(mux)
	a.web.Routes(mux)
	a.api.Documents(mux)
	for _, register := range more {
		register(mux)
	}
	return secured(a.dep.issuer, mux)
}

// secured tells browsers of a service with https never to come without it (RFC 6797; FAPI 2.0 Security Profile §5.2).
func secured(issuer string, next http.Handler) http.Handler {
	if !strings.HasPrefix(issuer, "https:") {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		next.ServeHTTP(w, r)
	})
}

func (a *app) close() { a.vaults.Close() }
