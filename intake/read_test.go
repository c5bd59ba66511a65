package intake

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/keyring"
	"vidan/procedure"
	"vidan/procedure/examples"
	"vidan/seal"
	"vidan/wallet"
)

// FuzzRead takes payloads through everything that happens to them outside the database. What is accepted can be stored by the wallet, recorded,
// queued as tasks, kept in the waiting room and read again as it was; what is not has faults that say nothing of what was delivered.
func FuzzRead(f *testing.F) {
	in, keys := offline(f)
	cast, err := examples.Load()
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range cast.People {
		for _, paper := range p.Papers {
			f.Add(payloadOf(f, in, p, paper, "issued"))
			f.Add([]byte(strings.Replace(string(payloadOf(f, in, p, paper, "revoked")), `"document":{`, `"document":{"x":"`+p.FullName+`",`, 1)))
		}
	}
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, payload []byte) {
		a, err := in.read(payload, now)
		if err != nil {
			if wrong, is := err.(*Invalid); !is || len(wrong.Faults) == 0 {
				t.Fatal(err)
			}
			return
		}
		if !json.Valid(payload) {
			t.Fatal("accepted what is not JSON")
		}
		enc := base64.RawURLEncoding
		a.message = []byte(enc.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + enc.EncodeToString(payload) + ".c2ln")
		a.sha, a.client = sha256.Sum256(payload), "client"
		b := new(pgx.Batch)
		if err := in.wallet.QueueRevise(b, keys, a.revision(keys.Vault(), a.typ.Home), now); err != nil {
			t.Fatalf("accepted and not to be stored: %v", err)
		}
		if err := in.queueStored(b, a, keys, now); err != nil {
			t.Fatalf("accepted and not to be recorded: %v", err)
		}
		a.warnings()
		a.profile()
		s := share{Home: keys.Vault(), Document: a.id, Revision: a.Revision, Role: "husband", Reason: procedure.ReasonCoSubject,
			Organisation: a.Organisation, Unit: a.Unit, Officer: a.Officer, Client: a.client}
		args, err := json.Marshal(copyArgs{share: s, To: keys.Vault()})
		if err != nil {
			t.Fatal(err)
		}
		b = new(pgx.Batch)
		delivery.Queue(b, delivery.Task{Kind: KindCopy, Vault: s.Home, Args: args}, now)
		if strings.Contains(b.QueuedQueries[0].SQL, "task_args") {
			t.Fatalf("accepted and no task can be made of it")
		}
		again := keepAndRead(t, in, a, now)
		if again.id != a.id || again.second != a.second || again.sha != a.sha || again.product.DocumentType != a.product.DocumentType ||
			!slices.Equal(again.leads(), a.leads()) || again.given() != a.given() || string(again.document.JSON()) != string(a.document.JSON()) {
			t.Fatal("what was kept is read otherwise")
		}
	})
}

// keepAndRead seals an arrival as the waiting room does and reads it again.
func keepAndRead(t *testing.T, in *Intake, a *arrival, now time.Time) *arrival {
	t.Helper()
	at := waitingPlace(identity.NewID[identity.ObjectID]())
	sealed, err := in.sealKept(at, a.kept(a.leads()))
	if err != nil {
		t.Fatal(err)
	}
	k, err := in.openKept(at, sealed)
	if err != nil {
		t.Fatal(err)
	}
	again, err := in.arrivalOf(k, a.client, now)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// offline is an intake without a database: it reads and seals.
func offline(tb testing.TB) (*Intake, *seal.Keys) {
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
	keys, _, err := d.NewVault(tb.Context(), identity.NewVaultID())
	if err != nil {
		tb.Fatal(err)
	}
	catalogue, err := procedure.Load()
	if err != nil {
		tb.Fatal(err)
	}
	vaults, err := seal.NewVaults(d, seal.CacheConfig{}, time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(vaults.Close)
	in := &Intake{deployment: d, catalogue: catalogue, audit: audit.New(d), synthetic: true, now: time.Now}
	if in.wallet, err = wallet.New(wallet.Deps{Pool: new(pgxpool.Pool), Deployment: d, Vaults: vaults, Audit: in.audit, Now: time.Now}); err != nil {
		tb.Fatal(err)
	}
	return in, keys
}

// payloadOf is a paper of the cast as some agency delivers it.
func payloadOf(tb testing.TB, in *Intake, p examples.Person, paper examples.Paper, state string) []byte {
	tb.Helper()
	subject := map[string]any{"personal_number": p.PersonalNumber}
	if p.PersonalNumber == "" {
		subject = map[string]any{"birth_notice_number": p.BirthNoticeNumber}
	}
	procedure := ""
	for _, known := range in.catalogue.Procedures() {
		if _, ok := known.ProductOf(paper.Type); ok {
			procedure = known.ID
		}
	}
	payload := map[string]any{
		"result_id": identity.NewID[identity.ObjectID](), "document_ref": p.ID + "/" + paper.Type, "revision": 1, "state": state, "origin": "backfill",
		"issued_at": "2026-10-01T09:30:00+07:00", "document_type": paper.Type, "subject": subject, "document": paper.JSON,
		"issued_by": map[string]any{"organisation": "xa-dai-son", "unit": "mot-cua", "officer": "cb-002"},
	}
	if procedure != "" {
		payload["procedure"] = procedure
	}
	raw, err := json.Marshal(payload)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// TestReadTakesTheCast: every paper of the cast is good to be delivered.
func TestReadTakesTheCast(t *testing.T) {
	t.Parallel()
	in, _ := offline(t)
	cast, err := examples.Load()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	n := 0
	for _, p := range cast.People {
		for _, paper := range p.Papers {
			n++
			a, err := in.read(payloadOf(t, in, p, paper, "issued"), now)
			if err != nil {
				t.Errorf("%s of %s: %v", paper.Type, p.ID, err)
				continue
			}
			if got := a.aboutTwo(); got != (paper.Type == "marriage_certificate") || got == a.second.IsZero() {
				t.Errorf("%s of %s is about two: %t", paper.Type, p.ID, got)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d papers", n)
	}
}

// BenchmarkRead is the reading of a birth certificate: what of a delivery is neither signature nor database.
func BenchmarkRead(b *testing.B) {
	in, _ := offline(b)
	cast, err := examples.Load()
	if err != nil {
		b.Fatal(err)
	}
	an, _ := cast.Person("an")
	paper, _ := cast.Paper("an", "birth_certificate")
	payload := payloadOf(b, in, an, paper, "issued")
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := in.read(payload, now); err != nil {
			b.Fatal(err)
		}
	}
}
