package webauthn_test

import (
	"bytes"
	"errors"
	"testing"

	"vidan/auth/passkey"
	"vidan/auth/passkey/passkeytest"
	"vidan/auth/passkey/webauthn"
)

const (
	issuer = "https://id.vidan.example"
	rp     = "id.vidan.example"
)

var (
	challenge = bytes.Repeat([]byte{7}, 32)
	person    = []byte("mot-nguoi")
)

func party(t testing.TB) passkey.Party {
	t.Helper()
	p, err := webauthn.New(issuer, "Ví dân")
	if err != nil {
		t.Fatal(err)
	}
	return p
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

// registered makes a key and registers it.
func registered(t testing.TB, change func(*passkeytest.Authenticator)) (passkey.Party, *passkeytest.Authenticator, passkey.Credential) {
	t.Helper()
	p, a := party(t), passkeytest.New(t, issuer, rp)
	if change != nil {
		change(a)
	}
	made := must(p.Register(challenge, person, a.Create(must(p.CreationOptions(challenge, person, "Điện thoại", nil))(t))))(t)
	return p, a, made
}

// What is asked for: a key that can be found without a name, a verified user, no attestation.
func TestWhatIsAsked(t *testing.T) {
	t.Parallel()
	p, a := party(t), passkeytest.New(t, issuer, rp)
	o := a.Read(must(p.CreationOptions(challenge, person, "Điện thoại", [][]byte{{1, 2}}))(t))
	if o.Challenge != passkeytest.Base64(challenge) || o.RP.ID != rp || o.User.ID != passkeytest.Base64(person) || o.User.Name != "Điện thoại" || o.Attestation != "none" ||
		o.Selection.ResidentKey != "required" || o.Selection.UserVerification != "required" || len(o.Exclude) != 1 || o.Exclude[0].ID != passkeytest.Base64([]byte{1, 2}) {
		t.Errorf("%+v", o)
	}
	o = a.Read(must(p.RequestOptions(challenge))(t))
	if o.Challenge != passkeytest.Base64(challenge) || o.RPID != rp || o.UserVerification != "required" || len(o.Allow) != 0 {
		t.Errorf("%+v", o)
	}
	for _, bad := range []string{"http://127.0.0.1:8080", "https://[::1]", "", ":"} {
		if _, err := webauthn.New(bad, "Ví dân"); !errors.Is(err, passkey.ErrIssuer) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := webauthn.New("http://localhost:8080", "Ví dân"); err != nil {
		t.Errorf("this machine: %v", err)
	}
}

// Y1, Y2: a key is registered for this challenge and site, with its user verified.
func TestY1_Y2_Registration(t *testing.T) {
	t.Parallel()
	_, a, made := registered(t, func(a *passkeytest.Authenticator) { a.Flags = passkeytest.Eligible | passkeytest.BackedUp })
	if !bytes.Equal(made.ID, a.ID) || !bytes.Equal(made.PublicKey, a.COSE()) || !made.BackupEligible || !made.BackedUp || made.Counter != 0 {
		t.Errorf("%+v", made)
	}
	for name, change := range map[string]func(*passkeytest.Authenticator){
		"another origin":         func(a *passkeytest.Authenticator) { a.Origin = "https://evil.example" },
		"another port":           func(a *passkeytest.Authenticator) { a.Origin = issuer + ":8443" },
		"without encryption":     func(a *passkeytest.Authenticator) { a.Origin = "http://" + rp },
		"a part of the site":     func(a *passkeytest.Authenticator) { a.Origin = "https://x." + rp },
		"another relying party":  func(a *passkeytest.Authenticator) { a.RP = "vidan.example" },
		"user not verified":      func(a *passkeytest.Authenticator) { a.Without = passkeytest.Verified },
		"user not present":       func(a *passkeytest.Authenticator) { a.Without = passkeytest.Present },
		"an answer to sign in":   func(a *passkeytest.Authenticator) { a.Type = "webauthn.get" },
		"backed up, not allowed": func(a *passkeytest.Authenticator) { a.Flags = passkeytest.BackedUp },
	} {
		p, a := party(t), passkeytest.New(t, issuer, rp)
		change(a)
		if _, err := p.Register(challenge, person, a.Create(must(p.CreationOptions(challenge, person, "x", nil))(t))); !errors.Is(err, passkey.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, a := party(t), passkeytest.New(t, issuer, rp)
	answer := a.Create(must(p.CreationOptions(challenge, person, "x", nil))(t))
	if _, err := p.Register(bytes.Repeat([]byte{8}, 32), person, answer); !errors.Is(err, passkey.ErrRefused) {
		t.Errorf("another challenge: %v", err)
	}
	for name, raw := range map[string][]byte{"nothing": nil, "no JSON": []byte("x"), "long": bytes.Repeat([]byte(" "), passkey.MaxResponse+1), "empty": []byte("{}")} {
		if _, err := p.Register(challenge, person, raw); !errors.Is(err, passkey.ErrResponse) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Y1, Y2, Y3: an answer is good for its challenge and site, by the registered key, with its user verified and its counter gone forward.
func TestY1_Y2_Y3_SignIn(t *testing.T) {
	t.Parallel()
	other := bytes.Repeat([]byte{9}, 32)
	rows := []struct {
		name   string
		change func(*passkeytest.Authenticator)
		stored func(*passkey.Credential)
		asked  []byte
		want   error
	}{
		{name: "good"},
		{name: "counted", change: func(a *passkeytest.Authenticator) { a.Counter = 5 }, stored: func(c *passkey.Credential) { c.Counter = 4 }},
		{name: "counter stands still", change: func(a *passkeytest.Authenticator) { a.Counter = 4 }, stored: func(c *passkey.Credential) { c.Counter = 4 }, want: passkey.ErrCopied},
		{name: "counter went back", change: func(a *passkeytest.Authenticator) { a.Counter = 3 }, stored: func(c *passkey.Credential) { c.Counter = 4 }, want: passkey.ErrCopied},
		{name: "counter gone", stored: func(c *passkey.Credential) { c.Counter = 4 }, want: passkey.ErrCopied},
		{name: "another origin", change: func(a *passkeytest.Authenticator) { a.Origin = "https://evil.example" }, want: passkey.ErrRefused},
		{name: "another relying party", change: func(a *passkeytest.Authenticator) { a.RP = "evil.example" }, want: passkey.ErrRefused},
		{name: "user not verified", change: func(a *passkeytest.Authenticator) { a.Without = passkeytest.Verified }, want: passkey.ErrRefused},
		{name: "user not present", change: func(a *passkeytest.Authenticator) { a.Without = passkeytest.Present }, want: passkey.ErrRefused},
		{name: "an answer to registration", change: func(a *passkeytest.Authenticator) { a.Type = "webauthn.create" }, want: passkey.ErrRefused},
		{name: "another challenge", asked: other, want: passkey.ErrRefused},
		{name: "another person's handle", change: func(a *passkeytest.Authenticator) { a.Handle = []byte("nguoi-khac") }, want: passkey.ErrRefused},
		{name: "another key", change: func(a *passkeytest.Authenticator) { a.Key = passkeytest.New(t, issuer, rp).Key }, want: passkey.ErrRefused},
		{name: "another id", stored: func(c *passkey.Credential) { c.ID = []byte{1} }, want: passkey.ErrRefused},
		{name: "became one to be backed up", change: func(a *passkeytest.Authenticator) { a.Flags = passkeytest.Eligible }, want: passkey.ErrRefused},
		{name: "no key stored", stored: func(c *passkey.Credential) { c.PublicKey = nil }, want: passkey.ErrRefused},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p, a, made := registered(t, nil)
			if row.change != nil {
				row.change(a)
			}
			if row.stored != nil {
				row.stored(&made)
			}
			asked := challenge
			if row.asked != nil {
				asked = row.asked
			}
			answer := must(p.Read(a.Get(must(p.RequestOptions(asked))(t))))(t)
			used, err := p.Verify(answer, challenge, person, made)
			if !errors.Is(err, row.want) {
				t.Fatalf("%v, want %v", err, row.want)
			}
			if row.want == nil && (used.Counter != a.Counter || !bytes.Equal(used.ID, made.ID)) {
				t.Errorf("%+v", used)
			}
		})
	}
}

// Synchronised keys tell when they are backed up; that may change.
func TestBackupState(t *testing.T) {
	t.Parallel()
	p, a, made := registered(t, func(a *passkeytest.Authenticator) { a.Flags = passkeytest.Eligible })
	a.Flags |= passkeytest.BackedUp
	used := must(p.Verify(must(p.Read(a.Get(must(p.RequestOptions(challenge))(t))))(t), challenge, person, made))(t)
	if made.BackedUp || !used.BackedUp || !used.BackupEligible {
		t.Errorf("%+v then %+v", made, used)
	}
}

// Y5: whatever arrives, it is an answer or an error of the package.
func FuzzResponses(f *testing.F) {
	p, a, made := registered(f, nil)
	f.Add(a.Get(must(p.RequestOptions(challenge))(f)))
	f.Add(a.Create(must(p.CreationOptions(challenge, person, "x", nil))(f)))
	f.Add([]byte(`{"id":"AQ","rawId":"AQ","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA","userHandle":"AA"}}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := p.Register(bytes.Repeat([]byte{1}, 32), person, raw); !errors.Is(err, passkey.ErrResponse) && !errors.Is(err, passkey.ErrRefused) {
			t.Fatalf("registered for another challenge: %v", err)
		}
		answer, err := p.Read(raw)
		if err != nil {
			if !errors.Is(err, passkey.ErrResponse) {
				t.Fatalf("%v", err)
			}
			return
		}
		if _, err := p.Verify(answer, bytes.Repeat([]byte{1}, 32), person, made); !errors.Is(err, passkey.ErrRefused) {
			t.Fatalf("verified for another challenge: %v", err)
		}
	})
}
