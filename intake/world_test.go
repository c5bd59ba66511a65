package intake_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/auth"
	"vidan/consent"
	"vidan/delivery"
	"vidan/identity"
	"vidan/intake"
	"vidan/internal/keyring"
	"vidan/internal/outside"
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

func real() time.Time { return beginning }

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
		Pool: pool, Deployment: w.d, Keys: o.keys, People: o.people, Vaults: o.vaults, Audit: o.audit, Issuer: issuer, Now: real, Calendar: o.now, Logger: log,
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
	handlers[intake.KindApply], handlers[intake.KindCopy], handlers[wallet.KindMirror] = o.Apply, o.Copy, o.wallet.Mirror
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

// agency is an organisation's program outside.
type agency struct {
	w            *world
	organisation string
	client       *outside.Client
	mandate      identity.ObjectID
	token        *sync.Once
}

// register puts the organisations, their programs and mandates into the directory.
func (w *world) register() {
	w.t.Helper()
	for _, o := range []struct {
		id        string
		mandate   auth.Mandate
		relations []string
	}{
		{commune, auth.Mandate{
			DocumentTypes: []string{"birth_certificate", "marriage_certificate", "death_extract"},
			Procedures:    []string{"birth_registration", "marriage_registration", "death_registration"},
			Relations:     []string{"mother", "father"}, Rights: []auth.Right{auth.RightDeliver, auth.RightOpenVault, auth.RightResolve},
		}, nil},
		{insurance, auth.Mandate{
			DocumentTypes: []string{"health_insurance_card"}, Procedures: []string{"child_health_insurance_card"},
			Rights: []auth.Right{auth.RightDeliver, auth.RightResolve},
		}, nil},
		{police, auth.Mandate{
			DocumentTypes: []string{"residence_registration", "citizen_identity_card"},
			Procedures:    []string{"permanent_residence_registration", "child_identity_card"}, Rights: []auth.Right{auth.RightDeliver},
		}, nil},
		{registrar, auth.Mandate{Rights: []auth.Right{auth.RightBind, auth.RightEnrol}}, nil},
	} {
		w.organisation(o.id)
		o.mandate.Units = []string{auth.AllUnits}
		w.agency(o.id, o.mandate)
	}
}

func (w *world) organisation(id string) {
	w.t.Helper()
	ok(w.t, w.directory.AddOrganisation(w.t.Context(), auth.Organisation{ID: id, NameVI: "Cơ quan " + id, NameEN: "Body " + id, Kind: "commune"}, beginning))
}

// agency registers a program of an organisation with a mandate.
func (w *world) agency(organisation string, m auth.Mandate) *agency {
	w.t.Helper()
	ctx, t := w.t.Context(), w.t
	id := organisation + "-client"
	ok(t, w.directory.AddClient(ctx, auth.Client{
		ID: id, Organisation: organisation, Name: "Một cửa", Profile: auth.FAPI2, Scopes: []string{auth.ScopeResults},
	}, beginning))
	key := must(must(outside.NewKey(id+"-1"))(t).Prepare("JWT", intake.ResultType))(t)
	must(w.directory.AddKey(ctx, id, key.Public(), beginning))(t)
	m.Client, m.Organisation, m.From, m.Until = id, organisation, beginning.Add(-time.Hour), beginning.AddDate(5, 0, 0)
	g := &agency{w: w, organisation: organisation, token: new(sync.Once), mandate: must(w.directory.AddMandate(ctx, m))(t)}
	g.client = &outside.Client{Issuer: issuer, ID: id, Key: key, DPoP: must(outside.NewKey(""))(t), HTTP: &http.Client{Transport: w}, Now: real}
	w.agencies[organisation] = g
	return g
}

// RoundTrip serves the token endpoint in this process.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	mux := http.NewServeMux()
	w.auth.Routes(mux)
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// call is what a handler has of a request to deliver: its principal, authenticated by token and proof.
func (g *agency) call() (intake.Call, error) {
	g.w.t.Helper()
	g.token.Do(func() { ok(g.w.t, g.client.Login(context.Background(), auth.ScopeResults)) })
	const path = "/v1/results"
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, nil)
	r.Header.Set("Authorization", "DPoP "+g.client.Token)
	proof, err := g.client.DPoP.Proof(http.MethodPost, issuer+path, g.client.Token, real())
	if err != nil {
		return intake.Call{}, err
	}
	r.Header.Set("DPoP", proof)
	p, err := g.w.auth.Authenticate(r)
	if err != nil {
		return intake.Call{}, err
	}
	return intake.Call{Principal: p, First: true, Trace: "req-1"}, p.Scope(auth.ScopeResults)
}

// in is the agency as it talks to another process.
func (g *agency) in(w *world) *agency {
	other := *g
	other.w = w
	return &other
}

// send delivers a signed message in a request of its own.
func (g *agency) send(compact string) (intake.Answer, error) {
	g.w.t.Helper()
	call, err := g.call()
	if err != nil {
		return intake.Answer{}, err
	}
	return g.w.Accept(context.Background(), call, compact)
}

