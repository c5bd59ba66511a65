package web_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/auth"
	"vidan/auth/passkey"
	"vidan/consent"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/keyring"
	"vidan/internal/outside"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/person"
	"vidan/prefill"
	"vidan/seal"
	"vidan/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	appID, agencyID = "vidan-app", "truong-mam-non"
	appBack         = "http://127.0.0.1:49152/back"
	agencyBack      = "https://mamnon.example/back?from=vidan"
	duNumber        = "099193000003"
	duPassphrase    = "bến nước, cây đa, sân đình"
)

// town is one deployment with its pages, on a database of its own.
type town struct {
	t        testing.TB
	db       *pgtest.DB
	d        *seal.Deployment
	vaults   *seal.Vaults
	record   *audit.Recorder
	registry *person.Registry
	auth     *auth.Server
	server   *httptest.Server
	logs     *lines
	passkeys passkey.Party // of servers made from now on
	ledger   *consent.Ledger
	prefill  *prefill.Filler
	mu       sync.Mutex
	at       time.Time
}

// lines collects what was logged.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (w *town) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(time.Millisecond)
	return w.at
}

func (w *town) advance(d time.Duration) {
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

func build(t testing.TB) *town {
	t.Helper()
	ctx := t.Context()
	w := &town{t: t, db: pgtest.New(t), logs: new(lines), at: time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC)}
	uri := "file://" + filepath.Join(t.TempDir(), "kek")
	if err := keyring.Create(ctx, uri); err != nil {
		t.Fatal(err)
	}
	kek := must(keyring.Open(ctx, uri))(t)
	d, _, err := seal.NewDeployment(ctx, kek, [16]byte{0xde, 0x92})
	w.d = must(d, err)(t)
	if err := auth.CreateKeys(ctx, w.db.Pool, w.d, w.now()); err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewUnstartedServer(nil)
	w.auth = w.process("http://"+w.server.Listener.Addr().String(), w.db.Pool)
	w.server.Config.Handler = w.handler(w.auth)
	w.server.Start()
	t.Cleanup(w.server.Close)
	w.register()
	return w
}

// process makes a server that shares nothing but the database.
func (w *town) process(issuer string, pool *pgxpool.Pool) *auth.Server {
	w.t.Helper()
	w.vaults = must(seal.NewVaults(w.d, seal.CacheConfig{}, w.now))(w.t)
	w.t.Cleanup(w.vaults.Close)
	w.record = audit.New(w.d)
	w.registry = must(person.New(person.Deps{Pool: pool, Deployment: w.d, Vaults: w.vaults, Audit: w.record, Now: w.now}))(w.t)
	keys := must(auth.OpenKeys(w.t.Context(), pool, w.d, w.now()))(w.t)
	return must(auth.New(auth.Deps{
		Pool: pool, Deployment: w.d, Keys: keys, Issuer: issuer, Now: w.now, Logger: slog.New(slog.NewJSONHandler(w.logs, nil)),
		People: w.registry, Vaults: w.vaults, Audit: w.record, Consent: w.wallets(pool, keys, issuer), Passkeys: w.passkeys, Config: auth.Config{Hashes: 32},
	}))(w.t)
}

