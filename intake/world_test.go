package intake_test

import (
	"context"
	"flag"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/auth"
	"vidan/consent"
	"vidan/delivery"
	"vidan/identity"
	"vidan/intake"
	"vidan/internal/keyring"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/person"
	"vidan/procedure"
	"vidan/procedure/examples"
	"vidan/seal"
	"vidan/wallet"
)

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "12"); err != nil { // each is a family with a dozen results
		panic(err)
	}
	pgtest.Main(m)
}

const issuer = "https://id.vidan.example"

// The organisations of these tests.
const (
	commune   = "xa-dai-son"
	insurance = "bhxh-hai-phong"
	police    = "cong-an-cu-tru"
	registrar = "dinh-danh"
)

// world is one deployment on a database of its own, with one process: every package wired as the binary wires them.
type world struct {
	*intake.Intake
	t         testing.TB
	db        *pgtest.DB
	pool      *pgxpool.Pool
	d         *seal.Deployment
	vaults    *seal.Vaults
	audit     *audit.Recorder
	people    *person.Registry
	ledger    *consent.Ledger
	wallet    *wallet.Wallet
	auth      *auth.Server
	relay     *delivery.Relay
	directory *auth.Directory
	keys      *auth.Keys
	cast      examples.Cast
	clock     *atomic.Int64 // of substance, microseconds since 1970
	agencies  map[string]*agency
	synthetic bool
	logs      *logs
}

// logs collects what is logged.
type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// beginning is the moment of these tests: that of protocol windows for good, that of substance until it is moved.
var beginning = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func protocol() time.Time { return beginning }

func setup(t testing.TB) *world {
	t.Helper()
	return setupOn(t, pgtest.New(t))
}

func setupOn(t testing.TB, db *pgtest.DB) *world {
	t.Helper()
	w := &world{t: t, db: db, clock: new(atomic.Int64), agencies: map[string]*agency{}, synthetic: true, logs: new(logs)}
	w.clock.Store(beginning.UnixMicro())
	uri := "file:" + filepath.Join(t.TempDir(), "kek.json")
	if err := keyring.Create(t.Context(), uri); err != nil {
		t.Fatal(err)
	}
	kek := must(keyring.Open(t.Context(), uri))(t)
	var err error
	if w.d, _, err = seal.NewDeployment(t.Context(), kek, [16]byte{0xde, 0x91}); err != nil {
		t.Fatal(err)
	}
	if err := auth.CreateKeys(t.Context(), db.Pool, w.d, beginning); err != nil {
		t.Fatal(err)
	}
	w.cast = must(examples.Load())(t)
	w.directory = auth.NewDirectory(db.Pool, w.d)
	w = w.on(db.Pool)
	w.register()
	return w
}

// catalogue is read once: it is immutable.
var catalogue = sync.OnceValues(procedure.Load)

// on is the same world with another pool and nothing remembered: another process.
func (w *world) on(pool *pgxpool.Pool) *world {
	w.t.Helper()
	t, o := w.t, *w
	o.pool, o.audit = pool, audit.New(w.d)
	o.vaults = must(seal.NewVaults(w.d, seal.CacheConfig{}, o.now))(t)
	t.Cleanup(o.vaults.Close)
	o.keys = must(auth.OpenKeys(t.Context(), w.db.Pool, w.d, beginning))(t)
	o.people = must(person.New(person.Deps{Pool: pool, Deployment: w.d, Vaults: o.vaults, Audit: o.audit, Now: o.now}))(t)
	log := slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.auth = must(auth.New(auth.Deps{
		Pool: pool, Deployment: w.d, Keys: o.keys, People: o.people, Vaults: o.vaults, Audit: o.audit, Issuer: issuer, Now: protocol, Calendar: o.now, Logger: log,
	}))(t)
	o.ledger = must(consent.New(consent.Deps{
		Pool: pool, Deployment: w.d, Vaults: o.vaults, Audit: o.audit, People: o.people, Catalogue: must(catalogue())(t), Issuer: issuer, Now: o.now,
		Sign: func(claims []byte) (string, error) {
			return o.keys.Signer(auth.ReceiptKeys).Sign(consent.ReceiptType, claims)
		},
	}))(t)
	o.wallet = must(wallet.New(wallet.Deps{Pool: pool, Deployment: w.d, Vaults: o.vaults, Audit: o.audit, Now: o.now}))(t)
	o.Intake = must(intake.New(o.deps()))(t)
	handlers := o.ledger.Handlers()
	handlers[intake.KindApply], handlers[intake.KindCopy], handlers[wallet.KindMirror] = o.Apply, o.Copy, o.MirrorHolding
	handlers[consent.TaskRestricted] = o.EndRestricted
	handlers[consent.TaskNotice] = func(context.Context, delivery.Task) error { return nil } // nobody here has a contact
	o.relay = must(delivery.New(pool, delivery.Config{Handlers: handlers, Now: o.now, Logger: log}))(t)
	return &o
}