func (g *agency) sign(p payload) string {
	g.w.t.Helper()
	return must(g.client.Key.Sign(intake.ResultType, p))(g.w.t)
}

// deliver signs and sends a result.
func (g *agency) deliver(p payload) (intake.Answer, error) {
	g.w.t.Helper()
	return g.send(g.sign(p))
}

// accepted delivers a result that must be accepted.
func (g *agency) accepted(p payload) intake.Answer {
	g.w.t.Helper()
	answer := must(g.deliver(p))(g.w.t)
	if answer.Status != intake.Accepted || answer.Repeated {
		g.w.t.Fatalf("status %s, repeated %t, reason %s", answer.Status, answer.Repeated, answer.Reason)
	}
	return answer
}

// quarantined delivers a result that must go to quarantine.
func (g *agency) quarantined(p payload, reason intake.Reason) intake.Answer {
	g.w.t.Helper()
	answer := must(g.deliver(p))(g.w.t)
	if answer.Status != intake.Quarantined || answer.Reason != reason || answer.Quarantine == "" || answer.Deadline.IsZero() {
		g.w.t.Fatalf("status %s, reason %s, want quarantine for %s", answer.Status, answer.Reason, reason)
	}
	return answer
}

// refused delivers a result that must be refused with a problem code of [intake.Invalid].
func (g *agency) refused(p payload, code string) *intake.Invalid {
	g.w.t.Helper()
	answer, err := g.deliver(p)
	var wrong *intake.Invalid
	if !errors.As(err, &wrong) || wrong.Code != code {
		g.w.t.Fatalf("answer %q, error %v, want %s", answer.Status, err, code)
	}
	return wrong
}

// payload is a result before it is signed.
type payload map[string]any

