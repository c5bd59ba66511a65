package prefill_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
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
	"vidan/prefill"
	"vidan/procedure"
	"vidan/procedure/examples"
	"vidan/seal"
	"vidan/wallet"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// world is one process with everything under a filler.
type world struct {
	*prefill.Filler
	t      testing.TB
	db     *pgtest.DB
	pool   *pgxpool.Pool
	d      *seal.Deployment
	vaults *seal.Vaults
	audit  *audit.Recorder
	people *person.Registry
	ledger *consent.Ledger
	wallet *wallet.Wallet
	cat    *procedure.Catalogue
	cast   examples.Cast
	key    ed25519.PrivateKey
	clock  *atomic.Int64 // microseconds since 1970; it stands still until it is moved
	*register
}

// register is what the tests know of the people, in all processes of a world.
type register struct {
	vaults map[string]identity.VaultID // by id in the cast
	papers map[identity.DocumentID]string
	asked  int
}

const (
	school   = "truong-hoa-sen"
	police   = "ca-gia-loc"
	client   = "hoa-sen-client"
	registry = "ubnd-xa-dai-son"
	app      = "app" // the sector of citizens' apps
	issuer   = "https://vidan.example"
)

// sectorOf is the sector of an organisation.
func sectorOf(organisation string) string { return "sector-" + organisation }

func setup(t testing.TB) *world {
	t.Helper()
	return setupOn(t, pgtest.New(t))
}

func setupOn(t testing.TB, db *pgtest.DB) *world {
	t.Helper()
	w := &world{t: t, db: db, clock: new(atomic.Int64), register: &register{vaults: map[string]identity.VaultID{}, papers: map[identity.DocumentID]string{}}}
	w.clock.Store(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC).UnixMicro())
	uri := "file:" + filepath.Join(t.TempDir(), "kek.json")
	if err := keyring.Create(t.Context(), uri); err != nil {
		t.Fatal(err)
	}
	kek := must(keyring.Open(t.Context(), uri))(t)
	var rows []seal.DeploymentKey
	var err error
	if w.d, rows, err = seal.NewDeployment(t.Context(), kek, [16]byte{0xde, 0x91}); err != nil {
		t.Fatal(err)
	}
	b := new(pgx.Batch)
	seal.QueueDeploymentKeys(b, rows, w.now())
	if err := pg.Pipeline(t.Context(), db.Pool, b); err != nil {
		t.Fatal(err)
	}
	if _, w.key, err = ed25519.GenerateKey(nil); err != nil {
		t.Fatal(err)
	}
	w.cat, w.cast = must(procedure.Load())(t), must(examples.Load())(t)
	for _, o := range []string{school, police} {
		w.exec(`insert into organisations (organisation_id, name_vi, name_en, kind, sector, created_at) values ($1, $1, $1, 'school', $2, $3)`, o, sectorOf(o), w.now())
	}
	return w.on(db.Pool)
}

// on is the same world on another pool with nothing remembered: another process.
func (w *world) on(pool *pgxpool.Pool) *world {
	w.t.Helper()
	o := *w
	o.pool, o.audit = pool, audit.New(w.d)
	o.vaults = must(seal.NewVaults(w.d, seal.CacheConfig{}, o.now))(w.t)
	w.t.Cleanup(o.vaults.Close)
	o.people = must(person.New(person.Deps{Pool: pool, Deployment: w.d, Vaults: o.vaults, Audit: o.audit, Now: o.now}))(w.t)
	o.ledger = must(consent.New(consent.Deps{
		Pool: pool, Deployment: w.d, Vaults: o.vaults, Audit: o.audit, People: o.people, Catalogue: w.cat, Issuer: issuer, Now: o.now,
		Sign: func(claims []byte) (string, error) { return o.jws(consent.ReceiptType, claims), nil },
	}))(w.t)
	o.wallet = must(wallet.New(wallet.Deps{Pool: pool, Deployment: w.d, Vaults: o.vaults, Audit: o.audit, Now: o.now}))(w.t)
	o.Filler = must(prefill.New(prefill.Deps{
		Pool: pool, Deployment: w.d, Vaults: o.vaults, Catalogue: w.cat, Audit: o.audit, People: o.people, Consent: o.ledger, Wallet: o.wallet,
		Issuer: issuer, Now: o.now, Sign: func(claims []byte) (string, error) { return o.jws(prefill.AnswerType, claims), nil },
	}))(w.t)
	return &o
}

