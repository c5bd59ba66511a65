package auth

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vidan/seal"
)

// O4: whoever may write to the database cannot make a client, key or mandate of it. Each row changes one column as its owner could.
func TestO4_AlteredRowsAreFound(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, sql string }{
		{"client: organisation", `update clients set organisation_id = 'benh-vien-sen'`},
		{"client: no organisation", `update clients set organisation_id = null`},
		{"client: name", `update clients set name = 'Bộ Công an'`},
		{"client: profile", `update clients set profile = 'conformance'`},
		{"client: scopes", `update clients set scopes = array_append(scopes, 'wallet')`},
		{"client: redirects", `update clients set redirect_uris = '{https://attacker.example}'`},
		{"client: age", `update clients set created_at = created_at - interval '1 day'`},
		{"client: MAC", `update clients set mac = set_byte(mac, 20, get_byte(mac, 20) # 1)`},
		{"client: another's MAC", `update clients set mac = (select mac from clients where client_id = 'congan')`},
		{"key: another public key", `update client_keys set public_jwk = $1`},
		{"key: not a key", `update client_keys set public_jwk = '{}'`},
		{"key: renamed", `update client_keys set kid = 'motcua-2'`},
		{"key: of another client", `update client_keys set client_id = 'congan' where client_id = 'motcua'`},
		{"key: age", `update client_keys set created_at = created_at - interval '1 day'`},
		{"key: ended_at", `update client_keys set ended_at = created_at`},
		{"key: MAC", `update client_keys set mac = set_byte(mac, 20, get_byte(mac, 20) # 1)`},
		{"key: added", `insert into client_keys (client_id, kid, public_jwk, created_at, mac) select client_id, 'motcua-2', $1, created_at, mac from client_keys`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.organisation("benh-vien-sen", "hospital")
			a := w.agency("motcua")
			other := Client{ID: "congan", Organisation: "benh-vien-sen", Name: "Công an", Profile: FAPI2, Scopes: machineScopes}
			if err := w.directory.AddClient(t.Context(), other, w.clock.now()); err != nil {
				t.Fatal(err)
			}
			token := a.token(w.Server, "results")
			attacker := newSender(t, jose.ES256, "motcua-2")
			var args []any
			if strings.Contains(row.sql, "$1") {
				args = []any{attacker.public(t)}
			}
			if _, err := w.db.Owner(t).Exec(t.Context(), row.sql, args...); err != nil {
				t.Fatal(err)
			}
			fresh := w.another()
			id := a.id
			if row.name == "key: of another client" {
				id = "congan"
			}
			if _, err := fresh.loadClient(t.Context(), id); !errors.Is(err, seal.ErrTampered) {
				t.Errorf("read anew: %v", err)
			}
			if row.name == "key: added" {
				return // the other key and its tokens are what they were
			}
			// Neither process gives out anything that the altered row would allow.
			if status, body := w.post(fresh, a.form("results"), a.proof(http.MethodPost, pathToken, "")); status == http.StatusOK {
				t.Errorf("token at a fresh process: %v", body)
			}
			f := a.form("results")
			f.Set("client_assertion", attacker.message(t, "JWT", a.claims()))
			for _, s := range []*Server{w.Server, fresh} {
				if status, body := w.post(s, f, a.proof(http.MethodPost, pathToken, "")); status == http.StatusOK {
					t.Errorf("token for the attacker's key: %v", body)
				}
			}
			if strings.Contains(row.name, "MAC") {
				if err := a.call(w.Server, token); !errors.Is(err, seal.ErrTampered) && !errors.Is(err, ErrTokenRevoked) {
					t.Errorf("guard: %v", err)
				}
			}
		})
	}
}

// O4: what was blocked or ended is not brought back by writing its state.
func TestO4_StateIsCovered(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		end func(w *world, a *agency) error
		sql string
	}{
		"client": {
			func(w *world, a *agency) error { return w.directory.BlockClient(t.Context(), a.id) },
			`update clients set state = 'active'`,
		},
		"key": {
			func(w *world, a *agency) error {
				return w.directory.EndKey(t.Context(), a.id, a.key.kid, w.clock.now())
			},
			`update client_keys set state = 'active'`,
		},
		"key with its date": {
			func(w *world, a *agency) error {
				return w.directory.EndKey(t.Context(), a.id, a.key.kid, w.clock.now())
			},
			`update client_keys set state = 'active', ended_at = null`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.agency("motcua")
			token := a.token(w.Server, "results")
			if err := row.end(w, a); err != nil {
				t.Fatal(err)
			}
			if _, err := w.db.Owner(t).Exec(t.Context(), row.sql); err != nil {
				t.Fatal(err)
			}
			for where, s := range map[string]*Server{"known": w.Server, "fresh": w.another()} {
				if err := a.call(s, token); !errors.Is(err, seal.ErrTampered) {
					t.Errorf("%s: call: %v", where, err)
				}
				if status, body := w.post(s, a.form("results"), a.proof(http.MethodPost, pathToken, "")); status != http.StatusInternalServerError || body["error"] != "server_error" {
					t.Errorf("%s: token: %d %v", where, status, body)
				}
			}
			if !strings.Contains(w.logs.String(), "row was altered") {
				t.Error("the operator was not told")
			}
		})
	}
}

