package auth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// The phone sees three numbers, one of them right, the same at each look; confirming the right one is level 2.
func TestDeviceConfirms(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	cookie, x := w.asked(d)
	first, second := w.waiting(d), w.waiting(d)
	if len(first) != 1 || first[0]["client"] != "Ví dân" {
		t.Fatalf("%v", first)
	}
	var numbers []string
	for i, n := range first[0]["numbers"].([]any) {
		if len(n.(string)) != 2 || slices.Contains(numbers, n.(string)) || second[0]["numbers"].([]any)[i] != n {
			t.Errorf("numbers %v, then %v", first, second)
		}
		numbers = append(numbers, n.(string))
	}
	if len(numbers) != 3 || !slices.Contains(numbers, x.Number()) {
		t.Fatalf("%v without %s", numbers, x.Number())
	}
	challenge := first[0]["challenge_id"].(string)
	if status, body := w.deviceCall(w.Server, pathConfirm, w.confirmation(d, challenge, x.Number(), "allow")); status != http.StatusOK {
		t.Fatalf("%d %v", status, body)
	}
	if status, _ := w.deviceCall(w.Server, pathConfirm, w.confirmation(d, challenge, x.Number(), "allow")); status != http.StatusNotFound {
		t.Errorf("confirmed twice: %d", status)
	}
	to, err := w.reopen(w.peopled(w.pool), cookie).Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status, body := w.redeem(w.Server, w.codeIn(to))
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, body)
	}
	const path = "/v1/people/me/documents"
	token := body["access_token"].(string)
	p, err := w.Authenticate(request(http.MethodGet, path, token, w.app.proof(http.MethodGet, path, token)))
	if err != nil || p.Level != 2 || FactorsLevel(p.AMR) != 2 {
		t.Errorf("%v", err)
	}
}

// A wrong number, or a no, kills the sign-in and is recorded; the right number is too late then.
func TestDeviceRefuses(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		number   func(right string) string
		decision string
		status   int
		reason   string
	}{
		"wrong number": {func(right string) string { return map[bool]string{true: "11", false: "10"}[right == "10"] }, "allow", http.StatusConflict, "wrong_number"},
		"no number":    {func(string) string { return "" }, "allow", http.StatusConflict, "wrong_number"},
		"denied":       {func(right string) string { return right }, "deny", http.StatusOK, "denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			d := w.du(2, true)
			cookie, x := w.asked(d)
			challenge := w.waiting(d)[0]["challenge_id"].(string)
			if status, body := w.deviceCall(w.Server, pathConfirm, w.confirmation(d, challenge, row.number(x.Number()), row.decision)); status != row.status {
				t.Errorf("%d %v", status, body)
			}
			if status, _ := w.deviceCall(w.Server, pathConfirm, w.confirmation(d, challenge, x.Number(), "allow")); status != http.StatusNotFound {
				t.Errorf("the right number afterwards: %d", status)
			}
			now := w.reopen(w.Server, cookie)
			if now.Step() != StepDead || now.Complete() || len(w.waiting(d)) != 0 {
				t.Errorf("at %s", now.Step())
			}
			if lines := w.history(d.vault); !slices.Contains(lines, "signin refused "+row.reason) {
				t.Errorf("record %q", lines)
			}
		})
	}
}

// Of a hundred confirmations at once, half of them wrong, one decides.
func TestConfirmOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	_, x := w.asked(d)
	challenge := w.waiting(d)[0]["challenge_id"].(string)
	wrong := map[bool]string{true: "11", false: "10"}[x.Number() == "10"]
	messages := make([]string, 100)
	for i := range messages {
		messages[i] = w.confirmation(d, challenge, []string{x.Number(), wrong}[i%2], "allow")
	}
	var decided atomic.Int32
	other := w.peopled(w.pool)
	together(100, func(i int) {
		switch status, body := w.deviceCall([]*Server{w.Server, other}[i/2%2], pathConfirm, messages[i]); status {
		case http.StatusOK, http.StatusConflict:
			decided.Add(1)
		case http.StatusNotFound:
		default:
			t.Errorf("%d %v", status, body)
		}
	})
	if decided.Load() != 1 {
		t.Errorf("%d decided", decided.Load())
	}
}

