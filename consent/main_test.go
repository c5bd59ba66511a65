package consent_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/consent"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/keyring"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/person"
	"vidan/procedure"
	"vidan/procedure/examples"
	"vidan/seal"
)

func TestMain(m *testing.M) {
	if os.Getenv(processDSN) != "" {
		os.Exit(process())
	}
	pgtest.Main(m)
}

// house is one test's ledger with everything under it.
type house struct {
	*consent.Ledger
	t       testing.TB
	db      *pgtest.DB
	pool    *pgxpool.Pool
	kek     string // URI of the key-encryption key
	d       *seal.Deployment
	vaults  *seal.Vaults
	audit   *audit.Recorder
	people  *person.Registry
	cat     *procedure.Catalogue
	clock   *atomic.Int64 // microseconds since 1970; it stands still until it is moved
	cast    examples.Cast
	signer  ed25519.PrivateKey
	notices *notices
}

// notices collects what people are told, by vault.
type notices struct {
	mu   sync.Mutex
	list map[identity.VaultID][]string
}

// beginning is when these tests begin, unless they move the clock.
var beginning = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func setup(t testing.TB) *house {
	t.Helper()
	return setupOn(t, pgtest.New(t))
}

func setupOn(t testing.TB, db *pgtest.DB) *house {
	t.Helper()
	h := &house{t: t, db: db, clock: newClock(beginning.UnixMicro()), notices: &notices{list: map[identity.VaultID][]string{}}}
	h.kek = "file:" + filepath.Join(t.TempDir(), "kek.json")
	if err := keyring.Create(t.Context(), h.kek); err != nil {
		t.Fatal(err)
	}
	kek := must(keyring.Open(t.Context(), h.kek))(t)
	var rows []seal.DeploymentKey
	var err error
	if h.d, rows, err = seal.NewDeployment(t.Context(), kek, deployment); err != nil {
		t.Fatal(err)
	}
	b := new(pgx.Batch)
	seal.QueueDeploymentKeys(b, rows, beginning)
	if err := pg.Pipeline(t.Context(), db.Pool, b); err != nil {
		t.Fatal(err)
	}
	if _, h.signer, err = ed25519.GenerateKey(nil); err != nil {
		t.Fatal(err)
	}
	h.cat = must(catalogue())(t)
	h.cast = must(cast())(t)
	for _, o := range [][3]string{{school, "Trường Mầm non Hoa Sen", "Hoa Sen Kindergarten"}, {police, "Công an xã Gia Lộc", "Gia Lộc Commune Police"}} {
		h.exec(`insert into organisations (organisation_id, name_vi, name_en, kind, sector, created_at) values ($1, $2, $3, 'school', 'sector-' || $1, $4)`,
			o[0], o[1], o[2], beginning)
	}
	return h.on(db.Pool)
}

// Catalogue and cast do not change: they are read once for all tests.
var (
	catalogue = sync.OnceValues(procedure.Load)
	cast      = sync.OnceValues(examples.Load)
)

// deployment is the id of every test's deployment.
var deployment = [16]byte{0xde, 0x91}

// The organisations of these tests.
const (
	school = "truong-hoa-sen"
	police = "ca-gia-loc"
	app    = "app" // the sector of citizens' apps
)

// on is the same house with another pool, and nothing remembered: another process.
func (h *house) on(pool *pgxpool.Pool) *house {
	h.t.Helper()
	other := *h
	other.pool, other.audit = pool, audit.New(h.d)
	other.vaults = must(seal.NewVaults(h.d, seal.CacheConfig{}, other.now))(h.t)
	h.t.Cleanup(other.vaults.Close)
	other.people = must(person.New(person.Deps{Pool: pool, Deployment: h.d, Vaults: other.vaults, Audit: other.audit, Now: other.now}))(h.t)
	other.Ledger = must(consent.New(consent.Deps{
		Pool: pool, Deployment: h.d, Vaults: other.vaults, Audit: other.audit, People: other.people, Catalogue: h.cat,
		Sign: other.sign, Issuer: "https://vidan.example", Now: other.now,
	}))(h.t)
	return &other
}

func newClock(at int64) *atomic.Int64 {
	clock := new(atomic.Int64)
	clock.Store(at)
	return clock
}

func (h *house) now() time.Time          { return time.UnixMicro(h.clock.Load()).UTC() }
func (h *house) advance(d time.Duration) { h.clock.Add(d.Microseconds()) }
func (h *house) goTo(t time.Time)        { h.clock.Store(t.UnixMicro()) }

func (h *house) sign(claims []byte) (string, error) {
	return jws(h.signer, consent.ReceiptType, claims), nil
}

// jws signs a payload as a compact JWS.
func jws(key ed25519.PrivateKey, typ string, payload []byte) string {
	enc := base64.RawURLEncoding
	input := enc.EncodeToString([]byte(`{"alg":"EdDSA","kid":"k","typ":"`+typ+`"}`)) + "." + enc.EncodeToString(payload)
	return input + "." + enc.EncodeToString(ed25519.Sign(key, []byte(input)))
}

