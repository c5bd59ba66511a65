package auth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"vidan/audit"
	"vidan/identity"
	"vidan/seal"
)

// desk is an office at which one officer has signed in.
type desk struct {
	*town
	*agency
	vault   identity.VaultID
	session identity.SessionID
	mandate identity.ObjectID
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	w := newTown(t)
	d := &desk{town: w, agency: w.world.agency("motcua")}
	var err error
	if d.mandate, err = w.directory.AddMandate(t.Context(), Mandate{
		Client: d.id, Organisation: ward, Units: []string{"ho-tich"}, Procedures: []string{enrolment}, Rights: []Right{RightRequest},
		From: w.clock.now(), Until: w.clock.now().Add(24 * time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	d.vault = w.enrol(duNumber, 2)
	if err := w.Appoint(t.Context(), free{}, audit.Actor{}, d.post()); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) post() Post {
	now := d.town.clock.now()
	return Post{
		Organisation: ward, Officer: "cb-0042", Vault: d.vault, Title: "Công chức tư pháp – hộ tịch", Unit: "ho-tich", From: now,
		Until: now.Add(365 * 24 * time.Hour),
	}
}

// signIn is the officer's own token, as their sign-in at a client ends.
func (d *desk) signIn(client string, level int) string {
	d.tb.Helper()
	now := d.town.clock.now()
	d.session = identity.NewID[identity.SessionID]()
	row := sessionRow{
		Vault: d.vault, ID: d.session, Client: client, Level: level, AMR: []string{MethodPassphrase, MethodDevice}, Scope: "openid", AuthTime: now,
		ExpiresAt: now.Add(time.Hour),
	}
	if _, err := d.pool.Exec(d.tb.Context(), sqlInsertSession, row.Vault, row.ID, row.Client, row.Level, row.AMR, row.Scope, row.AuthTime, row.ExpiresAt,
		d.deployment.MAC("sessions", row.columns())); err != nil {
		d.tb.Fatal(err)
	}
	token, err := d.mint(accessClaims{
		Subject: "pairwise", ClientID: client, Scope: "openid", Confirm: confirmation{d.dpop.thumbprint(d.tb)},
		Session: d.sessionRef(d.vault, d.session), ACR: acrOf(level), AMR: row.AMR, AuthTime: now.Unix(),
	}, now)
	if err != nil {
		d.tb.Fatal(err)
	}
	return token
}

// trade is a good exchange; each row of a test changes some.
func (d *desk) trade(subject, officer string) url.Values {
	f := d.form("")
	f.Del("scope")
	f.Set("grant_type", grantExchange)
	f.Set("subject_token", subject)
	f.Set("subject_token_type", accessTokenType)
	f.Set("actor_token", officer)
	f.Set("actor_token_type", accessTokenType)
	return f
}

func (d *desk) ask(f url.Values) (int, map[string]any) {
	return d.town.world.post(d.Server, f, d.proof(http.MethodPost, pathToken, ""))
}

// acting is a token in which the officer acts.
func (d *desk) acting() string {
	d.tb.Helper()
	status, body := d.ask(d.trade(d.token(d.Server, "results consent"), d.signIn(d.id, 2)))
	if status != http.StatusOK {
		d.tb.Fatalf("exchange: %d %v", status, body)
	}
	return body["access_token"].(string)
}

// RFC 8693: the subject is the client, the actor its officer; the token says so without a name, names issued_token_type and never widens.
func TestExchange(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	subject := d.token(d.Server, "results consent")
	f := d.trade(subject, d.signIn(d.id, 2))
	f.Set("scope", "consent")
	status, body := d.ask(f)
	if status != http.StatusOK || body["issued_token_type"] != accessTokenType || body["token_type"] != "DPoP" || body["scope"] != "consent" || body["refresh_token"] != nil {
		t.Fatalf("%d %v", status, body)
	}
	token := body["access_token"].(string)
	sum, _ := hashToken(token)
	read, err := d.readToken(token, sum, d.town.clock.now())
	if err != nil || read.subject != d.id || read.client != d.id || read.act == nil || read.act.officer != "cb-0042" || !slices.Equal(read.scopes, []string{"consent"}) {
		t.Fatalf("%+v %v", read, err)
	}
	for _, s := range []*Server{d.Server, d.peopled(d.pool), d.Server} { // a process that has never seen it, too
		p, officer, err := d.officer(s, token)
		if err != nil {
			t.Fatal(err)
		}
		want := audit.Officer{
			ID: "cb-0042", Name: officer.Name, Post: "Công chức tư pháp – hộ tịch", Organisation: ward, Unit: "ho-tich", Assurance: audit.SignedIn,
		}
		if officer != want || officer.Name.Reveal() != "NGUYỄN THỊ DỤ" || p.Kind != Machine || !p.Vault.IsZero() {
			t.Errorf("officer %q %q", officer.ID, officer.Assurance)
		}
		if err := run(t.Context(), s, p.Guard()); err != nil {
			t.Errorf("guard: %v", err)
		}
	}
	r := request(http.MethodPost, "/v1/results", token, d.proof(http.MethodPost, "/v1/results", token))
	p, err := d.Authenticate(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, level, err := d.OfficerLevel(r, p); err != nil || level != 2 {
		t.Errorf("level %d %v", level, err)
	}
	if lines := d.history(d.vault); !slices.Contains(lines, "officer_appointed done") {
		t.Errorf("record: %v", lines)
	}
	// Both ways at once are no way.
	if _, _, err := d.officer(d.Server, token, d.key.message(t, officerType, d.officerClaims())); !errors.Is(err, ErrOfficer) {
		t.Errorf("token and assertion: %v", err)
	}
	// A token in which an officer acts is no subject and no actor.
	if status, body := d.ask(d.trade(token, d.signIn(d.id, 2))); body["error"] != "invalid_request" {
		t.Errorf("exchanged again: %d %v", status, body)
	}
}

func TestExchangeRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.organisation("benh-vien-sen", "hospital")
	other := d.town.world.agency("congan")
	subject, officer := d.token(d.Server, "consent"), d.signIn(d.id, 2)
	change := func(name, value string) func(url.Values) {
		return func(f url.Values) {
			if value == "" {
				f.Del(name)
			} else {
				f.Set(name, value)
			}
		}
	}
	thirds := other.token(d.Server, "consent")
	weak, elsewhere := d.signIn(d.id, 1), d.signIn(other.id, 2)
	for _, row := range []struct {
		name   string
		change func(url.Values)
		want   string
	}{
		{"no subject", change("subject_token", ""), "invalid_request"},
		{"no officer", change("actor_token", ""), "invalid_request"},
		{"no type of the subject", change("subject_token_type", ""), "invalid_request"},
		{"another type of the officer", change("actor_token_type", "urn:ietf:params:oauth:token-type:id_token"), "invalid_request"},
		{"a refresh token wanted", change("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), "invalid_request"},
		{"a person as subject", change("subject_token", officer), "invalid_request"},
		{"a machine as officer", change("actor_token", subject), "invalid_request"},
		{"another client's own token", change("subject_token", thirds), "invalid_request"},
		{"a sign-in elsewhere", change("actor_token", elsewhere), "invalid_request"},
		{"a sign-in of level 1", change("actor_token", weak), "invalid_request"},
		{"an altered token", change("actor_token", flip(t, officer, 2, 12)), "invalid_request"},
		{"a wider scope", change("scope", "consent results"), "invalid_scope"},
		{"a scope of people", change("scope", "openid"), "invalid_scope"},
		{"another service", change("audience", "https://other.example"), "invalid_target"},
		{"another resource", change("resource", "https://other.example/"), "invalid_target"},
		{"an organisation without the officer", change("organisation", "benh-vien-sen"), "invalid_target"},
		{"an unknown organisation", change("organisation", "khong-co"), "invalid_target"},
		{"details", change("authorization_details", "[]"), "invalid_authorization_details"},
	} {
		f := d.trade(subject, officer)
		row.change(f)
		if status, body := d.ask(f); status != http.StatusBadRequest || body["error"] != row.want {
			t.Errorf("%s: %d %v", row.name, status, body)
		}
	}
	// Tokens of another key: whoever holds them does not hold the key.
	key := d.dpop
	d.dpop = other.dpop
	if _, body := d.ask(d.trade(subject, officer)); body["error"] != "invalid_request" {
		t.Errorf("a proof by another key: %v", body)
	}
	d.dpop = key
	if status, body := d.ask(d.trade(subject, officer)); status != http.StatusOK {
		t.Errorf("a good one afterwards: %d %v", status, body)
	}
	// Without a mandate for the organisation and the officer's unit nobody acts there.
	if err := d.directory.EndMandate(t.Context(), d.mandate); err != nil {
		t.Fatal(err)
	}
	if _, body := d.ask(d.trade(subject, officer)); body["error"] != "invalid_target" {
		t.Errorf("no mandate: %v", body)
	}
}

// O3: the token ends with the post, the sign-in, the account and the client, at the next request of every process; and no token is got then.
func TestO3_ActingEnds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		end  func(t *testing.T, d *desk) error
		want error
	}{
		{"the post", func(t *testing.T, d *desk) error {
			return d.Dismiss(t.Context(), free{}, audit.Actor{}, ward, "cb-0042")
		}, ErrTokenRevoked},
		{"the sign-in", func(t *testing.T, d *desk) error {
			return d.EndSession(t.Context(), free{}, audit.Actor{}, d.vault, d.session)
		}, ErrTokenRevoked},
		{"the account", func(t *testing.T, d *desk) error {
			_, err := d.db.Owner(t).Exec(t.Context(), `update people set blocked = true where vault_id = $1`, d.vault)
			return err
		}, ErrTokenRevoked},
		{"the client", func(t *testing.T, d *desk) error { return d.directory.BlockClient(t.Context(), d.id) }, ErrClientBlocked},
		{"the key", func(t *testing.T, d *desk) error {
			return d.directory.EndKey(t.Context(), d.id, "motcua-1", d.town.clock.now())
		}, ErrTokenRevoked},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			token := d.acting()
			second := d.peopled(d.pool)
			for _, s := range []*Server{d.Server, second} {
				if err := d.call(s, token); err != nil {
					t.Fatal(err)
				}
			}
			subject := ""
			if row.name != "the client" && row.name != "the key" {
				subject = d.token(d.Server, "consent")
			}
			if err := row.end(t, d); err != nil {
				t.Fatal(err)
			}
			for _, s := range []*Server{d.Server, second, d.peopled(d.pool)} {
				if err := d.call(s, token); !errors.Is(err, row.want) {
					t.Errorf("afterwards: %v", err)
				}
			}
			if subject == "" {
				return
			}
			officer, err := d.mint(accessClaims{
				Subject: "pairwise", ClientID: d.id, Scope: "openid", Confirm: confirmation{d.dpop.thumbprint(t)},
				Session: d.sessionRef(d.vault, d.session), ACR: acrOf(2), AuthTime: d.town.clock.now().Unix(),
			}, d.town.clock.now())
			if err != nil {
				t.Fatal(err)
			}
			if status, body := d.ask(d.trade(subject, officer)); status != http.StatusBadRequest {
				t.Errorf("exchange afterwards: %d %v", status, body)
			}
		})
	}
}

// O4: a row of officers that the service did not write names nobody.
func TestO4_AlteredPosts(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"another officer":      `update officers set officer_id = 'cb-0001'`,
		"another organisation": `update officers set organisation_id = 'benh-vien-sen'`,
		"longer":               `update officers set valid_until = valid_until + interval '1 year'`,
		"earlier":              `update officers set valid_from = valid_from - interval '1 day'`,
		"another name":         `update officers set sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)`,
		"its MAC":              `update officers set mac = set_byte(mac, 20, get_byte(mac, 20) # 1)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.organisation("benh-vien-sen", "hospital")
			token := d.acting()
			if err := d.call(d.Server, token); err != nil {
				t.Fatal(err)
			}
			if _, err := d.db.Owner(t).Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
			fresh := d.peopled(d.pool)
			if err := d.call(fresh, token); err == nil {
				t.Error("believed by a process that reads it now")
			}
			if _, _, err := d.officer(fresh, token); err == nil {
				t.Error("named by a process that reads it now")
			}
			if name == "its MAC" {
				if err := d.call(d.Server, token); !errors.Is(err, seal.ErrTampered) {
					t.Errorf("at a process that knows the row: %v", err)
				}
			}
			if status, _ := d.ask(d.trade(d.token(d.Server, "consent"), d.signIn(d.id, 2))); status == http.StatusOK {
				t.Error("exchanged")
			}
		})
	}
}

// A post is of one person with level 2; an id that once named somebody never names another; the same person may hold it again.
func TestAppoint(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	appoint := func(change func(*Post)) error {
		p := d.post()
		change(&p)
		return d.Appoint(ctx, free{}, audit.Actor{}, p)
	}
	if err := appoint(func(*Post) {}); !errors.Is(err, ErrRegistered) {
		t.Errorf("again: %v", err)
	}
	if err := appoint(func(p *Post) { p.Officer = "cb-0043" }); !errors.Is(err, ErrRegistered) {
		t.Errorf("a second post at the organisation: %v", err)
	}
	if err := appoint(func(p *Post) { p.Organisation = "khong-co" }); !errors.Is(err, ErrNotRegistered) {
		t.Errorf("an unknown organisation: %v", err)
	}
	for name, change := range map[string]func(*Post){
		"a name as id": func(p *Post) { p.Officer = "Lê Văn Chung" }, "a number as id": func(p *Post) { p.Officer = duNumber },
		"no post": func(p *Post) { p.Title = "" }, "no unit": func(p *Post) { p.Unit = "" }, "nobody": func(p *Post) { p.Vault = identity.VaultID{} },
		"over before it begins": func(p *Post) { p.Until = p.From },
	} {
		if err := appoint(change); !errors.Is(err, ErrRegistration) {
			t.Errorf("%s: %v", name, err)
		}
	}
	weak := d.enrol("099093000011", 1)
	if err := appoint(func(p *Post) { p.Vault, p.Officer = weak, "cb-0050" }); !errors.Is(err, ErrLevel) {
		t.Errorf("level 1: %v", err)
	}
	for range 2 { // ending twice is ending once
		if err := d.Dismiss(ctx, free{}, audit.Actor{}, ward, "cb-0042"); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(strings.Join(d.history(d.vault), "\n"), "officer_ended"); n != 1 {
		t.Errorf("%d ends in the record", n)
	}
	second := d.enrol("099093000029", 2)
	if err := appoint(func(p *Post) { p.Vault = second }); !errors.Is(err, ErrRegistered) {
		t.Errorf("the id of somebody else: %v", err)
	}
	if err := appoint(func(*Post) {}); err != nil {
		t.Errorf("the same person again: %v", err)
	}
}

// Of a token in which an officer acts an introspection tells the officer's id (RFC 8693 §7.4), and nothing once it has ended.
func TestIntrospectActing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	token := d.acting()
	told := func() map[string]any {
		f := url.Values{"token": {token}, "client_assertion_type": {assertionForm}, "client_assertion": {d.key.message(t, "JWT", d.claims())}}
		_, body := d.postAs(d.Server, pathIntrospect, f)
		return body
	}
	body := told()
	act, _ := body["act"].(map[string]any)
	if body["active"] != true || act["sub"] != "cb-0042" || act["iss"] != testIssuer || act["organisation"] != ward || len(act) != 3 {
		t.Errorf("%v", body)
	}
	if err := d.EndSession(t.Context(), free{}, audit.Actor{}, d.vault, d.session); err != nil {
		t.Fatal(err)
	}
	if body := told(); body["active"] != false || len(body) != 1 {
		t.Errorf("afterwards: %v", body)
	}
}