// with returns a copy with members changed; nil takes one away.
func (p payload) with(changes map[string]any) payload {
	c := make(payload, len(p)+len(changes))
	for name, v := range p {
		c[name] = v
	}
	for name, v := range changes {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return c
}

// again is the same paper in another delivery.
func (p payload) again(changes map[string]any) payload {
	return p.with(map[string]any{"result_id": uuid.NewString()}).with(changes)
}

// revision is another revision of the paper.
func (p payload) revision(n int, state intake.State) payload {
	return p.again(map[string]any{"revision": n, "state": string(state)})
}

// about names the subject.
func (p payload) about(subject map[string]any) payload {
	return p.with(map[string]any{"subject": subject})
}

// says changes members of the document, by pointer; nil takes one away.
func (p payload) says(changes map[string]any) payload {
	document := map[string]any{}
	raw, err := json.Marshal(p["document"])
	if err == nil {
		err = json.Unmarshal(raw, &document)
	}
	if err != nil {
		panic(err)
	}
	for pointer, v := range changes {
		at, path := document, strings.Split(strings.TrimPrefix(pointer, "/"), "/")
		for _, name := range path[:len(path)-1] {
			at = at[name].(map[string]any)
		}
		if at[path[len(path)-1]] = v; v == nil {
			delete(at, path[len(path)-1])
		}
	}
	return p.with(map[string]any{"document": document})
}

func byNumber(n string) map[string]any { return map[string]any{"personal_number": n} }
func byNotice(n string) map[string]any { return map[string]any{"birth_notice_number": n} }

// paper is a paper of the cast as its agency delivers it, revision 1, named by the number of its person.
func (w *world) paper(who, typ, procedure, organisation string) payload {
	w.t.Helper()
	paper, found := w.cast.Paper(who, typ)
	if !found {
		w.t.Fatalf("the cast has no %s of %s", typ, who)
	}
	return payload{
		"result_id": uuid.NewString(), "document_ref": who + "/" + typ, "revision": 1, "state": "issued", "issued_at": "2026-10-01T09:30:00+07:00",
		"document_type": typ, "procedure": procedure, "dossier_code": "H24.99-260930-0001", "subject": byNumber(w.of(who).PersonalNumber),
		"issued_by":   map[string]any{"organisation": organisation, "unit": "mot-cua", "officer": "cb-002"},
		"attachments": []any{}, "document": paper.JSON,
	}
}

// birth is the birth certificate of somebody of the cast.
func (w *world) birth(who string) payload {
	w.t.Helper()
	return w.paper(who, "birth_certificate", "birth_registration", commune)
}

// newborn is a birth certificate before the number is known.
func (w *world) newborn(who string) payload {
	w.t.Helper()
	return w.birth(who).about(byNotice(w.of(who).BirthNoticeNumber)).says(map[string]any{"/personal_number": nil})
}

func (w *world) card(who string) payload {
	w.t.Helper()
	return w.paper(who, "health_insurance_card", "child_health_insurance_card", insurance)
}

func (w *world) marriage() payload {
	w.t.Helper()
	return w.paper("chung", "marriage_certificate", "marriage_registration", commune)
}

func (w *world) death() payload {
	w.t.Helper()
	return w.paper("mau", "death_extract", "death_registration", commune)
}

// of finds somebody of the cast.
func (w *world) of(id string) examples.Person {
	w.t.Helper()
	i := slices.IndexFunc(w.cast.People, func(p examples.Person) bool { return p.ID == id })
	if i < 0 {
		w.t.Fatalf("nobody is called %s", id)
	}
	return w.cast.People[i]
}

func (w *world) commune() *agency   { return w.agencies[commune].in(w) }
func (w *world) insurance() *agency { return w.agencies[insurance].in(w) }
func (w *world) police() *agency    { return w.agencies[police].in(w) }

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

// me is the entry of a person who reads their own papers.
func me(v identity.VaultID) audit.Entry {
	return audit.Entry{Vault: v, Actor: audit.Actor{Vault: v, Client: "app"}}
}

// history is what the person of a vault sees of a paper: "1 issued, 2 corrected" with the current revision last; "" for a paper that is
// not there for them.
func (w *world) history(vault identity.VaultID, p payload) string {
	w.t.Helper()
	vaults := must(w.people.VaultsOf(context.Background(), vault))(w.t)
	list, err := w.wallet.Revisions(context.Background(), pg.All(), vaults, w.id(p), me(vault))
	if errors.Is(err, wallet.ErrNotFound) {
		return ""
	}
	ok(w.t, err)
	current := must(w.wallet.Get(context.Background(), pg.All(), vaults, w.id(p), 0, me(vault)))(w.t)
	if current.Revision != list[0].Number || current.Revoked != (list[0].State == wallet.Revoked) {
		w.t.Errorf("revision %d is current, the highest is %d", current.Revision, list[0].Number)
	}
	slices.Reverse(list)
	var lines []string
	for _, r := range list {
		lines = append(lines, fmt.Sprintf("%d %s", r.Number, r.State))
	}
	return strings.Join(lines, ", ")
}

func (w *world) shows(vault identity.VaultID, p payload, want string) {
	w.t.Helper()
	if got := w.history(vault, p); got != want {
		w.t.Errorf("the vault shows %q of %s, want %q", got, p["document_ref"], want)
	}
}

// recorded lists what the record of a vault says, readings and the registrar's acts left out, sorted: "kind" or "kind reason".
func (w *world) recorded(vault identity.VaultID) []string {
	w.t.Helper()
	keys := must(w.vaults.OpenOne(context.Background(), w.db.Pool, vault))(w.t)
	page := must(w.audit.List(context.Background(), w.db.Pool, []*seal.Keys{keys}, pg.All(), me(vault), audit.Query{Limit: audit.MaxLimit}, w.now()))(w.t)
	var lines []string
	for _, e := range page.Entries {
		switch e.Kind {
		case audit.HistoryRead, audit.DocumentRead, audit.ListRead, audit.Enrolled, audit.IdentifierBound:
			continue
		}
		lines = append(lines, strings.TrimSpace(string(e.Kind)+" "+e.Reason))
	}
	slices.Sort(lines)
	return lines
}

// count runs a counting query as the owner of the schema.
func (w *world) count(sql string, args ...any) int {
	w.t.Helper()
	var n int
	ok(w.t, w.db.Owner(w.t).QueryRow(context.Background(), sql, args...).Scan(&n))
	return n
}

func (w *world) counts(want int, sql string, args ...any) {
	w.t.Helper()
	if got := w.count(sql, args...); got != want {
		w.t.Errorf("%d, want %d: %s", got, want, sql)
	}
}

// exec changes the database behind everybody's back.
func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	must(w.db.Owner(w.t).Exec(context.Background(), sql, args...))(w.t)
}

// events are the kinds of events an organisation has, with the reason or state each tells.
func (w *world) events(organisation string) []string {
	w.t.Helper()
	w.drain()
	list, _, err := delivery.Events(context.Background(), w.db.Pool, pg.All(), organisation, 0, 100)
	ok(w.t, err)
	var lines []string
	for _, e := range list {
		var body struct{ Reason, State string }
		ok(w.t, json.Unmarshal(e.Body, &body))
		lines = append(lines, e.Kind+" "+body.Reason+body.State)
	}
	return lines
}

// claims verifies a receipt with the published key and reads it.
func (w *world) claims(receipt string) intake.Claims {
	w.t.Helper()
	payload, _, err := w.auth.Verifier().Verify(receipt, w.keys.Lookup(auth.ReceiptKeys), intake.ReceiptType)
	ok(w.t, err)
	var c intake.Claims
	ok(w.t, json.Unmarshal(payload, &c))
	return c
}

// resign gives a message another signature over the same payload bytes.
func (g *agency) resign(compact string) string {
	g.w.t.Helper()
	raw := must(base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[1]))(g.w.t)
	return must(g.client.Key.Sign(intake.ResultType, json.RawMessage(raw)))(g.w.t)
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
