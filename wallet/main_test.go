package wallet_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/keyring"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/procedure/examples"
	"vidan/seal"
	"vidan/wallet"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// cabinet is one test's wallet with everything under it.
type cabinet struct {
	*wallet.Wallet
	t      testing.TB
	db     *pgtest.DB
	pool   *pgxpool.Pool
	d      *seal.Deployment
	vaults *seal.Vaults
	audit  *audit.Recorder
	clock  *atomic.Int64 // microseconds since 1970
	issuer ed25519.PrivateKey
	cast   examples.Cast
}

func setup(t testing.TB) *cabinet {
	t.Helper()
	return setupOn(t, pgtest.New(t))
}

func setupOn(t testing.TB, db *pgtest.DB) *cabinet {
	t.Helper()
	c := setupWith(t, db.Pool)
	c.db = db
	return c
}

func setupWith(t testing.TB, pool *pgxpool.Pool) *cabinet {
	t.Helper()
	c := &cabinet{t: t, clock: new(atomic.Int64)}
	c.clock.Store(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC).UnixMicro())
	uri := "file:" + filepath.Join(t.TempDir(), "kek.json")
	if err := keyring.Create(t.Context(), uri); err != nil {
		t.Fatal(err)
	}
	kek := must(keyring.Open(t.Context(), uri))(t)
	var err error
	if c.d, _, err = seal.NewDeployment(t.Context(), kek, [16]byte{0xde, 0x91}); err != nil {
		t.Fatal(err)
	}
	if _, c.issuer, err = ed25519.GenerateKey(nil); err != nil {
		t.Fatal(err)
	}
	c.cast = must(examples.Load())(t)
	return c.on(pool)
}

// on is the same cabinet with another pool, and nothing remembered: another process.
func (c *cabinet) on(pool *pgxpool.Pool) *cabinet {
	c.t.Helper()
	other := *c
	other.pool, other.audit = pool, audit.New(c.d)
	other.vaults = must(seal.NewVaults(c.d, seal.CacheConfig{}, other.now))(c.t)
	c.t.Cleanup(other.vaults.Close)
	other.Wallet = must(wallet.New(wallet.Deps{Pool: pool, Deployment: c.d, Vaults: other.vaults, Audit: other.audit, Now: other.now}))(c.t)
	return &other
}

// now moves a millisecond at each look, so that what happens later was recorded later.
func (c *cabinet) now() time.Time { return time.UnixMicro(c.clock.Add(1000)).UTC() }

func (c *cabinet) advance(d time.Duration) { c.clock.Add(d.Microseconds()) }

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// vault opens a vault as enrolment does.
func (c *cabinet) vault() identity.VaultID {
	c.t.Helper()
	v := identity.NewVaultID()
	_, rows, err := c.d.NewVault(c.t.Context(), v)
	if err != nil {
		c.t.Fatal(err)
	}
	b := new(pgx.Batch)
	b.Queue(`insert into vaults (vault_id, created_at) values ($1, $2)`, v, c.now())
	seal.QueueVaultKeys(b, rows, c.now())
	if err := pg.Pipeline(c.t.Context(), c.pool, b); err != nil {
		c.t.Fatal(err)
	}
	return v
}

func (c *cabinet) keys(v identity.VaultID) *seal.Keys {
	c.t.Helper()
	return must(c.vaults.OpenOne(c.t.Context(), c.pool, v))(c.t)
}

// paper is a paper of the cast on its way into a vault.
type paper struct {
	vault     identity.VaultID
	ref       string
	number    int
	state     wallet.State
	who, what string // of the cast; "" for the newborn's birth certificate
	note      string // tells two payloads apart
	empty     bool   // no document: a bare revocation
}

const registry = "ubnd-xa-dai-son"

// revision signs a paper as its issuer does (docs/RESULTS.md §1.1).
func (c *cabinet) revision(p paper) wallet.Revision {
	c.t.Helper()
	if p.who == "" {
		p.who, p.what = "an", "birth_certificate"
	}
	if p.state == "" {
		p.state = wallet.Issued
	}
	document, ok := c.cast.Paper(p.who, p.what)
	if !ok {
		c.t.Fatalf("the cast has no %s of %s", p.what, p.who)
	}
	issued := time.Date(2026, 10, 1, 9, 30, p.number, 0, time.UTC)
	payload := map[string]any{
		"result_id": identity.NewVaultID(), "document_ref": p.ref, "revision": p.number, "state": p.state, "issued_at": issued,
		"document_type": p.what, "procedure": "birth_registration", "dossier_code": "H24.99-260930-0001",
		"issued_by": map[string]string{"organisation": registry, "unit": "tu-phap", "officer": "cb-17"}, "attachments": []string{}, "note": p.note,
	}
	if !p.empty {
		payload["document"] = document.JSON
	}
	raw := must(json.Marshal(payload))(c.t)
	enc := base64.RawURLEncoding
	input := enc.EncodeToString([]byte(`{"alg":"EdDSA","kid":"ubnd-1","typ":"vidan-result+jwt"}`)) + "." + enc.EncodeToString(raw)
	return wallet.Revision{
		Vault: p.vault, Document: c.d.DocumentID(registry, p.what, p.ref), Type: p.what, Issuer: registry, Ref: p.ref,
		Procedure: "birth_registration", Dossier: "H24.99-260930-0001", Number: p.number, State: p.state, IssuedAt: issued,
		ValidFrom: "2026-10-01", SubjectRole: "child",
		Message:       []byte(input + "." + enc.EncodeToString(ed25519.Sign(c.issuer, []byte(input)))),
		PayloadSHA256: sha256.Sum256(raw),
	}
}