// What a device signs is believed only from an active device of the person, for this service, now, and once.
func TestDeviceCallRefusals(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	w.asked(d)
	stranger := newSender(t, jose.ES256, "dien-thoai")
	good := w.deviceClaims(d)
	if status, _ := w.deviceCall(w.Server, pathChallenges, d.device.message(t, challengeType, good)); status != http.StatusOK {
		t.Fatal(status)
	}
	if status, body := w.deviceCall(w.peopled(w.pool), pathChallenges, d.device.message(t, challengeType, good)); status != http.StatusUnauthorized || body["error"] != "replayed" {
		t.Errorf("a second time: %d %v", status, body)
	}
	now := w.clock.now()
	with := func(name string, value any) map[string]any {
		c := w.deviceClaims(d)
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return c
	}
	for name, message := range map[string]string{
		"another key":       stranger.message(t, challengeType, w.deviceClaims(d)),
		"another type":      d.device.message(t, confirmationType, w.deviceClaims(d)),
		"another audience":  d.device.message(t, challengeType, with("aud", "https://evil.example")),
		"another subject":   d.device.message(t, challengeType, with("sub", w.deviceRef(d.vault, identity.NewID[identity.CredentialID]()))),
		"no subject":        d.device.message(t, challengeType, with("sub", nil)),
		"a bare id":         d.device.message(t, challengeType, with("sub", d.vault.String())),
		"no jti":            d.device.message(t, challengeType, with("jti", nil)),
		"no iat":            d.device.message(t, challengeType, with("iat", nil)),
		"no exp":            d.device.message(t, challengeType, with("exp", nil)),
		"over":              d.device.message(t, challengeType, with("exp", now.Unix())),
		"for a day":         d.device.message(t, challengeType, with("exp", now.Add(24*time.Hour).Unix())),
		"from the future":   d.device.message(t, challengeType, with("iat", now.Add(5*time.Minute).Unix())),
		"not a message":     "x",
		"no payload":        "e30..",
		"a long message":    strings.Repeat("x", maxAssertion+1),
		"another's address": d.device.message(t, challengeType, with("sub", w.sessionRef(d.vault, identity.NewID[identity.SessionID]()))),
	} {
		want := "invalid_device"
		if name == "over" || name == "from the future" { // by a wrong clock: said again with a nonce
			want = codeNonce
		}
		if status, body := w.deviceCall(w.Server, pathChallenges, message); status != http.StatusUnauthorized || body["error"] != want {
			t.Errorf("%s: %d %v", name, status, body)
		}
	}
	for name, body := range map[string]string{
		"not JSON": "x", "empty": "", "list": "[]", "no assertion": "{}", "another member": `{"assertion":"x","name":"y"}`, "number": `{"assertion":1}`,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, pathConfirm, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if status, _ := w.send(w.Server, r); status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
	challenge := w.waiting(d)[0]["challenge_id"].(string)
	for name, message := range map[string]string{
		"no decision":  w.confirmation(d, challenge, "10", ""),
		"no challenge": w.confirmation(d, "", "10", "allow"),
	} {
		if status, _ := w.deviceCall(w.Server, pathConfirm, message); status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
	w.exec(`update people set blocked = true`)
	if status, body := w.deviceCall(w.Server, pathChallenges, d.device.message(t, challengeType, w.deviceClaims(d))); status != http.StatusForbidden {
		t.Errorf("blocked: %d %v", status, body)
	}
	if strings.Contains(w.logs.String(), d.id) {
		t.Error("a device is named in a log line")
	}
}

// S1: a challenge of somebody else is not there.
func TestS1_ForeignChallenge(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	_, x := w.asked(d)
	challenge := w.waiting(d)[0]["challenge_id"].(string)
	thi := du{vault: w.enrol("099090000002", 2), device: newSender(t, jose.ES256, "dien-thoai")}
	added, err := w.AddDevice(t.Context(), thi.vault, "Máy của Thí", thi.device.public(t))
	if err != nil {
		t.Fatal(err)
	}
	thi.id = added.ID
	_, foreign := w.deviceCall(w.Server, pathConfirm, w.confirmation(thi, challenge, x.Number(), "allow"))
	_, missing := w.deviceCall(w.Server, pathConfirm, w.confirmation(thi, identity.NewID[identity.ObjectID]().String(), x.Number(), "allow"))
	if foreign["error"] != "not_found" || text(t, foreign) != text(t, missing) {
		t.Errorf("%v, %v", foreign, missing)
	}
	if err := w.EndDevice(t.Context(), free{}, thi.vault, actorOf(thi), d.id); !errors.Is(err, ErrNoDevice) {
		t.Errorf("somebody else's device: %v", err)
	}
	if len(w.waiting(d)) != 1 || len(w.waiting(thi)) != 0 {
		t.Error("the sign-in was touched")
	}
}

// registration is what a new phone signs.
func (w *town) registration(s *sender, change func(map[string]any)) string {
	c := map[string]any{"aud": testIssuer, "iat": w.clock.now().Unix(), "jti": "registration-" + w.next()}
	if change != nil {
		change(c)
	}
	return s.message(w.tb, registrationType, c)
}

func TestRegisterDevice(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	p := &Principal{Kind: Citizen, Level: 2, Vault: d.vault, AuthTime: w.clock.now()}
	right, err := w.SessionAuthority(p)
	if err != nil {
		t.Fatal(err)
	}
	phone := newSender(t, jose.ES256, "may-moi")
	in := NewDevice{Name: "Máy mới", JWK: phone.public(t), Proof: w.registration(phone, nil)}
	first, err := w.RegisterDevice(t.Context(), free{}, d.vault, actorOf(d), in, right)
	if err != nil || first.Name != "Máy mới" || first.Thumbprint != phone.thumbprint(t) {
		t.Fatalf("%+v %v", first, err)
	}
	// P3: sent again, it is the same device, once in the record.
	if again, err := w.RegisterDevice(t.Context(), free{}, d.vault, actorOf(d), in, right); err != nil || again.ID != first.ID {
		t.Errorf("again: %+v %v", again, err)
	}
	list, err := w.Devices(t.Context(), free{}, d.vault)
	if err != nil || len(list) != 2 || list[0].ID != d.id && list[1].ID != d.id {
		t.Errorf("%+v %v", list, err)
	}
	if n := w.count(`select count(*) from access_log where kind = 'device_added'`); n != 1 {
		t.Errorf("%d recorded", n)
	}
	thing := du{vault: d.vault, device: phone, id: first.ID}
	w.waiting(thing)
	if err := w.EndDevice(t.Context(), free{}, d.vault, actorOf(d), first.ID); err != nil {
		t.Fatal(err)
	}
	if status, body := w.deviceCall(w.peopled(w.pool), pathChallenges, phone.message(t, challengeType, w.deviceClaims(thing))); status != http.StatusUnauthorized {
		t.Errorf("an ended device: %d %v", status, body)
	}
	if err := w.EndDevice(t.Context(), free{}, d.vault, actorOf(d), first.ID); !errors.Is(err, ErrNoDevice) {
		t.Errorf("ended twice: %v", err)
	}
	if _, err := w.RegisterDevice(t.Context(), free{}, d.vault, actorOf(d), in, right); !errors.Is(err, ErrReplay) {
		t.Errorf("the proof of an ended device: %v", err)
	}
}

func TestRegisterDeviceRefusals(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	other := w.enrol("099090000002", 2)
	now := w.clock.now()
	for name, p := range map[string]*Principal{
		"level 1":   {Kind: Citizen, Level: 1, Vault: d.vault, AuthTime: now},
		"machine":   {Kind: Machine, Level: 2, Vault: d.vault, AuthTime: now},
		"long ago":  {Kind: Citizen, Level: 2, Vault: d.vault, AuthTime: now.Add(-freshLevel - time.Second)},
		"zero time": {Kind: Citizen, Level: 2, Vault: d.vault},
	} {
		if _, err := w.SessionAuthority(p); !errors.Is(err, ErrLevel) {
			t.Errorf("%s: %v", name, err)
		}
	}
	right, err := w.SessionAuthority(&Principal{Kind: Citizen, Level: 2, Vault: d.vault, AuthTime: now})
	if err != nil {
		t.Fatal(err)
	}
	phone := newSender(t, jose.ES256, "may-moi")
	stranger := newSender(t, jose.ES256, "may-moi")
	rsa := newSender(t, jose.PS256, "may-moi")
	twin := newSender(t, jose.ES256, d.device.kid)
	good := NewDevice{Name: "Máy mới", JWK: phone.public(t), Proof: w.registration(phone, nil)}
	change := func(f func(*NewDevice)) NewDevice { n := good; f(&n); return n }
	for name, in := range map[string]NewDevice{
		"no name":         change(func(n *NewDevice) { n.Name = "" }),
		"long name":       change(func(n *NewDevice) { n.Name = strings.Repeat("m", 61) }),
		"name of lines":   change(func(n *NewDevice) { n.Name = "a\nb" }),
		"no key":          change(func(n *NewDevice) { n.JWK = nil }),
		"another kind":    change(func(n *NewDevice) { n.JWK, n.Proof = rsa.public(t), w.registration(rsa, nil) }),
		"another's proof": change(func(n *NewDevice) { n.Proof = w.registration(stranger, nil) }),
		"no proof":        change(func(n *NewDevice) { n.Proof = "" }),
		"other audience":  change(func(n *NewDevice) { n.Proof = w.registration(phone, func(c map[string]any) { c["aud"] = "x" }) }),
		"old proof": change(func(n *NewDevice) {
			n.Proof = w.registration(phone, func(c map[string]any) { c["iat"] = now.Add(-registerLife).Unix() })
		}),
		"proof without id": change(func(n *NewDevice) { n.Proof = w.registration(phone, func(c map[string]any) { delete(c, "jti") }) }),
		"other type": change(func(n *NewDevice) {
			n.Proof = phone.message(t, challengeType, map[string]any{"aud": testIssuer, "iat": now.Unix(), "jti": "x"})
		}),
		"name of another": change(func(n *NewDevice) { n.JWK, n.Proof = twin.public(t), w.registration(twin, nil) }),
	} {
		if _, err := w.RegisterDevice(t.Context(), free{}, d.vault, actorOf(d), in, right); !errors.Is(err, ErrDevice) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, row := range map[string]struct {
		vault identity.VaultID
		right Authority
	}{"no authority": {d.vault, Authority{}}, "another's": {other, right}, "nobody's": {identity.VaultID{}, Authority{}}} {
		if _, err := w.RegisterDevice(t.Context(), free{}, row.vault, actorOf(d), good, row.right); !errors.Is(err, ErrLevel) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range maxDevices - 1 {
		more := newSender(t, jose.ES256, "")
		if _, err := w.AddDevice(t.Context(), d.vault, "Máy", more.public(t)); err != nil {
			t.Fatalf("device %d: %v", i, err)
		}
	}
	if _, err := w.RegisterDevice(t.Context(), free{}, d.vault, actorOf(d), good, right); !errors.Is(err, ErrDevice) {
		t.Errorf("one too many: %v", err)
	}
	if n := w.count(`select count(*) from credentials where vault_id = $1`, other); n != 0 {
		t.Error("a stranger has a device")
	}
}

// P1, P2: registering is there once, wherever a round trip broke.
func TestP2_RegisterDeviceCutOff(t *testing.T) {
	t.Parallel()
	for _, when := range []pgtest.When{pgtest.FailBefore, pgtest.FailAfter} {
		t.Run(when.String(), func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			d := w.du(2, false)
			s := w.peopled(w.db.FailOn(t, when, "commit"))
			phone := newSender(t, jose.ES256, "may-moi")
			in := NewDevice{Name: "Máy mới", JWK: phone.public(t), Proof: w.registration(phone, nil)}
			right := Authority{vault: d.vault}
			if _, err := s.RegisterDevice(t.Context(), free{}, d.vault, actorOf(d), in, right); err == nil {
				t.Error("the fault was not seen")
			}
			if _, err := s.RegisterDevice(t.Context(), free{}, d.vault, actorOf(d), in, right); err != nil {
				t.Errorf("again: %v", err)
			}
			devices := w.count(`select count(*) from credentials where kind = 'device'`)
			recorded := w.count(`select count(*) from access_log where kind = 'device_added'`)
			if devices != 1 || recorded != 1 {
				t.Errorf("%d devices, %d recorded", devices, recorded)
			}
		})
	}
}

func TestVerifyDecision(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	d := w.du(2, true)
	claims := map[string]any{"v": 1, "decision": "allow"}
	named := func(kid string) *sender { s := *d.device; s.kid = kid; return &s }
	for name, kid := range map[string]string{"its own name": d.device.kid, "thumbprint": d.device.thumbprint(t), "device id": d.id} {
		payload, credential, err := w.VerifyDecision(t.Context(), d.vault, named(kid).message(t, decisionType, claims))
		if err != nil || string(payload) != text(t, claims) || credential.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
	stranger := newSender(t, jose.ES256, d.device.kid)
	other := w.enrol("099090000002", 2)
	good := d.device.message(t, decisionType, claims)
	for name, row := range map[string]struct {
		vault identity.VaultID
		jws   string
	}{
		"another key":    {d.vault, stranger.message(t, decisionType, claims)},
		"another name":   {d.vault, named("khac").message(t, decisionType, claims)},
		"another type":   {d.vault, d.device.message(t, confirmationType, claims)},
		"another person": {other, good},
		"nobody":         {identity.NewVaultID(), good},
		"nothing":        {d.vault, ""},
	} {
		if _, _, err := w.VerifyDecision(t.Context(), row.vault, row.jws); !errors.Is(err, ErrDevice) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.EndDevice(t.Context(), free{}, d.vault, actorOf(d), d.id); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.peopled(w.pool).VerifyDecision(t.Context(), d.vault, good); !errors.Is(err, ErrDevice) {
		t.Errorf("an ended device: %v", err)
	}
	closed := w.db.Open(t, pg.Config{Role: pgtest.Serve})
	s := w.peopled(closed)
	closed.Close()
	if _, _, err := s.VerifyDecision(t.Context(), d.vault, good); err == nil || errors.Is(err, ErrDevice) {
		t.Errorf("without a database: %v", err)
	}
}

func FuzzClaimedSubject(f *testing.F) {
	f.Add("e30.eyJzdWIiOiJ4In0.AAAA")
	f.Add("..")
	f.Add("a.b.c.d")
	f.Fuzz(func(t *testing.T, message string) {
		if sub := claimedSubject(message); sub != "" && strings.Count(message, ".") < 2 {
			t.Errorf("%q has the subject %q", message, sub)
		}
	})
}
