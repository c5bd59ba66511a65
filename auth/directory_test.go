package auth

import (
	"errors"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/identity"
	"vidan/internal/pgtest"
)

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	tx := pgtest.Rollback(t)
	for name, sql := range Statements() {
		if _, err := tx.Prepare(t.Context(), name, sql); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

func TestDirectoryRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.agency("motcua")
	now := w.clock.now()
	organisation := func(change func(*Organisation)) error {
		o := Organisation{ID: "mam-non-sen", NameVI: "Trường mầm non Sen", NameEN: "Sen Kindergarten", Kind: "school"}
		change(&o)
		return w.directory.AddOrganisation(t.Context(), o, now)
	}
	client := func(change func(*Client)) error {
		c := Client{ID: "mam-non", Organisation: "ubnd-phuong-sen", Name: "Mầm non", Profile: FAPI2, Scopes: []string{ScopePrefill}}
		change(&c)
		return w.directory.AddClient(t.Context(), c, now)
	}
	mandate := func(change func(*Mandate)) error {
		m := Mandate{Client: "motcua", Organisation: "ubnd-phuong-sen", Units: []string{AllUnits}, From: now, Until: now.Add(time.Hour)}
		change(&m)
		_, err := w.directory.AddMandate(t.Context(), m)
		return err
	}
	key := func(client string, jwk []byte) error {
		_, err := w.directory.AddKey(t.Context(), client, jwk, now)
		return err
	}
	private, public, err := NewJWK("k1")
	if err != nil {
		t.Fatal(err)
	}
	_, nameless, err := NewJWK("")
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct{ got, want error }{
		"organisation id with capitals":   {organisation(func(o *Organisation) { o.ID = "Sen" }), ErrRegistration},
		"organisation id with a slash":    {organisation(func(o *Organisation) { o.ID = "a/b" }), ErrRegistration},
		"organisation without a name":     {organisation(func(o *Organisation) { o.NameVI = "" }), ErrRegistration},
		"organisation name on two lines":  {organisation(func(o *Organisation) { o.NameEN = "a\nb" }), ErrRegistration},
		"organisation in the apps sector": {organisation(func(o *Organisation) { o.Sector = AppSector }), ErrRegistration},
		"organisation under nobody":       {organisation(func(o *Organisation) { o.Parent = "khong-co" }), ErrNotRegistered},
		"organisation twice":              {organisation(func(o *Organisation) { o.ID = "ubnd-phuong-sen" }), ErrRegistered},
		"client of nobody":                {client(func(c *Client) { c.Organisation = "khong-co" }), ErrNotRegistered},
		"agency without organisation":     {client(func(c *Client) { c.Organisation = "" }), ErrRegistration},
		"app with an organisation":        {client(func(c *Client) { c.Profile, c.Scopes = App, []string{ScopeWallet} }), ErrRegistration},
		"app with a machine's scope":      {client(func(c *Client) { c.Profile, c.Organisation = App, "" }), ErrRegistration},
		"client without scopes":           {client(func(c *Client) { c.Scopes = nil }), ErrRegistration},
		"client with a scope twice":       {client(func(c *Client) { c.Scopes = []string{ScopePrefill, ScopePrefill} }), ErrRegistration},
		"client with an unknown scope":    {client(func(c *Client) { c.Scopes = []string{"admin"} }), ErrRegistration},
		"client of no profile":            {client(func(c *Client) { c.Profile = "" }), ErrRegistration},
		"redirect without encryption":     {client(func(c *Client) { c.RedirectURIs = []string{"http://motcua.example/back"} }), ErrRegistration},
		"redirect with a fragment":        {client(func(c *Client) { c.RedirectURIs = []string{"https://motcua.example/back#"} }), ErrRegistration},
		"redirect to a script":            {client(func(c *Client) { c.RedirectURIs = []string{"javascript:alert(1)"} }), ErrRegistration},
		"redirect of an app for agencies": {client(func(c *Client) { c.RedirectURIs = []string{"vn.motcua:/back"} }), ErrRegistration},
		"redirect to the agency's desk":   {client(func(c *Client) { c.RedirectURIs = []string{"http://127.0.0.1:8123/back"} }), ErrRegistration},
		"relative redirect":               {client(func(c *Client) { c.RedirectURIs = []string{"/back"} }), ErrRegistration},
		"client twice":                    {client(func(c *Client) { c.ID = "motcua" }), ErrRegistered},
		"a private key":                   {key("motcua", private), ErrRegistration},
		"a key without kid":               {key("motcua", nameless), ErrRegistration},
		"a key for nobody":                {key("khong-co", public), ErrNotRegistered},
		"mandate for nobody":              {mandate(func(m *Mandate) { m.Organisation = "khong-co" }), ErrNotRegistered},
		"mandate without units":           {mandate(func(m *Mandate) { m.Units = nil }), ErrRegistration},
		"mandate that ends first":         {mandate(func(m *Mandate) { m.Until = now }), ErrRegistration},
		"mandate with an unknown right":   {mandate(func(m *Mandate) { m.Rights = []Right{"everything"} }), ErrRegistration},
		"mandate with a type twice":       {mandate(func(m *Mandate) { m.DocumentTypes = []string{"a", "a"} }), ErrRegistration},
		"block nobody":                    {w.directory.BlockClient(t.Context(), "khong-co"), ErrNotRegistered},
		"end no key":                      {w.directory.EndKey(t.Context(), "motcua", "k9", now), ErrNotRegistered},
		"end no mandate":                  {w.directory.EndMandate(t.Context(), identity.NewID[identity.ObjectID]()), ErrNotRegistered},
		"signing keys twice":              {CreateKeys(t.Context(), w.pool, w.deployment, now), ErrSigningKeys},
	} {
		if !errors.Is(row.got, row.want) {
			t.Errorf("%s: %v, want %v", name, row.got, row.want)
		}
	}
	for name, err := range map[string]error{
		"organisation": organisation(func(*Organisation) {}),
		"client":       client(func(c *Client) { c.RedirectURIs = []string{"https://a.example/b?c=d"} }),
		"rehearsal": w.directory.Rehearsal().AddClient(t.Context(), Client{
			ID: "tap-duot", Organisation: "ubnd-phuong-sen", Name: "Tập dượt", Profile: FAPI2, Scopes: []string{ScopePrefill}, RedirectURIs: []string{"http://127.0.0.1:8123/back"},
		}, now),
		"key":     key("motcua", public),
		"mandate": mandate(func(m *Mandate) { m.Rights = Rights() }),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := key("motcua", public); !errors.Is(err, ErrRegistered) {
		t.Errorf("a kid twice: %v", err)
	}
}

// Registration fails before and after it persisted; repeated, there is one record, and it verifies.
func TestDirectoryUnderEveryFault(t *testing.T) {
	t.Parallel()
	key := newSender(t, jose.ES256, "k1")
	at := time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC)
	steps := map[string]func(d *Directory) error{
		"add client": func(d *Directory) error {
			c := Client{ID: "mam-non", Organisation: "ubnd-phuong-sen", Name: "Mầm non", Profile: FAPI2, Scopes: []string{ScopePrefill}}
			return d.AddClient(t.Context(), c, at)
		},
		"add key": func(d *Directory) error { _, err := d.AddKey(t.Context(), "motcua", key.public(t), at); return err },
		"block":   func(d *Directory) error { return d.BlockClient(t.Context(), "motcua") },
		"end key": func(d *Directory) error { return d.EndKey(t.Context(), "motcua", "motcua-1", at) },
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.EveryFault(t, func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
				w := newWorldOn(t, db)
				w.agency("motcua")
				_ = step(NewDirectory(faulty, w.deployment)) // whatever came of it
				if err := step(w.directory); err != nil && !errors.Is(err, ErrRegistered) {
					t.Fatal(err)
				}
				for _, client := range []string{"motcua", "mam-non"} {
					if _, err := w.loadClient(t.Context(), client); err != nil && !errors.Is(err, ErrNotRegistered) {
						t.Errorf("%s does not verify: %v", client, err)
					}
				}
			})
		})
	}
}