// opened verifies a JWS and returns its payload.
func opened(key ed25519.PublicKey, typ, compact string) ([]byte, error) {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a JWS")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), signature) {
		return nil, errors.New("bad signature")
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil || !strings.Contains(string(header), `"typ":"`+typ+`"`) {
		return nil, errors.New("bad typ")
	}
	return base64.RawURLEncoding.DecodeString(parts[1])
}

// receipt verifies and reads a receipt.
func (h *house) receipt(compact string) consent.Receipt {
	h.t.Helper()
	payload := must(opened(h.signer.Public().(ed25519.PublicKey), consent.ReceiptType, compact))(h.t)
	var r consent.Receipt
	if err := json.Unmarshal(payload, &r); err != nil {
		h.t.Fatal(err)
	}
	return r
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func number(t testing.TB, s string) identity.PersonalNumber {
	t.Helper()
	return must(identity.ParsePersonalNumber(s))(t)
}

// of finds somebody of the cast.
func (h *house) of(id string) examples.Person {
	h.t.Helper()
	for _, p := range h.cast.People {
		if p.ID == id {
			return p
		}
	}
	h.t.Fatalf("nobody is called %s", id)
	return examples.Person{}
}

// registrar is the officer of registrar's acts.
func (h *house) registrar() audit.Actor {
	return audit.Actor{Client: "registrar-client", Officer: audit.Officer{ID: "officer-7", Post: "Đăng ký viên", Organisation: "registrar", Assurance: audit.Asserted}}
}

var enrolment = person.Evidence{Basis: person.IdentityCard, Reference: "HS-2026/0042"}

// enrol enrols somebody of the cast; level 0 keeps papers and gives no account.
func (h *house) enrol(id string, level int) identity.VaultID {
	h.t.Helper()
	p := h.of(id)
	done := must(h.people.Enrol(h.t.Context(), pg.All(), h.registrar(), person.Enrolment{
		Number: number(h.t, p.PersonalNumber), Kind: person.Citizen, Name: must(identity.ParseName(p.FullName))(h.t),
		BirthDate: must(identity.ParsePartialDate(p.BirthDate))(h.t), Sex: identity.Sex(p.Sex), Level: level,
		PreferredChannel: person.NoChannel, Evidence: enrolment,
	}))(h.t)
	if level > 0 {
		h.account(done.Vault)
	}
	return done.Vault
}

// account gives a person something to sign in with.
func (h *house) account(vault identity.VaultID) {
	h.t.Helper()
	h.exec(`insert into credentials (vault_id, credential_id, kind, name, secret, created_at, mac) values ($1, gen_random_uuid(), 'passphrase', '', 'x', $2, '\x00')`,
		vault, h.now())
}

// newborn opens the vault of a child whose number is pending.
func (h *house) newborn(id string) identity.VaultID {
	h.t.Helper()
	p := h.of(id)
	vault := identity.NewVaultID()
	keys, rows, err := h.d.NewVault(h.t.Context(), vault)
	if err != nil {
		h.t.Fatal(err)
	}
	b := new(pgx.Batch)
	notice := must(identity.ParseBirthNotice(p.BirthNoticeNumber))(h.t)
	err = h.people.QueueOpenPending(b, person.NewPending{
		Keys: keys, Rows: rows, Identifiers: []person.Identifier{person.NoticeIdentifier(notice)}, Evidence: "receipt-1",
		Profile: person.Profile{Name: must(identity.ParseName(p.FullName))(h.t), BirthDate: must(identity.ParsePartialDate(p.BirthDate))(h.t),
			Sex: identity.Sex(p.Sex), Notice: notice},
	}, h.now())
	if err != nil {
		h.t.Fatal(err)
	}
	if err := pg.Pipeline(h.t.Context(), h.pool, b); err != nil {
		h.t.Fatal(err)
	}
	return vault
}

func (h *house) bind(vault identity.VaultID, id string) {
	h.t.Helper()
	err := h.people.Bind(h.t.Context(), pg.All(), h.registrar(), vault, number(h.t, h.of(id).PersonalNumber), person.Evidence{Basis: person.CivilRegister, Reference: "HS-1"})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) keys(vault identity.VaultID) *seal.Keys {
	h.t.Helper()
	return must(h.vaults.OpenOne(h.t.Context(), h.pool, vault))(h.t)
}

func (h *house) allKeys(vaults ...identity.VaultID) map[identity.VaultID]*seal.Keys {
	h.t.Helper()
	return must(h.vaults.Open(h.t.Context(), h.pool, vaults...))(h.t)
}

// propose names relations by one paper, as intake does in the batch that stores it.
func (h *house) propose(child identity.VaultID, proposals ...consent.Proposal) []identity.RelationID {
	h.t.Helper()
	b := new(pgx.Batch)
	b.Queue(`update vaults set seq = seq + 1 where vault_id = $1`, child)
	ids := must(h.QueuePropose(b, h.keys(child), proposals, h.now()))(h.t)
	if err := pg.Pipeline(h.t.Context(), h.pool, b); err != nil {
		h.t.Fatal(err)
	}
	return ids
}

// proposal is one line of a birth certificate that everything speaks for.
func (h *house) proposal(child identity.VaultID, kind consent.Kind, actor string, vault identity.VaultID) consent.Proposal {
	h.t.Helper()
	return consent.Proposal{
		Child: child, Kind: kind, ActorNumber: number(h.t, h.of(actor).PersonalNumber), Actor: vault, Document: paper(1), Revision: 1,
		MandateCovers: true, BothByNumber: !vault.IsZero(), Organisation: "ubnd-gia-loc", Officer: "cb-17", Client: "ubnd-client",
	}
}

// paper names papers of these tests.
func paper(n byte) identity.DocumentID {
	return identity.FromBytes[identity.DocumentID]([16]byte{0xd0, 15: n})
}

// drain runs everything that is due.
func (h *house) drain() {
	h.t.Helper()
	handlers := h.Handlers()
	handlers[consent.TaskNotice] = func(_ context.Context, t delivery.Task) error {
		var args struct{ Template string }
		if err := json.Unmarshal(t.Args, &args); err != nil {
			return err
		}
		h.notices.mu.Lock()
		defer h.notices.mu.Unlock()
		h.notices.list[t.Vault] = append(h.notices.list[t.Vault], args.Template)
		return nil
	}
	handlers[consent.TaskRestricted] = func(context.Context, delivery.Task) error { return nil } // nobody here holds a paper
	handlers["message.send"] = func(context.Context, delivery.Task) error { return nil }
	handlers["waiting.apply"] = func(context.Context, delivery.Task) error { return nil }
	relay := must(delivery.New(h.pool, delivery.Config{Handlers: handlers, Now: h.now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}))(h.t)
	if err := relay.Drain(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// family is a mother, a father and their child, whose relations stand.
type family struct {
	child, mother, father identity.VaultID
	relations             []identity.RelationID // mother, father
}

// family enrols one with the child of the cast who is five years old.
func (h *house) family() family {
	h.t.Helper()
	f := family{child: h.enrol("khang", 0), mother: h.enrol("dan", 2), father: h.enrol("giai", 2)}
	until := h.Majority(must(identity.ParsePartialDate(h.of("khang").BirthDate))(h.t))
	mother, father := h.proposal(f.child, consent.Mother, "dan", f.mother), h.proposal(f.child, consent.Father, "giai", f.father)
	mother.Until, father.Until = until, until
	f.relations = h.propose(f.child, mother, father)
	h.drain()
	return f
}

// me acts for oneself.
func (h *house) me(vault identity.VaultID) consent.Acting {
	h.t.Helper()
	return must(h.Who(vault, app, consent.Me))(h.t)
}

// acting is the actor acting for the only other person they may act for.
func (h *house) acting(actor identity.VaultID) consent.Acting {
	h.t.Helper()
	people := must(h.People(h.t.Context(), pg.All(), actor, app))(h.t)
	if len(people) != 1 {
		h.t.Fatalf("may act for %d people, want 1", len(people))
	}
	return must(h.Who(actor, app, people[0].Handle))(h.t)
}

// exec changes the database behind everybody's back.
func (h *house) exec(sql string, args ...any) int64 {
	h.t.Helper()
	return must(h.db.Owner(h.t).Exec(h.t.Context(), sql, args...))(h.t).RowsAffected()
}

func (h *house) count(sql string, args ...any) int {
	h.t.Helper()
	var n int
	if err := h.db.Owner(h.t).QueryRow(h.t.Context(), sql, args...).Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *house) counts(want int, sql string, args ...any) {
	h.t.Helper()
	if got := h.count(sql, args...); got != want {
		h.t.Errorf("%d rows, want %d: %s", got, want, sql)
	}
}

// record reads what was recorded in a vault, oldest first, as "kind outcome reason".
func (h *house) record(vault identity.VaultID) []string {
	h.t.Helper()
	page := must(h.audit.List(h.t.Context(), h.db.Owner(h.t), []*seal.Keys{h.keys(vault)}, pg.All(), audit.Entry{}, audit.Query{Limit: 100}, h.now()))(h.t)
	var lines []string
	for _, e := range page.Entries {
		if err := e.Verify(); err != nil {
			h.t.Error(err)
		}
		if e.Kind != audit.HistoryRead && e.Kind != audit.Enrolled {
			lines = append([]string{strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Kind, e.Outcome, e.Reason))}, lines...)
		}
	}
	return lines
}

// shut is a guard that refuses, in the database or in the process.
type shut struct {
	code string
	err  error
}

func (g shut) Queue(b *pgx.Batch) { b.Queue(`select vidan_require($1, $2)`, g.code == "", g.code) }
func (g shut) Check() error       { return g.err }

// together runs fn n times at once, as nearly as can be, and returns what it returned.
func together[T any](n int, fn func(i int) T) []T {
	results := make([]T, n)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			results[i] = fn(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return results
}