func (w *world) now() time.Time          { return time.UnixMicro(w.clock.Load()).UTC() }
func (w *world) advance(d time.Duration) { w.clock.Add(d.Microseconds()) }

func (w *world) jws(typ string, payload []byte) string {
	enc := base64.RawURLEncoding
	input := enc.EncodeToString([]byte(`{"alg":"EdDSA","kid":"k","typ":"`+typ+`"}`)) + "." + enc.EncodeToString(payload)
	return input + "." + enc.EncodeToString(ed25519.Sign(w.key, []byte(input)))
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

// exec changes the database behind everybody's back.
func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	must(w.db.Owner(w.t).Exec(w.t.Context(), sql, args...))(w.t)
}

func (w *world) counts(want int, sql string, args ...any) {
	w.t.Helper()
	var n int
	if err := w.db.Owner(w.t).QueryRow(w.t.Context(), sql, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	if n != want {
		w.t.Errorf("%d rows, want %d: %s", n, want, sql)
	}
}

func (w *world) of(id string) examples.Person {
	w.t.Helper()
	p, ok := w.cast.Person(id)
	if !ok {
		w.t.Fatalf("nobody is called %s", id)
	}
	return p
}

func (w *world) number(id string) identity.PersonalNumber {
	w.t.Helper()
	return must(identity.ParsePersonalNumber(w.of(id).PersonalNumber))(w.t)
}

func (w *world) majority(id string) time.Time {
	w.t.Helper()
	return w.ledger.Majority(must(identity.ParsePartialDate(w.of(id).BirthDate))(w.t))
}

func (w *world) adult(id string) bool { return !w.majority(id).After(w.now()) }

// vault returns somebody's vault; they are enrolled, with their papers, at the first time.
func (w *world) vault(id string) identity.VaultID {
	w.t.Helper()
	v, known := w.register.vaults[id]
	if known {
		return v
	}
	p := w.of(id)
	born := must(identity.ParsePartialDate(p.BirthDate))(w.t)
	level := 2
	if !w.adult(id) {
		level = 0
	}
	by := audit.Actor{Client: "registrar-client", Officer: audit.Officer{ID: "officer-7", Organisation: "registrar", Assurance: audit.Asserted}}
	v = must(w.people.Enrol(w.t.Context(), pg.All(), by, person.Enrolment{
		Number: w.number(id), Kind: person.Citizen, Name: must(identity.ParseName(p.FullName))(w.t), BirthDate: born, Sex: identity.Sex(p.Sex),
		Level: level, PreferredChannel: person.NoChannel, Evidence: person.Evidence{Basis: person.IdentityCard, Reference: "HS-1"},
	}))(w.t).Vault
	w.register.vaults[id] = v
	if level > 0 {
		w.exec(`insert into credentials (vault_id, credential_id, kind, name, secret, created_at, mac) values ($1, gen_random_uuid(), 'passphrase', '', 'x', $2, '')`, v, w.now())
	}
	for _, doc := range p.Papers {
		w.put(paper{who: id, what: doc.Type, json: doc.JSON})
	}
	return v
}

// paper is one revision on its way into a vault.
type paper struct {
	who, what string
	ref       string // empty: one for each type
	number    int    // zero: 1
	state     wallet.State
	until     string          // last day of validity; empty: as the paper says
	json      json.RawMessage // nil: a revocation without a document
}

// put stores a revision as the intake does.
func (w *world) put(p paper) identity.DocumentID {
	w.t.Helper()
	if p.ref == "" {
		p.ref = p.who + "-" + p.what
	}
	if p.number == 0 {
		p.number, p.state = 1, wallet.Issued
	}
	if p.until == "" && p.json != nil {
		var says struct {
			Until string `json:"expires_on"`
		}
		if err := json.Unmarshal(p.json, &says); err != nil {
			w.t.Fatal(err)
		}
		p.until = says.Until
	}
	issued := time.Date(2026, 10, 1, 9, 30, p.number, 0, time.UTC)
	members := fmt.Sprintf(`{"document_ref":%q,"revision":%d,"state":%q`, p.ref, p.number, p.state)
	if p.json != nil {
		members += `, "document": ` + string(p.json) // with the space between its parts, as it was written
	}
	payload := []byte(members + "}")
	rev := wallet.Revision{
		Vault: w.register.vaults[p.who], Document: w.d.DocumentID(registry, p.what, p.ref), Type: p.what, Issuer: registry, Ref: p.ref, Number: p.number,
		State: p.state, IssuedAt: issued, ValidUntil: p.until, Message: []byte(w.jws("vidan-result+jwt", payload)), PayloadSHA256: sha256.Sum256(payload),
	}
	b := new(pgx.Batch)
	w.wallet.QueueLock(b, rev.Vault)
	if err := w.wallet.QueueRevise(b, w.keys(rev.Vault), rev, w.now()); err != nil {
		w.t.Fatal(err)
	}
	if err := pg.Pipeline(w.t.Context(), w.pool, b); err != nil {
		w.t.Fatal(err)
	}
	w.register.papers[rev.Document] = p.who + "/" + p.what
	return rev.Document
}

// altered is a paper of the cast with one member of its top level changed.
func (w *world) altered(who, what, member, value string) json.RawMessage {
	w.t.Helper()
	doc, ok := w.cast.Paper(who, what)
	if !ok {
		w.t.Fatalf("the cast has no %s of %s", what, who)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(doc.JSON, &members); err != nil {
		w.t.Fatal(err)
	}
	members[member] = json.RawMessage(value)
	return must(json.Marshal(members))(w.t)
}

func (w *world) original(who, what string) json.RawMessage {
	w.t.Helper()
	doc, _ := w.cast.Paper(who, what)
	return doc.JSON
}

func (w *world) keys(v identity.VaultID) *seal.Keys {
	w.t.Helper()
	return must(w.vaults.OpenOne(w.t.Context(), w.pool, v))(w.t)
}

// household enrols everybody of a dossier and lets parents act for their children, as birth certificates do.
func (w *world) household(dossier string) {
	w.t.Helper()
	for _, id := range w.dossier(dossier).people() {
		if _, known := w.register.vaults[id]; !known {
			w.vault(id)
		}
	}
	kinds := map[string]consent.Kind{"mother": consent.Mother, "father": consent.Father}
	for _, id := range w.dossier(dossier).people() {
		for _, r := range w.of(id).Relations {
			child, known := w.register.vaults[r.Of]
			if kind, parent := kinds[r.Is]; parent && known && !w.adult(r.Of) {
				b := new(pgx.Batch)
				w.wallet.QueueLock(b, child)
				must(w.ledger.QueuePropose(b, w.keys(child), []consent.Proposal{{
					Child: child, Kind: kind, ActorNumber: w.number(id), Actor: w.vault(id), Document: w.d.DocumentID(registry, "birth_certificate", r.Of+"-birth_certificate"),
					Revision: 1, MandateCovers: true, BothByNumber: true, Organisation: registry, Officer: "cb-17", Client: "ubnd-client",
					Until: w.majority(r.Of),
				}}, w.now()))(w.t)
				if err := pg.Pipeline(w.t.Context(), w.pool, b); err != nil {
					w.t.Fatal(err)
				}
			}
		}
	}
	w.drain()
}

// drain runs what follows from commits.
func (w *world) drain() {
	w.t.Helper()
	handlers := w.ledger.Handlers()
	for _, kind := range []string{consent.TaskNotice, "message.send", "waiting.apply", "waiting.sweep"} {
		handlers[kind] = func(context.Context, delivery.Task) error { return nil }
	}
	relay := must(delivery.New(w.pool, delivery.Config{Handlers: handlers, Now: w.now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}))(w.t)
	if err := relay.Drain(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// dossier is one of the cast's, with its roles by person.
type dossier struct{ examples.Dossier }

func (w *world) dossier(id string) dossier {
	w.t.Helper()
	i := slices.IndexFunc(w.cast.Dossiers, func(d examples.Dossier) bool { return d.ID == id })
	if i < 0 {
		w.t.Fatalf("no dossier %s", id)
	}
	return dossier{w.cast.Dossiers[i]}
}

func (d dossier) people() []string {
	var list []string
	for _, id := range d.Roles {
		list = append(list, id)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (d dossier) rolesOf(id string) []string {
	var list []string
	for role, who := range d.Roles {
		if who == id {
			list = append(list, role)
		}
	}
	slices.Sort(list)
	return list
}

// terms are what a test asks for.
type terms struct {
	mode   consent.Mode
	uses   int
	fields []string // empty: everything that can be reused
}

// ask makes a request for a dossier.
func (w *world) ask(id string, t terms) identity.RequestID {
	w.t.Helper()
	d := w.dossier(id)
	w.asked++
	r := consent.NewRequest{
		Organisation: school, Client: client, Officer: officer(), Procedure: d.Procedure, Dossier: "HS-" + id, Fields: t.fields, Mode: t.mode, Uses: t.uses,
		Purpose: "enrolment", IdempotencyKey: fmt.Sprint("ask-", w.asked),
	}
	if t.mode != consent.Once {
		r.Until = w.now().AddDate(0, 6, 0)
	}
	for _, who := range d.people() {
		r.Parties = append(r.Parties, consent.Party{Roles: d.rolesOf(who), Ref: consent.ByNumber(w.number(who))})
	}
	request, _, err := w.ledger.Create(w.t.Context(), pg.All(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return request
}

func officer() audit.Officer {
	return audit.Officer{ID: "hieu-truong-1", Post: "Hiệu trưởng", Organisation: school, Assurance: audit.Asserted}
}

// acting is who decides for somebody: themselves, or the first of their parents.
func (w *world) acting(id string) consent.Acting {
	w.t.Helper()
	who := w.vault(id)
	for _, parent := range w.cast.People {
		for _, r := range parent.Relations {
			actor, known := w.register.vaults[parent.ID]
			if r.Of != id || r.Is != "mother" && r.Is != "father" || !known || w.adult(id) {
				continue
			}
			for _, p := range must(w.ledger.People(w.t.Context(), pg.All(), actor, app))(w.t) {
				if p.Vault == who {
					return must(w.ledger.Who(actor, app, p.Handle))(w.t)
				}
			}
			w.t.Fatalf("%s may not act for %s", parent.ID, id)
		}
	}
	return must(w.ledger.Who(who, app, consent.Me))(w.t)
}

// allow says yes for somebody to these fields, or to all they are asked for, as was asked; signed by a device.
func (w *world) allow(id string, request identity.RequestID, pins []consent.DocRevision, fields ...string) consent.Grant {
	w.t.Helper()
	who := w.acting(id)
	view := must(w.ledger.View(w.t.Context(), pg.All(), who, request))(w.t)
	if len(fields) == 0 {
		for _, f := range view.Fields {
			fields = append(fields, f.Name)
		}
	}
	in := consent.Decision{Request: request, Allow: true, Fields: fields, Language: consent.Vietnamese, Mode: view.Mode, Pinned: pins, Signature: "by the device"}
	text := view.Texts[in.Language].SHA256
	signed := consent.Decided{
		Version: 1, Person: view.Person, Authority: view.Authority, RequestDigest: view.Digest, TextSHA256: base64.RawURLEncoding.EncodeToString(text[:]),
		Language: in.Language, Decision: "allow", Fields: slices.Sorted(slices.Values(fields)), Mode: in.Mode, Uses: view.Uses, Until: view.Until.Format(time.RFC3339),
		Pinned: []consent.Pin{}, Nonce: view.Nonce, Expires: view.Expires.Format(time.RFC3339),
	}
	for _, p := range pins {
		id := p.Document.Bytes()
		signed.Pinned = append(signed.Pinned, consent.Pin{Document: w.d.Ref(app, "document", id[:]), Revision: p.Revision})
	}
	slices.SortFunc(signed.Pinned, func(a, b consent.Pin) int { return strings.Compare(a.Document, b.Document) })
	payload := must(json.Marshal(signed))(w.t)
	return must(w.ledger.Decide(w.t.Context(), pg.All(), who, in, func(context.Context, string) ([]byte, identity.CredentialID, error) {
		return payload, identity.NewID[identity.CredentialID](), nil
	}))(w.t).Grant
}

func (w *world) deny(id string, request identity.RequestID) {
	w.t.Helper()
	must(w.ledger.Decide(w.t.Context(), pg.All(), w.acting(id), consent.Decision{Request: request, Language: consent.Vietnamese}, nil))(w.t)
}

// asks reports whether a request asks somebody.
func (w *world) asks(request identity.RequestID, id string) bool {
	w.t.Helper()
	return must(w.ledger.PlanOf(w.t.Context(), w.pool, request))(w.t).Has(w.vault(id))
}

// granted is a request on which everybody who is asked says yes to everything.
func (w *world) granted(id string, t terms) identity.RequestID {
	w.t.Helper()
	request := w.ask(id, t)
	for _, who := range w.dossier(id).people() {
		if !w.asks(request, who) {
			continue
		}
		var pins []consent.DocRevision
		if t.mode == consent.Once {
			pins = w.preview(who, request).Pinned
		}
		w.allow(who, request, pins)
	}
	return request
}

func (w *world) preview(id string, request identity.RequestID) prefill.Preview {
	w.t.Helper()
	return must(w.tryPreview(id, request))(w.t)
}

func (w *world) tryPreview(id string, request identity.RequestID) (prefill.Preview, error) {
	who := w.acting(id)
	view, err := w.ledger.View(w.t.Context(), pg.All(), who, request)
	if err != nil {
		return prefill.Preview{}, err
	}
	return w.Preview(w.t.Context(), pg.All(), who, view, audit.Actor{Vault: who.Actor, Client: "app"}, "req-1")
}

// order is the school's order of a form.
func order(request identity.RequestID, key string) prefill.Order {
	return prefill.Order{
		Request: request, Organisation: school, Sector: sectorOf(school), Client: client, Officer: officer(), IdempotencyKey: key, Trace: "req-1",
	}
}

func (w *world) fill(request identity.RequestID, key string) (prefill.Answer, error) {
	return w.Fill(w.t.Context(), pg.All(), order(request, key))
}

// record reads what prefill recorded in somebody's vault, oldest first.
func (w *world) record(id string) []audit.Read {
	w.t.Helper()
	page := must(w.audit.List(w.t.Context(), w.db.Owner(w.t), []*seal.Keys{w.keys(w.vault(id))}, pg.All(), audit.Entry{}, audit.Query{Limit: 200}, w.now()))(w.t)
	var list []audit.Read
	for _, e := range page.Entries {
		if err := e.Verify(); err != nil {
			w.t.Error(err)
		}
		if e.Kind == audit.Disclosure || e.Kind == audit.AccessRefused || e.Kind == audit.RequestViewed {
			list = append([]audit.Read{e}, list...)
		}
	}
	return list
}

// said is a form as lines: values, or why there is none.
func said(a prefill.Answer) map[string]string {
	lines := map[string]string{}
	for _, f := range a.Fields {
		lines[f.Name] = string(f.Answered())
	}
	for _, m := range a.Missing {
		lines[m.Name] = string(m.Reason)
	}
	return lines
}

// together runs fn n times at once and returns what it returned.
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