// O4: every column of a mandate.
func TestO4_AlteredMandates(t *testing.T) {
	t.Parallel()
	need := Need{Organisation: "ubnd-phuong-sen", Unit: "ho-tich", DocumentType: "birth_certificate", Procedure: "birth_registration", Right: RightDeliver}
	for name, sql := range map[string]string{
		"client":         `update mandates set client_id = 'congan'`,
		"organisation":   `update mandates set organisation_id = 'benh-vien-sen'`,
		"units":          `update mandates set units = '{*}'`,
		"document types": `update mandates set document_types = array_append(document_types, 'criminal_record_certificate')`,
		"procedures":     `update mandates set procedures = array_append(procedures, 'x')`,
		"relations":      `update mandates set relations = '{parent}'`,
		"rights":         `update mandates set rights = array_append(rights, 'bind')`,
		"from":           `update mandates set valid_from = valid_from - interval '1 day'`,
		"until":          `update mandates set valid_until = valid_until + interval '1 year'`,
		"id":             `update mandates set mandate_id = gen_random_uuid()`,
		"MAC":            `update mandates set mac = set_byte(mac, 20, get_byte(mac, 20) # 1)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.organisation("benh-vien-sen", "hospital")
			w.agency("motcua")
			w.agency("congan")
			now := w.clock.now()
			id, err := w.directory.AddMandate(t.Context(), Mandate{
				Client: "motcua", Organisation: "ubnd-phuong-sen", Units: []string{"ho-tich"}, DocumentTypes: []string{"birth_certificate"},
				Procedures: []string{"birth_registration"}, Rights: []Right{RightDeliver}, From: now, Until: now.Add(time.Hour),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := run(t.Context(), w.Server, w.Mandate("motcua", need)); err != nil {
				t.Fatal(err)
			}
			if _, err := w.db.Owner(t).Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
			client, need := "motcua", need
			switch name {
			case "client":
				client = "congan"
			case "organisation":
				need.Organisation = "benh-vien-sen"
			}
			g := w.Mandate(client, need)
			if err := run(t.Context(), w.Server, g); !errors.Is(err, seal.ErrTampered) || len(g.Mandate().IDs) != 0 {
				t.Errorf("guard: %v", err)
			}
			if name == "id" {
				return
			}
			if err := w.directory.EndMandate(t.Context(), id); !errors.Is(err, seal.ErrTampered) {
				t.Errorf("end: %v", err)
			}
		})
	}
	t.Run("ended and brought back", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.agency("motcua")
		now := w.clock.now()
		id, err := w.directory.AddMandate(t.Context(), Mandate{
			Client: "motcua", Organisation: "ubnd-phuong-sen", Units: []string{"ho-tich"}, DocumentTypes: []string{"birth_certificate"},
			Procedures: []string{"birth_registration"}, Rights: []Right{RightDeliver}, From: now, Until: now.Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.directory.EndMandate(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := w.db.Owner(t).Exec(t.Context(), `update mandates set state = 'active'`); err != nil {
			t.Fatal(err)
		}
		if err := run(t.Context(), w.Server, w.Mandate("motcua", need)); !errors.Is(err, seal.ErrTampered) {
			t.Errorf("%v", err)
		}
	})
}

// O4: a signing key is believed for what is inside its seal: no row of another hand, and no row moved to another purpose, verifies.
func TestO4_AlteredSigningKeys(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"purpose moved":  `update signing_keys set purpose = case purpose when 'token' then 'prefill' when 'prefill' then 'token' else purpose end`,
		"kid moved":      `update signing_keys set kid = 'x' where purpose = 'token'`,
		"seal replaced":  `update signing_keys s set sealed = (select sealed from signing_keys where purpose = 'receipt') where purpose = 'token'`,
		"seal damaged":   `update signing_keys set sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1) where purpose = 'token'`,
		"kept in use":    `update signing_keys set changed_at = changed_at + interval '1 year' where purpose = 'token'`,
		"none active":    `update signing_keys set state = 'next' where purpose = 'token'`,
		"added, no seal": `insert into signing_keys (kid, purpose, state, alg, public_jwk, sealed, created_at, changed_at) select 'x', purpose, 'retired', alg, public_jwk, '', created_at, created_at from signing_keys where purpose = 'token'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.agency("motcua")
			if _, err := w.db.Owner(t).Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenKeys(t.Context(), w.pool, w.deployment, w.clock.now()); err == nil {
				t.Error("opened")
			}
			if err := w.keys.Refresh(t.Context(), w.clock.now()); err == nil {
				t.Error("refreshed")
			}
			if err := a.call(w.Server, a.token(w.Server, "results")); err != nil {
				t.Errorf("the running process stopped with the keys it had: %v", err)
			}
		})
	}
	t.Run("public key replaced", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		before := string(w.keys.JWKS())
		attacker := newSender(t, jose.ES256, "x")
		if _, err := w.db.Owner(t).Exec(t.Context(), `update signing_keys set public_jwk = $1`, attacker.public(t)); err != nil {
			t.Fatal(err)
		}
		if err := w.keys.Refresh(t.Context(), w.clock.now()); err != nil {
			t.Fatal(err)
		}
		if string(w.keys.JWKS()) != before {
			t.Error("a written key was published")
		}
	})
}
