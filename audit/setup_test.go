package audit_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/keyring"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// bundle is what most tests stand on: a database, a recorder, and the vaults of An and of the second vault that An was
// joined with.
type bundle struct {
	*pgxpool.Pool
	*audit.Recorder
	tb        testing.TB
	db        *pgtest.DB
	an, alias *seal.Keys
}

// start is when the tests begin to record; the migrations have a partition for each month from then on.
var start = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func setup(tb testing.TB) *bundle {
	tb.Helper()
	return setupOn(tb, pgtest.New(tb))
}

func setupOn(tb testing.TB, db *pgtest.DB) *bundle {
	tb.Helper()
	d := deployment(tb)
	return &bundle{Pool: db.Pool, Recorder: audit.New(d), tb: tb, db: db, an: vault(tb, d), alias: vault(tb, d)}
}

func deployment(tb testing.TB) *seal.Deployment {
	tb.Helper()
	uri := "file:" + filepath.Join(tb.TempDir(), "kek.json")
	if err := keyring.Create(tb.Context(), uri); err != nil {
		tb.Fatal(err)
	}
	kek, err := keyring.Open(tb.Context(), uri)
	if err != nil {
		tb.Fatal(err)
	}
	d, _, err := seal.NewDeployment(tb.Context(), kek, [16]byte{0xde, 0x91})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func vault(tb testing.TB, d *seal.Deployment) *seal.Keys {
	tb.Helper()
	keys, _, err := d.NewVault(tb.Context(), identity.NewVaultID())
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// reading is an own reading of one paper.
func reading(k *seal.Keys, revision int) audit.Entry {
	return audit.Entry{
		Vault: k.Vault(), Kind: audit.DocumentRead, Actor: audit.Actor{Vault: k.Vault(), Client: "app"},
		Document: identity.FromBytes[identity.DocumentID]([16]byte{9, 15: 1}), Revision: revision,
		RequestTrace: "4bf92f3577b34da6a3ce929d0e0e4736",
	}
}

// disclosure is a form of 12 fields filled for a kindergarten.
func disclosure(tb testing.TB, k *seal.Keys) audit.Entry {
	tb.Helper()
	name, err := identity.ParseName("Nguyễn Thị Hoa")
	if err != nil {
		tb.Fatal(err)
	}
	return audit.Entry{
		Vault: k.Vault(), Kind: audit.Disclosure, Organisation: "kindergarten-hoa-sen",
		Actor: audit.Actor{Client: "kindergarten-hoa-sen-1", Officer: audit.Officer{
			ID: "cb-0417", Name: name, Post: "Văn thư", Organisation: "kindergarten-hoa-sen", Unit: "van-phong", Assurance: audit.Asserted,
		}},
		Procedure: "kindergarten_enrolment", Purpose: "101", Basis: "consent", Dossier: "MN-2026-000123",
		Fields: []string{
			"child_full_name", "child_birth_date", "child_sex", "child_personal_number", "child_residence", "child_insurance_card",
			"child_ethnicity", "child_nationality", "child_place_of_birth", "mother_full_name", "mother_personal_number", "mother_residence",
		},
		Grant:      identity.FromBytes[identity.GrantID]([16]byte{5, 15: 1}),
		Disclosure: identity.FromBytes[identity.DisclosureID]([16]byte{6, 15: 1}),
	}
}

// record commits one entry and returns its id.
func (b *bundle) record(k *seal.Keys, e audit.Entry, at time.Time) identity.EntryID {
	b.tb.Helper()
	batch := new(pgx.Batch)
	id, err := b.Recorder.Queue(batch, k, e, at)
	if err != nil {
		b.tb.Fatal(err)
	}
	if err := pg.Pipeline(b.tb.Context(), b.Pool, batch); err != nil {
		b.tb.Fatal(err)
	}
	return id
}

// list reads a page as An.
func (b *bundle) list(q audit.Query, keys ...*seal.Keys) audit.Page {
	b.tb.Helper()
	page, err := b.List(b.tb.Context(), b.Pool, keys, open{}, b.self(), q, start.AddDate(0, 6, 0))
	if err != nil {
		b.tb.Fatal(err)
	}
	return page
}

// self says that An reads.
func (b *bundle) self() audit.Entry {
	return audit.Entry{Actor: audit.Actor{Vault: b.an.Vault(), Client: "app"}}
}

// value reads one value as the owner.
func value[T any](b *bundle, sql string, args ...any) T {
	b.tb.Helper()
	rows, err := b.db.Owner(b.tb).Query(b.tb.Context(), sql, args...)
	if err != nil {
		b.tb.Fatal(err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		b.tb.Fatal(err)
	}
	return v
}

// owner runs a statement as the owner.
func (b *bundle) owner(sql string, args ...any) {
	b.tb.Helper()
	if _, err := b.db.Owner(b.tb).Exec(b.tb.Context(), sql, args...); err != nil {
		b.tb.Fatal(err)
	}
}

// open is a guard that lets everybody through.
type open struct{}

func (open) Queue(*pgx.Batch) {}
func (open) Check() error     { return nil }