// store stores a revision as the intake does: lock, revision, record, in one transaction.
func (c *cabinet) store(rev wallet.Revision) error {
	c.t.Helper()
	keys, err := c.vaults.OpenOne(c.t.Context(), c.pool, rev.Vault)
	if err != nil {
		return err
	}
	now := c.now()
	b := new(pgx.Batch)
	c.QueueLock(b, rev.Vault)
	if err := c.QueueRevise(b, keys, rev, now); err != nil {
		return err
	}
	_, err = c.audit.Queue(b, keys, audit.Entry{
		Vault: rev.Vault, Kind: audit.ResultStored, Organisation: rev.Issuer, Document: rev.Document, Revision: rev.Number,
	}, now)
	if err != nil {
		return err
	}
	return pg.Pipeline(c.t.Context(), c.pool, b)
}

// put stores a paper and returns its revision.
func (c *cabinet) put(p paper) wallet.Revision {
	c.t.Helper()
	rev := c.revision(p)
	if err := c.store(rev); err != nil {
		c.t.Fatal(err)
	}
	return rev
}

// hold gives a holding and runs its task.
func (c *cabinet) hold(h wallet.Holding) identity.HoldingID {
	c.t.Helper()
	id := c.holdAtHome(h)
	c.mirror(h.Home, id)
	return id
}

func (c *cabinet) holdAtHome(h wallet.Holding) identity.HoldingID {
	c.t.Helper()
	b := new(pgx.Batch)
	c.QueueLock(b, h.Home)
	id := must(c.QueueHold(b, c.keys(h.Home), h, audit.Actor{Client: "ubnd-client"}, c.now()))(c.t)
	if err := pg.Pipeline(c.t.Context(), c.pool, b); err != nil {
		c.t.Fatal(err)
	}
	return id
}

func (c *cabinet) mirror(home identity.VaultID, id identity.HoldingID) {
	c.t.Helper()
	if err := c.Mirror(c.t.Context(), mirrorTask(home, id)); err != nil {
		c.t.Fatal(err)
	}
}

func mirrorTask(home identity.VaultID, id identity.HoldingID) delivery.Task {
	return delivery.Task{Kind: wallet.KindMirror, Vault: home, Args: json.RawMessage(`{"holding_id":"` + id.String() + `"}`)}
}

// me is the entry of somebody who reads for themselves with an app.
func me(v identity.VaultID) audit.Entry {
	return audit.Entry{Actor: audit.Actor{Vault: v, Client: "app"}, RequestTrace: "req-1"}
}

func (c *cabinet) get(v identity.VaultID, doc identity.DocumentID, revision int) (wallet.Document, error) {
	c.t.Helper()
	return c.Get(c.t.Context(), pg.All(), []identity.VaultID{v}, doc, revision, me(v))
}

func (c *cabinet) list(v identity.VaultID) wallet.Page {
	c.t.Helper()
	return must(c.List(c.t.Context(), pg.All(), []identity.VaultID{v}, me(v), "", 0))(c.t)
}

// recorded returns the record of a vault, oldest first, without what reading it adds.
func (c *cabinet) recorded(v identity.VaultID) []audit.Read {
	c.t.Helper()
	p := must(c.audit.List(c.t.Context(), c.pool, []*seal.Keys{c.keys(v)}, pg.All(), me(v), audit.Query{Limit: audit.MaxLimit}, c.now()))(c.t)
	var entries []audit.Read
	for i := len(p.Entries) - 1; i >= 0; i-- {
		if p.Entries[i].Kind != audit.HistoryRead {
			entries = append(entries, p.Entries[i])
		}
	}
	return entries
}

// kinds are the kinds of a record, with the outcome where it is not done.
func kinds(entries []audit.Read) []string {
	var list []string
	for _, e := range entries {
		s := string(e.Kind)
		if e.Outcome != "" && e.Outcome != audit.Done {
			s += ":" + string(e.Outcome)
		}
		list = append(list, s)
	}
	return list
}

// count runs a query of the owner that returns one number.
func (c *cabinet) count(sql string, args ...any) int {
	c.t.Helper()
	var n int
	if err := c.db.Owner(c.t).QueryRow(c.t.Context(), sql, args...).Scan(&n); err != nil {
		c.t.Fatal(err)
	}
	return n
}

// write changes the database behind the service's back, as its owner.
func (c *cabinet) write(sql string, args ...any) int64 {
	c.t.Helper()
	tag, err := c.db.Owner(c.t).Exec(c.t.Context(), sql, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return tag.RowsAffected()
}

// open lets go-cmp into the types that print masked.
func open() cmp.Option {
	return cmp.Options{
		cmpopts.IgnoreUnexported(wallet.Item{}, wallet.Document{}, wallet.RevisionInfo{}),
		cmpopts.EquateComparable(identity.DocumentID{}, identity.VaultID{}, identity.HoldingID{}),
	}
}
