package person_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/keyring"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/person"
	"vidan/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// office is one test's registry with everything under it.
type office struct {
	*person.Registry
	t      testing.TB
	db     *pgtest.DB
	kek    keyring.KEK
	d      *seal.Deployment
	rows   []seal.DeploymentKey
	vaults *seal.Vaults
	audit  *audit.Recorder
	clock  *atomic.Int64 // microseconds since 1970
}

func setup(t testing.TB) *office {
	t.Helper()
	return on(t, pgtest.New(t))
}

func on(t testing.TB, db *pgtest.DB) *office {
	t.Helper()
	o := &office{t: t, db: db, clock: new(atomic.Int64)}
	o.clock.Store(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC).UnixMicro())
	uri := "file:" + filepath.Join(t.TempDir(), "kek.json")
	if err := keyring.Create(t.Context(), uri); err != nil {
		t.Fatal(err)
	}
	var err error
	if o.kek, err = keyring.Open(t.Context(), uri); err != nil {
		t.Fatal(err)
	}
	if o.d, o.rows, err = seal.NewDeployment(t.Context(), o.kek, deployment); err != nil {
		t.Fatal(err)
	}
	return o.under(o.d, o.db.Pool)
}

// deployment is the id of every test's deployment.
var deployment = [16]byte{0xde, 0x91}

// under is the same office with another opened deployment or another pool.
func (o *office) under(d *seal.Deployment, pool *pgxpool.Pool) *office {
	o.t.Helper()
	other := *o
	other.d, other.audit = d, audit.New(d)
	var err error
	if other.vaults, err = seal.NewVaults(d, seal.CacheConfig{}, other.now); err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(other.vaults.Close)
	other.Registry, err = person.New(person.Deps{Pool: pool, Deployment: d, Vaults: other.vaults, Audit: other.audit, Now: other.now})
	if err != nil {
		o.t.Fatal(err)
	}
	return &other
}

// through is the same office over another pool. Its keys are cached where they were.
func (o *office) through(pool *pgxpool.Pool) *office {
	o.t.Helper()
	other, db := *o, *o.db
	db.Pool, other.db = pool, &db
	var err error
	other.Registry, err = person.New(person.Deps{Pool: pool, Deployment: o.d, Vaults: o.vaults, Audit: o.audit, Now: o.now})
	if err != nil {
		o.t.Fatal(err)
	}
	return &other
}

// now moves a millisecond at each look, so that what happens later was recorded later.
func (o *office) now() time.Time { return time.UnixMicro(o.clock.Add(1000)).UTC() }

func (o *office) advance(d time.Duration) { o.clock.Add(d.Microseconds()) }

