package openapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"vidan/audit"
	"vidan/auth"
	"vidan/consent"
	"vidan/delivery"
	"vidan/identity"
	"vidan/intake"
	"vidan/internal/keyring"
	"vidan/internal/outside"
	"vidan/internal/pgtest"
	"vidan/openapi"
	"vidan/person"
	"vidan/prefill"
	"vidan/procedure"
	"vidan/procedure/examples"
	"vidan/seal"
	"vidan/wallet"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	issuer    = "https://id.vidan.example"
	commune   = "xa-dai-son"
	insurance = "bhxh-hai-phong"
	school    = "mam-non-hoa-mai"
	other     = "mam-non-hoa-dao" // a school with the same rights and nothing of the first one's
	registrar = "dinh-danh"
	appID     = "vidan-app"
	redirect  = "http://127.0.0.1:7788/callback"
	unit      = "mot-cua"
)

// world is one deployment with one process, spoken to as outside clients do.
type world struct {
	t       testing.TB
	db      *pgtest.DB
	d       *seal.Deployment
	api     *openapi.API
	auth    *auth.Server
	people  *person.Registry
	relay   *delivery.Relay
	handler http.Handler
	cast    examples.Cast
	logs    *buffer
	answers *buffer // every response, head and body
	http    *http.Client
	keys    map[string]*outside.Key
	unfit   sync.Map // answers that did not fit the document, each told once

	mu  sync.Mutex
	at  time.Time
	org map[string]*outside.Client
}

// buffer collects what several goroutines write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
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

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		t: t, db: pgtest.New(t), cast: must(examples.Load())(t), logs: new(buffer), answers: new(buffer), keys: map[string]*outside.Key{},
		org: map[string]*outside.Client{}, at: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC),
	}
	ctx := t.Context()
	uri := "file:" + filepath.Join(t.TempDir(), "kek")
	if err := keyring.Create(ctx, uri); err != nil {
		t.Fatal(err)
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	var err error
	if w.d, _, err = seal.NewDeployment(ctx, must(keyring.Open(ctx, uri))(t), id); err != nil {
		t.Fatal(err)
	}
	if err := auth.CreateKeys(ctx, w.db.Pool, w.d, w.now()); err != nil {
		t.Fatal(err)
	}
	w.wire(ctx)
	w.http = &http.Client{Transport: w}
	w.register(ctx)
	return w
}