func (w *world) deps() intake.Deps {
	w.t.Helper()
	return intake.Deps{
		Pool: w.pool, Deployment: w.d, Vaults: w.vaults, Catalogue: must(catalogue())(w.t), Audit: w.audit, People: w.people, Relations: w.ledger,
		Wallet: w.wallet, Auth: w.auth, Receipts: func() *auth.Signer { return w.keys.Signer(auth.ReceiptKeys) }, Issuer: issuer,
		Synthetic: w.synthetic, Now: w.now,
	}
}

// now moves a millisecond at each look, so that what happens later was recorded later.
func (w *world) now() time.Time { return time.UnixMicro(w.clock.Add(1000)).UTC() }

func (w *world) advance(d time.Duration) { w.clock.Add(d.Microseconds()) }

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// officer is the registrar's officer who acts in these tests.
func officer() audit.Actor {
	return audit.Actor{Client: registrar + "-client", Officer: audit.Officer{ID: "officer-7", Post: "Đăng ký viên", Organisation: registrar, Assurance: audit.Asserted}}
}

var evidence = person.Evidence{Basis: person.IdentityCard, Reference: "HS-2026/0042"}

func number(t testing.TB, s string) identity.PersonalNumber {
	t.Helper()
	return must(identity.ParsePersonalNumber(s))(t)
}

// enrol has the registrar enrol people of the cast; they sign in nowhere.
func (w *world) enrol(who ...string) identity.VaultID {
	w.t.Helper()
	var vault identity.VaultID
	for _, id := range who {
		vault = w.enrolAs(w.of(id))
	}
	return vault
}

func (w *world) enrolAs(p examples.Person) identity.VaultID {
	w.t.Helper()
	return must(w.people.Enrol(context.Background(), pg.All(), officer(), person.Enrolment{
		Number: number(w.t, p.PersonalNumber), Kind: person.Citizen, Name: must(identity.ParseName(p.FullName))(w.t),
		BirthDate: must(identity.ParsePartialDate(p.BirthDate))(w.t), Sex: identity.Sex(p.Sex), PreferredChannel: person.NoChannel, Evidence: evidence,
	}))(w.t).Vault
}

// bind has the registrar bind a number to a vault.
func (w *world) bind(vault identity.VaultID, n string) {
	w.t.Helper()
	ok(w.t, w.people.Bind(context.Background(), pg.All(), officer(), vault, number(w.t, n), evidence))
}

// vaultOf returns whom an identifier leads to; zero for nobody.
func (w *world) vaultOf(id person.Identifier) identity.VaultID {
	w.t.Helper()
	b := new(pgx.Batch)
	finding := w.people.QueueFind(b, []person.Identifier{id})
	ok(w.t, pg.Pipeline(context.Background(), w.db.Pool, b))
	return must(finding.Result())(w.t)[0].Vault
}

func (w *world) byNumber(n string) identity.VaultID {
	w.t.Helper()
	return w.vaultOf(person.NumberIdentifier(number(w.t, n)))
}

func (w *world) byNotice(n string) identity.VaultID {
	w.t.Helper()
	return w.vaultOf(person.NoticeIdentifier(must(identity.ParseBirthNotice(n))(w.t)))
}

// drain runs everything that follows from what was committed.
func (w *world) drain() {
	w.t.Helper()
	ok(w.t, w.relay.Drain(context.Background()))
}

// id is the paper of a payload.
func (w *world) id(p payload) identity.DocumentID {
	by := p["issued_by"].(map[string]any)
	return w.d.DocumentID(by["organisation"].(string), p["document_type"].(string), p["document_ref"].(string))
}

// together runs fn n times at once, as nearly as can be, and returns what it returned.
func together[T any](n int, fn func(i int) T) []T {
	results := make([]T, n)
	var done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		done.Go(func() {
			<-start
			results[i] = fn(i)
		})
	}
	close(start)
	done.Wait()
	return results
}