// registrar is the officer of the acts in these tests.
func registrar(t testing.TB) audit.Actor {
	t.Helper()
	return audit.Actor{Client: "registrar-client", Officer: audit.Officer{
		ID: "officer-7", Name: must(identity.ParseName("LÊ VĂN VÍ"))(t), Post: "Đăng ký viên", Organisation: "registrar", Assurance: audit.Asserted,
	}}
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

func byNumber(t testing.TB, s string) person.Identifier {
	t.Helper()
	return person.NumberIdentifier(number(t, s))
}

func byNotice(t testing.TB, s string) person.Identifier {
	t.Helper()
	return person.NoticeIdentifier(must(identity.ParseBirthNotice(s))(t))
}

func byEntry(t testing.TB, book, no string) person.Identifier {
	t.Helper()
	return must(person.RegistrationIdentifier("ubnd-gia-loc", book, no))(t)
}

// The fictional cast, as far as it is needed here.
const (
	anNumber, anNotice     = "099326000004", "99999.GCS.00001.26"
	duNumber               = "099193000003"
	thiNumber              = "099090000002"
	chungNumber            = "099148000005"
	hoaNumber              = "099195000006"
	songNumber, songNotice = "099226000008", "99999.GCS.00002.26"
	emNotice               = "99999.GCS.00003.26"
	khangNumber            = "099221000012"
)

func evidence(basis person.Basis) person.Evidence {
	return person.Evidence{Basis: basis, Reference: "HS-2026/0042"}
}

// du is the enrolment of the newborn's mother.
func (o *office) du() person.Enrolment {
	o.t.Helper()
	return person.Enrolment{
		Number: number(o.t, duNumber), Kind: person.Citizen, Name: must(identity.ParseName("NGUYỄN THỊ DỤ"))(o.t),
		BirthDate: must(identity.ParsePartialDate("1993-11-08"))(o.t), Sex: identity.Female, Level: 2,
		Contacts: []person.Contact{
			{Channel: delivery.SMS, Address: must(person.ParseAddress(delivery.SMS, "0900 000 003"))(o.t), Verified: person.VerifiedAtCounter, VerifiedAt: o.now()},
			{Channel: delivery.Post, Address: must(person.ParseAddress(delivery.Post, "thôn Giả Định, xã Gia Lộc"))(o.t), Shared: true, Verified: person.NotVerified},
		},
		PreferredChannel: delivery.SMS, Evidence: evidence(person.IdentityCard),
	}
}

// thi is the enrolment of the father.
func (o *office) thi() person.Enrolment {
	o.t.Helper()
	e := o.du()
	e.Number, e.Name, e.Sex = number(o.t, thiNumber), must(identity.ParseName("TRẦN VĂN THÍ"))(o.t), identity.Male
	e.BirthDate = must(identity.ParsePartialDate("1990-05-14"))(o.t)
	return e
}

// enrol enrols somebody and fails the test if that fails.
func (o *office) enrol(e person.Enrolment) identity.VaultID {
	o.t.Helper()
	return must(o.Enrol(o.t.Context(), open{}, registrar(o.t), e))(o.t).Vault
}

// newborn is the profile of a child as its birth certificate has it.
func newborn(t testing.TB, notice string) person.Profile {
	t.Helper()
	return person.Profile{
		Name: must(identity.ParseName("TRẦN MINH AN"))(t), BirthDate: must(identity.ParsePartialDate("2026-09-28"))(t), Sex: identity.Female,
		Mother: number(t, duNumber), Notice: must(identity.ParseBirthNotice(notice))(t),
	}
}

// openPending opens a vault as intake does: find, and when nobody is there, one batch.
func (o *office) openPending(p person.Profile, ids ...person.Identifier) (identity.VaultID, error) {
	o.t.Helper()
	vault := identity.NewVaultID()
	keys, rows, err := o.d.NewVault(context.Background(), vault)
	if err != nil {
		return vault, err
	}
	b := new(pgx.Batch)
	if err := o.QueueOpenPending(b, person.NewPending{Keys: keys, Rows: rows, Identifiers: ids, Profile: p, Evidence: "receipt-1"}, o.now()); err != nil {
		return vault, err
	}
	return vault, pg.Pipeline(context.Background(), o.db.Pool, b)
}

func (o *office) pending(notice string) identity.VaultID {
	o.t.Helper()
	vault, err := o.openPending(newborn(o.t, notice), byNotice(o.t, notice))
	if err != nil {
		o.t.Fatal(err)
	}
	return vault
}

func (o *office) keys(vault identity.VaultID) *seal.Keys {
	o.t.Helper()
	return must(o.vaults.OpenOne(o.t.Context(), o.db.Pool, vault))(o.t)
}

// find runs one search.
func (o *office) find(ids ...person.Identifier) ([]person.Found, error) {
	o.t.Helper()
	b := new(pgx.Batch)
	finding := o.QueueFind(b, ids)
	if err := pg.Pipeline(context.Background(), o.db.Pool, b); err != nil {
		return nil, err
	}
	return finding.Result()
}

// leads asserts where an identifier leads; the zero id means nowhere.
func (o *office) leads(id person.Identifier, want identity.VaultID) {
	o.t.Helper()
	if got := must(o.find(id))(o.t)[0].Vault; got != want {
		o.t.Errorf("the identifier leads to %s, want %s", got, want)
	}
}

// count runs a counting query as the owner of the schema.
func (o *office) count(sql string, args ...any) int {
	o.t.Helper()
	var n int
	if err := o.db.Owner(o.t).QueryRow(o.t.Context(), sql, args...).Scan(&n); err != nil {
		o.t.Fatal(err)
	}
	return n
}

func (o *office) counts(want int, sql string, args ...any) {
	o.t.Helper()
	if got := o.count(sql, args...); got != want {
		o.t.Errorf("%d rows, want %d: %s", got, want, sql)
	}
}

// exec changes the database behind everybody's back.
func (o *office) exec(sql string, args ...any) {
	o.t.Helper()
	if _, err := o.db.Owner(o.t).Exec(o.t.Context(), sql, args...); err != nil {
		o.t.Fatal(err)
	}
}

// fingerprint is the whole state of people: two equal ones mean that nothing changed. The record is left out.
func (o *office) fingerprint() string {
	o.t.Helper()
	all := ""
	for _, table := range []string{
		"vaults", "vault_keys", "people", "identifiers", "vault_aliases", "number_proposals", "contacts", "activation_codes", "messages", "outbox", "idempotency",
	} {
		var s string
		sql := fmt.Sprintf(`select coalesce(string_agg(x::text, E'\n' order by x::text), '') from %s x`, table)
		if err := o.db.Owner(o.t).QueryRow(o.t.Context(), sql).Scan(&s); err != nil {
			o.t.Fatal(err)
		}
		all += table + "\n" + s + "\n"
	}
	return all
}

// record reads what was recorded in a vault, oldest first, as "kind outcome reason".
func (o *office) record(vault identity.VaultID) []string {
	o.t.Helper()
	page, err := o.audit.List(o.t.Context(), o.db.Owner(o.t), []*seal.Keys{o.keys(vault)}, open{}, audit.Entry{}, audit.Query{Limit: 100}, o.now())
	if err != nil {
		o.t.Fatal(err)
	}
	var lines []string
	for _, e := range page.Entries {
		if e.Kind != audit.HistoryRead {
			lines = append([]string{fmt.Sprintf("%s %s %s", e.Kind, e.Outcome, e.Reason)}, lines...)
		}
	}
	return lines
}

// open is a guard that lets everybody in.
type open struct{}

func (open) Queue(*pgx.Batch) {}
func (open) Check() error     { return nil }

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