// wire builds what cmd/vidan builds.
func (w *world) wire(ctx context.Context) {
	t, pool := w.t, w.db.Pool
	log := slog.New(slog.NewJSONHandler(w.logs, nil))
	catalogue := must(procedure.Load())(t)
	keys := must(auth.OpenKeys(ctx, pool, w.d, w.now()))(t)
	vaults := must(seal.NewVaults(w.d, seal.CacheConfig{}, w.now))(t)
	t.Cleanup(vaults.Close)
	record := audit.New(w.d)
	w.people = must(person.New(person.Deps{Pool: pool, Deployment: w.d, Vaults: vaults, Audit: record, Now: w.now}))(t)
	w.auth = must(auth.New(auth.Deps{
		Pool: pool, Deployment: w.d, Keys: keys, People: w.people, Vaults: vaults, Audit: record, Issuer: issuer, Now: w.now, Logger: log,
	}))(t)
	ledger := must(consent.New(consent.Deps{
		Pool: pool, Deployment: w.d, Vaults: vaults, Audit: record, People: w.people, Catalogue: catalogue, Issuer: issuer, Now: w.now,
		Sign: func(claims []byte) (string, error) {
			return keys.Signer(auth.ReceiptKeys).Sign(consent.ReceiptType, claims)
		},
	}))(t)
	papers := must(wallet.New(wallet.Deps{Pool: pool, Deployment: w.d, Vaults: vaults, Audit: record, Now: w.now}))(t)
	in := must(intake.New(intake.Deps{
		Pool: pool, Deployment: w.d, Vaults: vaults, Catalogue: catalogue, Audit: record, People: w.people, Relations: ledger, Wallet: papers,
		Auth: w.auth, Receipts: func() *auth.Signer { return keys.Signer(auth.ReceiptKeys) }, Issuer: issuer, Synthetic: true, Now: w.now,
	}))(t)
	filler := must(prefill.New(prefill.Deps{
		Pool: pool, Deployment: w.d, Vaults: vaults, Catalogue: catalogue, Audit: record, People: w.people, Consent: ledger, Wallet: papers,
		Issuer: issuer, Now: w.now,
		Sign: func(claims []byte) (string, error) {
			return keys.Signer(auth.PrefillKeys).Sign(prefill.AnswerType, claims)
		},
	}))(t)
	messenger := must(delivery.NewMessenger(pool, vaults, must(delivery.OpenGateway("sandbox:", pool))(t), w.now))(t)
	handlers := map[string]delivery.Handler{
		intake.KindApply: in.Apply, intake.KindCopy: in.Copy, wallet.KindMirror: in.MirrorHolding,
		consent.TaskRestricted: in.EndRestricted, delivery.TaskMessage: messenger.Send,
	}
	for _, more := range []map[string]delivery.Handler{ledger.Handlers(), w.people.Handlers()} {
		maps.Copy(handlers, more)
	}
	w.relay = must(delivery.New(pool, delivery.Config{Handlers: handlers, Now: w.now, Logger: log}))(t)
	w.api = openapi.New(openapi.Deps{
		Pool: pool, Deployment: w.d, Catalogue: catalogue, Auth: w.auth, Audit: record, People: w.people, Consent: ledger, Wallet: papers,
		Prefill: filler, Intake: in, Vaults: vaults, Names: auth.NewNames(pool, w.now), Issuer: issuer, Now: w.now, Log: log,
	})
	mux := http.NewServeMux()
	mux.Handle("/v1/", w.api.Handler())
	w.auth.Routes(mux)
	w.api.Documents(mux)
	w.handler = mux
}

// RoundTrip implements [http.RoundTripper] without a network, and keeps every answer.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.Host = r.URL.RequestURI(), r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, in)
	resp := rec.Result()
	resp.Request = r
	body := rec.Body.Bytes()
	w.fits(in, resp, body)
	fmt.Fprintf(w.answers, "%s -> %d\n", in.Pattern, resp.StatusCode) // the pattern: what a caller wrote into an address is not the answer's
	_ = resp.Header.Write(w.answers)
	_, _ = w.answers.Write(append(bytes.Clone(body), '\n'))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// register writes organisations, clients, keys and mandates.