func (w *town) handler(s *auth.Server) http.Handler {
	w.t.Helper()
	pages := must(web.New(web.Deps{
		Auth: s, Names: auth.NewNames(w.db.Pool, w.now), Preview: w.prefill.Preview,
		Mine: &web.Mine{Pool: w.db.Pool, Consent: w.ledger, Audit: w.record, People: w.registry, Vaults: w.vaults, Now: w.now}, Logger: slog.New(slog.NewJSONHandler(w.logs, nil)),
		Problem: func(code, language string) (string, string, bool) {
			return "Không tìm thấy.", "Kiểm tra lại.", code == "not_found"
		},
		Address: func(r *http.Request) string {
			if from := r.Header.Get("Test-Address"); from != "" {
				return from
			}
			return web.Peer(r)
		},
	}))(w.t)
	mux := http.NewServeMux()
	s.Routes(mux)
	pages.Routes(mux)
	// One operation as the edge for programs has them: authenticate, then the guard.
	mux.HandleFunc("GET /v1/people/me/documents", func(rw http.ResponseWriter, r *http.Request) {
		p, err := s.Authenticate(r)
		if err == nil {
			b := new(pgx.Batch)
			g := p.Guard()
			g.Queue(b)
			if err = auth.Refused(pg.Pipeline(r.Context(), w.db.Pool, b)); err == nil {
				err = g.Check()
			}
		}
		if err != nil {
			http.Error(rw, auth.Code(err), http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(rw).Encode(map[string]any{"level": p.Level, "amr": p.AMR})
	})
	return mux
}

// register fills the directory: an app, and an agency's OpenID client.
func (w *town) register() {
	w.t.Helper()
	ctx := w.t.Context()
	directory := auth.NewDirectory(w.db.Pool, w.d)
	for _, err := range []error{
		directory.AddPages(ctx, w.now()),
		directory.AddOrganisation(ctx, auth.Organisation{ID: "truong-sen", NameVI: "Trường mầm non Hoa Sen", NameEN: "Lotus Kindergarten", Kind: "school"}, w.now()),
		directory.AddClient(ctx, auth.Client{ID: appID, Name: "Ứng dụng Ví dân", Profile: auth.App, Scopes: []string{"openid", "wallet"},
			RedirectURIs: []string{"http://127.0.0.1/back", "vn.vidan.app:/back"}}, w.now()),
		directory.AddClient(ctx, auth.Client{ID: agencyID, Organisation: "truong-sen", Name: "Tuyển sinh Hoa Sen", Profile: auth.FAPI2,
			Scopes: []string{"openid", "prefill"}, RedirectURIs: []string{agencyBack}}, w.now()),
	} {
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// app is the mobile app, on a phone.
func (w *town) app() *outside.Client {
	w.t.Helper()
	return &outside.Client{Issuer: w.server.URL, ID: appID, DPoP: must(outside.NewKey(""))(w.t), HTTP: w.server.Client(), Now: w.now}
}

// agency is the kindergarten's system.
func (w *town) agency() *outside.Client {
	w.t.Helper()
	key := must(outside.NewKey("hoa-sen-1"))(w.t)
	must(auth.NewDirectory(w.db.Pool, w.d).AddKey(w.t.Context(), agencyID, key.Public(), w.now()))(w.t)
	c := w.app()
	c.ID, c.Key = agencyID, key
	return c
}

// person enrols somebody with a passphrase and, at level 2, a device.
func (w *town) person(number string, level int, device bool) (identity.VaultID, outside.Citizen) {
	w.t.Helper()
	ctx := w.t.Context()
	enrolled := must(w.registry.Enrol(ctx, open{}, w.officer(), person.Enrolment{
		Number: must(identity.ParsePersonalNumber(number))(w.t), Kind: person.Citizen, Name: must(identity.ParseName("NGUYỄN THỊ DỤ"))(w.t),
		BirthDate: must(identity.ParsePartialDate("1993-11-08"))(w.t), Sex: identity.Female, Level: level, PreferredChannel: delivery.SMS,
		Contacts: []person.Contact{{
			Channel: delivery.SMS, Address: must(person.ParseAddress(delivery.SMS, "0900 000 003"))(w.t), Verified: person.VerifiedAtCounter, VerifiedAt: w.now(),
		}},
		Evidence: person.Evidence{Basis: person.IdentityCard, Reference: "HS-2026/0042"},
	}))(w.t)
	if err := w.auth.SetPassphrase(ctx, enrolled.Vault, duPassphrase); err != nil {
		w.t.Fatal(err)
	}
	who := outside.Citizen{PersonalNumber: number, Passphrase: duPassphrase}
	if device {
		who.Device = must(outside.NewKey("dien-thoai-cua-du"))(w.t)
		who.DeviceID = must(w.auth.AddDevice(ctx, enrolled.Vault, "Điện thoại của Dụ", who.Device.Public()))(w.t).ID
	}
	return enrolled.Vault, who
}

func (w *town) officer() audit.Actor {
	w.t.Helper()
	return audit.Actor{Client: "registrar", Officer: audit.Officer{
		ID: "cb-7", Name: must(identity.ParseName("LÊ VĂN VÍ"))(w.t), Post: "Đăng ký viên", Organisation: "registrar", Assurance: audit.Asserted,
	}}
}

// code returns the activation code that was sent to a person last.
func (w *town) code(vault identity.VaultID) string {
	w.t.Helper()
	ctx := w.t.Context()
	messenger := must(delivery.NewMessenger(w.db.Pool, w.vaults, must(delivery.OpenGateway("sandbox:", w.db.Pool))(w.t), w.now))(w.t)
	var id string
	if err := w.db.Owner(w.t).QueryRow(ctx, `select message_id::text from messages where vault_id = $1`, vault).Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	if err := messenger.Send(ctx, delivery.Task{Vault: vault, Args: json.RawMessage(`{"message_id":"` + id + `"}`)}); err != nil {
		w.t.Fatal(err)
	}
	for _, m := range must(delivery.SandboxMessages(ctx, w.db.Pool, 10))(w.t) {
		for _, word := range strings.Fields(m.BodyEN) {
			if word = strings.Trim(word, "."); len(word) == 8 && strings.Trim(word, "0123456789") == "" {
				return word
			}
		}
	}
	w.t.Fatal("no code was sent")
	return ""
}

// history is what was recorded in a vault, oldest first, as "kind outcome reason".
func (w *town) history(vault identity.VaultID) []string {
	w.t.Helper()
	keys := must(w.vaults.OpenOne(w.t.Context(), w.db.Pool, vault))(w.t)
	page := must(w.record.List(w.t.Context(), w.db.Owner(w.t), []*seal.Keys{keys}, open{}, audit.Entry{}, audit.Query{Limit: 100}, w.now()))(w.t)
	var all []string
	for _, e := range page.Entries {
		if e.Kind != audit.HistoryRead {
			all = append([]string{string(e.Kind) + " " + string(e.Outcome) + " " + e.Reason}, all...)
		}
	}
	return all
}

func (w *town) count(sql string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.Owner(w.t).QueryRow(w.t.Context(), sql, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *town) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Owner(w.t).Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// papers calls an operation with the client's token.
func papers(t testing.TB, c *outside.Client) (int, string) {
	t.Helper()
	answer := must(c.Do(t.Context(), http.MethodGet, "/v1/people/me/documents", nil))(t)
	return answer.Status, strings.TrimSpace(string(answer.Body))
}

// body reads an answer whole.
func body(t testing.TB, r *http.Response) string {
	t.Helper()
	defer func() { _ = r.Body.Close() }()
	return string(must(io.ReadAll(r.Body))(t))
}

// open is a guard that lets everybody in.
type open struct{}

func (open) Queue(*pgx.Batch) {}
func (open) Check() error     { return nil }