func (w *world) register(ctx context.Context) {
	directory := auth.NewDirectory(w.db.Pool, w.d)
	all := []string{auth.AllUnits}
	for _, o := range []struct {
		id, vi, en, kind string
		scopes           []string
		mandate          auth.Mandate
	}{
		{commune, "Ủy ban nhân dân xã Đại Sơn", "Đại Sơn commune", "commune", []string{auth.ScopeResults, auth.ScopeEvents}, auth.Mandate{
			DocumentTypes: []string{"birth_certificate", "residence_registration", "citizen_identity_card"}, Procedures: []string{"birth_registration", "permanent_residence_registration"},
			Relations: []string{"mother", "father"}, Rights: []auth.Right{auth.RightDeliver, auth.RightOpenVault, auth.RightResolve}}},
		{insurance, "Bảo hiểm xã hội Hải Phòng", "Social insurance of Hải Phòng", "social_insurance", []string{auth.ScopeResults, auth.ScopeEvents}, auth.Mandate{
			DocumentTypes: []string{"health_insurance_card"}, Procedures: []string{"child_health_insurance_card"}, Rights: []auth.Right{auth.RightDeliver}}},
		{school, "Trường mầm non Hoa Mai", "Hoa Mai kindergarten", "school", []string{auth.ScopeConsent, auth.ScopePrefill, auth.ScopeEvents}, auth.Mandate{
			Procedures: []string{"kindergarten_enrolment"}, Rights: []auth.Right{auth.RightRequest}}},
		{other, "Trường mầm non Hoa Đào", "Hoa Đào kindergarten", "school", []string{auth.ScopeConsent, auth.ScopePrefill, auth.ScopeEvents}, auth.Mandate{
			Procedures: []string{"kindergarten_enrolment"}, Rights: []auth.Right{auth.RightRequest}}},
		{registrar, "Cơ quan quản lý định danh", "Identity authority", "registrar", []string{auth.ScopeRegistrar, auth.ScopeResults}, auth.Mandate{
			Rights: []auth.Right{auth.RightEnrol, auth.RightLevel, auth.RightBind, auth.RightContact, auth.RightRecover, auth.RightDeath, auth.RightRelation, auth.RightResolve}}},
	} {
		key := must(outside.NewKey("k1"))(w.t)
		w.keys[o.id] = key
		check := func(err error) {
			w.t.Helper()
			if err != nil {
				w.t.Fatal(err)
			}
		}
		check(directory.AddOrganisation(ctx, auth.Organisation{ID: o.id, NameVI: o.vi, NameEN: o.en, Kind: o.kind}, w.now()))
		check(directory.AddClient(ctx, auth.Client{ID: o.id + "-client", Organisation: o.id, Name: o.vi, Profile: auth.FAPI2, Scopes: o.scopes}, w.now()))
		must(directory.AddKey(ctx, o.id+"-client", key.Public(), w.now()))(w.t)
		m := o.mandate
		m.Client, m.Organisation, m.Units, m.From, m.Until = o.id+"-client", o.id, all, w.now().Add(-time.Hour), w.now().AddDate(2, 0, 0)
		must(directory.AddMandate(ctx, m))(w.t)
		c := w.client(o.id+"-client", key)
		check(c.Login(ctx, o.scopes...))
		w.org[o.id] = c
	}
	if err := directory.AddClient(ctx, auth.Client{
		ID: appID, Name: "Ví dân", Profile: auth.App, Scopes: []string{auth.ScopeWallet}, RedirectURIs: []string{redirect},
	}, w.now()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) client(id string, key *outside.Key) *outside.Client {
	w.t.Helper()
	return &outside.Client{Issuer: issuer, ID: id, Key: key, DPoP: must(outside.NewKey("dpop"))(w.t), HTTP: w.http, Now: w.now}
}

// officer is the assertion of an organisation's officer.
func (w *world) officer(organisation string) string {
	w.t.Helper()
	return must(w.org[organisation].Officer(organisation, unit, "cb-1", officerName, "Văn thư"))(w.t)
}

const officerName = "PHẠM THỊ THƯ"

// call sends a request and wants a status; 0 takes any.
func (w *world) call(c *outside.Client, status int, method, path string, body any, headers ...string) *outside.Answer {
	w.t.Helper()
	answer := must(c.Do(w.t.Context(), method, path, body, headers...))(w.t)
	if status != 0 && answer.Status != status {
		w.t.Fatalf("%s %s answered %d, want %d: %s\n%s", method, path, answer.Status, status, answer.Body, w.logs.String())
	}
	return answer
}

// as calls as an organisation with its officer and a fresh idempotency key.
func (w *world) as(organisation string, status int, method, path string, body any) *outside.Answer {
	w.t.Helper()
	return w.call(w.org[organisation], status, method, path, body, "Officer-Assertion", w.officer(organisation), "Idempotency-Key", uuid.NewString())
}

func decode[T any](t testing.TB, a *outside.Answer) T {
	t.Helper()
	var v T
	if err := a.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	return v
}

func (w *world) of(id string) examples.Person {
	w.t.Helper()
	for _, p := range w.cast.People {
		if p.ID == id {
			return p
		}
	}
	w.t.Fatalf("nobody is called %s", id)
	return examples.Person{}
}

func (w *world) drain() {
	w.t.Helper()
	if err := w.relay.Drain(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// enrolment is the body by which the registrar enrols somebody of the cast.
func (w *world) enrolment(id string, level int) map[string]any {
	p := w.of(id)
	return map[string]any{
		"personal_number": p.PersonalNumber, "full_name": p.FullName, "birth_date": p.BirthDate, "sex": p.Sex, "level": level,
		"evidence": map[string]string{"basis": "identity_card", "reference": "HS-2026/0042"},
	}
}

// citizen enrols somebody and signs them in on an app with a phone.
func (w *world) citizen(id string, level int) *citizen {
	w.t.Helper()
	w.as(registrar, http.StatusCreated, http.MethodPost, "/v1/citizens?organisation="+registrar, w.enrolment(id, level))
	ctx, p := w.t.Context(), w.of(id)
	number := must(identity.ParsePersonalNumber(p.PersonalNumber))(w.t)
	vault := must(w.people.Resolve(ctx, w.db.Pool, person.NumberIdentifier(number)))(w.t)
	if err := w.auth.SetPassphrase(ctx, vault, passphrase); err != nil {
		w.t.Fatal(err)
	}
	c := &citizen{Client: w.client(appID, nil), w: w, number: p.PersonalNumber, device: must(outside.NewKey("phone"))(w.t)}
	c.phone = must(w.auth.AddDevice(ctx, vault, "Điện thoại", c.device.Public()))(w.t).ID
	c.signIn(level)
	return c
}

// kept enrols somebody who has papers and no account.
func (w *world) kept(id string) {
	w.t.Helper()
	w.as(registrar, http.StatusCreated, http.MethodPost, "/v1/citizens?organisation="+registrar, w.enrolment(id, 0))
}

const passphrase = "lúa sen tre nắng 2026"

// citizen is a person with an app and a phone.
type citizen struct {
	*outside.Client
	w      *world
	number string
	phone  string
	device *outside.Key
}

// signIn walks through a sign-in as the pages do.
func (c *citizen) signIn(level int) {
	w, ctx := c.w, c.w.t.Context()
	w.t.Helper()
	sum := sha256.Sum256([]byte(verifier))
	cookie, _, err := w.auth.BeginSignIn(ctx, url.Values{
		"response_type": {"code"}, "client_id": {appID}, "redirect_uri": {redirect}, "scope": {"wallet"}, "state": {"state-0123456789"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		"acr_values": {fmt.Sprintf("urn:vidan:level:%d", level)}, "dpop_jkt": {c.DPoP.Thumbprint},
	}, "192.0.2.1")
	if err != nil {
		w.t.Fatal(err)
	}
	x := must(w.auth.OpenSignIn(ctx, cookie))(w.t)
	verdict := must(x.Passphrase(ctx, auth.Attempt{Number: identity.NewPrivate(c.number), Passphrase: identity.NewPrivate(passphrase), Address: "192.0.2.1"}))(w.t)
	if verdict != auth.Accepted {
		w.t.Fatalf("verdict %d", verdict)
	}
	x = must(w.auth.OpenSignIn(ctx, cookie))(w.t)
	if x.Step() == auth.StepConfirm {
		if err := c.Confirm(ctx, outside.Citizen{DeviceID: c.phone, Device: c.device}, x.Number()); err != nil {
			w.t.Fatal(err)
		}
		x = must(w.auth.OpenSignIn(ctx, cookie))(w.t)
	}
	landed := must(url.Parse(must(x.Finish(ctx))(w.t)))(w.t)
	answer := must(c.TokenRequest(ctx, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {appID}, "code": {landed.Query().Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier},
	}))(w.t)
	c.Token = decode[struct {
		Token string `json:"access_token"`
	}](w.t, answer).Token
	if c.Token == "" {
		w.t.Fatalf("no token: %s", answer.Body)
	}
}

const verifier = "a-verifier-of-at-least-forty-three-characters-0001"

// signed signs with the citizen's phone.
func (c *citizen) signed(typ string, payload any) string {
	c.w.t.Helper()
	return must(c.device.Sign(typ, payload))(c.w.t)
}

// paper is a result for a paper of the cast.
func (w *world) paper(organisation, id, documentType string, edit func(map[string]any)) []byte {
	w.t.Helper()
	p := w.of(id)
	for _, paper := range p.Papers {
		if paper.Type != documentType {
			continue
		}
		payload := map[string]any{
			"result_id": uuid.NewString(), "document_ref": id + "/" + documentType, "revision": 1, "state": "issued", "origin": "backfill",
			"issued_at": "2026-11-01T08:00:00+07:00", "document_type": documentType, "subject": map[string]string{"personal_number": p.PersonalNumber},
			"issued_by": map[string]string{"organisation": organisation, "unit": unit, "officer": "cb-2"}, "document": json.RawMessage(paper.JSON),
		}
		if edit != nil {
			edit(payload)
		}
		return must(w.org[organisation].Result(payload))(w.t)
	}
	w.t.Fatalf("%s has no %s", id, documentType)
	return nil
}

func (w *world) deliver(organisation, id, documentType string) {
	w.t.Helper()
	w.call(w.org[organisation], http.StatusCreated, http.MethodPost, "/v1/results", w.paper(organisation, id, documentType, nil))
}

// family is a child of five, the mother signed in, the father signed in, and the child's papers delivered.
type family struct {
	mother, father *citizen
	child          string // the mother's handle of the child
}

func (w *world) family() family {
	w.t.Helper()
	f := family{mother: w.citizen("dan", 2), father: w.citizen("giai", 2)}
	w.kept("khang")
	for _, paper := range w.of("khang").Papers {
		switch paper.Type {
		case "health_insurance_card":
			w.deliver(insurance, "khang", paper.Type)
		case "birth_certificate", "residence_registration", "citizen_identity_card":
			w.deliver(commune, "khang", paper.Type)
		}
	}
	w.drain()
	f.child = f.mother.handle()
	return f
}

// handle is the handle of the one other person somebody may act for.
func (c *citizen) handle() string {
	c.w.t.Helper()
	list := decode[struct {
		Items []openapi.Person `json:"items"`
	}](c.w.t, c.w.call(c.Client, http.StatusOK, http.MethodGet, "/v1/people", nil))
	if len(list.Items) != 2 {
		c.w.t.Fatalf("may act for %d people, want two: %+v", len(list.Items), list.Items)
	}
	return list.Items[1].Handle
}

// asking is a request of the kindergarten for the child of the family.
func (w *world) asking(organisation string, edit func(map[string]any)) map[string]any {
	body := map[string]any{
		"organisation": organisation, "procedure": "kindergarten_enrolment", "dossier_code": "MN-2026-0001", "purpose": "enrolment",
		"parties": []map[string]any{
			{"roles": []string{"child"}, "personal_number": w.of("khang").PersonalNumber},
			{"roles": []string{"mother", "applicant"}, "personal_number": w.of("dan").PersonalNumber},
		},
	}
	if edit != nil {
		edit(body)
	}
	return body
}

// ask makes a request and returns its id.
func (w *world) ask(organisation string, edit func(map[string]any)) string {
	w.t.Helper()
	return decode[struct {
		ID string `json:"request_id"`
	}](w.t, w.as(organisation, http.StatusCreated, http.MethodPost, "/v1/consent-requests", w.asking(organisation, edit))).ID
}

// decideAll decides on the one open request of each person a citizen may decide for, by the phone's signature.
func (c *citizen) decideAll(people ...string) {
	c.w.t.Helper()
	for _, who := range people {
		base := "/v1/people/" + who + "/consent-requests"
		list := decode[struct {
			Items []openapi.PendingRequest `json:"items"`
		}](c.w.t, c.w.call(c.Client, http.StatusOK, http.MethodGet, base, nil))
		if len(list.Items) != 1 {
			c.w.t.Fatalf("%d open requests, want one", len(list.Items))
		}
		view := decode[openapi.RequestView](c.w.t, c.w.call(c.Client, http.StatusOK, http.MethodGet, base+"/"+list.Items[0].ID, nil))
		c.w.call(c.Client, http.StatusOK, http.MethodPost, base+"/"+list.Items[0].ID+"/decision",
			map[string]string{"decision": "allow", "signature": c.signed("vidan-decision+jwt", view.ToSign)})
	}
}

// exec changes the database behind everybody's back.
func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	must(w.db.Owner(w.t).Exec(w.t.Context(), sql, args...))(w.t)
}
