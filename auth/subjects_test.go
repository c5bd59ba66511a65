package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// A person has one name per sector, also when a hundred requests ask for it first.
func TestSubjectsArePairwiseAndOne(t *testing.T) {
	t.Parallel()
	const tries = 100
	db := pgtest.New(t)
	vault, now := identity.NewVaultID(), time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC)
	ask := func(sector string, vault identity.VaultID) string {
		b := new(pgx.Batch)
		s := QueueSubject(b, sector, vault, now)
		if err := pg.Pipeline(t.Context(), db.Pool, b); err != nil {
			t.Error(err)
		}
		return s.Sub()
	}
	subs := make([]string, tries)
	var wg sync.WaitGroup
	for i := range tries {
		wg.Go(func() { subs[i] = ask("ubnd-phuong-sen", vault) })
	}
	wg.Wait()
	if slices.Sort(subs); len(slices.Compact(subs)) != 1 || len(subs[0]) != 22 {
		t.Fatalf("subjects %v", slices.Compact(subs))
	}
	other, stranger := ask("mam-non-sen", vault), ask("ubnd-phuong-sen", identity.NewVaultID())
	if other == subs[0] || stranger == subs[0] || other == stranger {
		t.Error("two sectors or two people share a name")
	}
	for _, row := range []struct {
		sector, sub string
		want        identity.VaultID
	}{
		{"ubnd-phuong-sen", subs[0], vault}, {"mam-non-sen", other, vault},
		{"mam-non-sen", subs[0], identity.VaultID{}}, {"ubnd-phuong-sen", "unknown", identity.VaultID{}},
	} {
		b := new(pgx.Batch)
		v := QueueSubjectVault(b, row.sector, row.sub)
		if err := pg.Pipeline(t.Context(), db.Pool, b); err != nil || v.Vault() != row.want {
			t.Errorf("%s in %s: %v", row.sub, row.sector, err)
		}
	}
}

func TestIDToken(t *testing.T) {
	t.Parallel()
	o := newOffline(t)
	now := o.now()
	in := SignedIn{
		ClientID: "motcua", Subject: "pairwise", Nonce: "n-1", Level: 2, AMR: []string{MethodPassphrase, MethodDevice}, AuthTime: now.Add(-time.Minute),
	}
	token, err := o.IDToken(in, now)
	if err != nil {
		t.Fatal(err)
	}
	payload, _, err := o.verifier.Verify(token, o.keys.Lookup(TokenKeys), "JWT")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"iss": testIssuer, "sub": "pairwise", "aud": "motcua", "nonce": "n-1", "acr": "urn:vidan:level:2", "auth_factors_level": 2.0,
		"amr": []any{"pwd", "pop"}, "auth_time": float64(now.Add(-time.Minute).Unix()), "iat": float64(now.Unix()), "exp": float64(now.Add(5 * time.Minute).Unix()),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := o.readToken(token, digest{}, now); !errors.Is(err, ErrToken) {
		t.Errorf("taken for an access token: %v", err)
	}
	for name, change := range map[string]func(*SignedIn){
		"level 0": func(in *SignedIn) { in.Level = 0 }, "level 3": func(in *SignedIn) { in.Level = 3 },
		"nobody": func(in *SignedIn) { in.Subject = "" }, "no client": func(in *SignedIn) { in.ClientID = "" },
		"no method": func(in *SignedIn) { in.AMR = nil },
	} {
		bad := in
		change(&bad)
		if _, err := o.IDToken(bad, now); err == nil {
			t.Errorf("signed with %s", name)
		}
	}
}

// Decree 69/2024 Art. 20 as a table.
func TestFactorsLevel(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		amr  []string
		want int
	}{
		{nil, 0},
		{[]string{"unknown"}, 0},
		{[]string{MethodPassphrase}, 1},
		{[]string{MethodDevice}, 1},
		{[]string{MethodDevice, MethodCode}, 1}, // two things one has are one kind of factor
		{[]string{MethodFace}, 1},
		{[]string{MethodPassphrase, MethodDevice}, 2},
		{[]string{MethodPassphrase, MethodCode}, 2},
		{[]string{MethodPassphrase, MethodFace}, 3},
		{[]string{MethodDevice, MethodFinger}, 3},
		{[]string{MethodPassphrase, MethodDevice, MethodFace}, 4},
	} {
		if got := FactorsLevel(row.amr); got != row.want {
			t.Errorf("%v: %d, want %d", row.amr, got, row.want)
		}
	}
}

// The metadata name only what this server answers.
func TestMetadataTellsWhatWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status, m := w.send(w.Server, request(http.MethodGet, pathOAuth, ""))
	if status != http.StatusOK || m["issuer"] != testIssuer || m["token_endpoint"] != testIssuer+pathToken || m["jwks_uri"] != testIssuer+pathJWKS {
		t.Fatalf("%d %v", status, m)
	}
	for _, grant := range m["grant_types_supported"].([]any) {
		status, body := w.post(w.Server, map[string][]string{"grant_type": {grant.(string)}})
		if body["error"] == "unsupported_grant_type" {
			t.Errorf("%v is announced: %d %v", grant, status, body)
		}
	}
	_, signIn := m["authorization_endpoint"]
	status, openID := w.send(w.Server, request(http.MethodGet, pathOpenID, ""))
	if signIn != (status == http.StatusOK) || signIn && !cmp.Equal(m, openID) {
		t.Errorf("OpenID configuration: %d", status)
	}
	if signIn != slices.Contains(m["grant_types_supported"].([]any), any("authorization_code")) {
		t.Error("authorization endpoint and grant do not agree")
	}
}

// Every key of every purpose is published, public parts alone, and verifies only its own purpose.
func TestJWKS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answer := w.keys.JWKS()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(answer, &set); err != nil || len(set.Keys) != len(purposes) {
		t.Fatalf("%d keys, %v", len(set.Keys), err)
	}
	for _, key := range set.Keys {
		if !key.IsPublic() || key.Algorithm != "ES256" || key.Use != "sig" {
			t.Errorf("key %s: public %v, alg %s, use %s", key.KeyID, key.IsPublic(), key.Algorithm, key.Use)
		}
	}
	for _, p := range purposes {
		message, err := w.keys.Signer(p).Sign("x+jwt", []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range purposes {
			_, _, err := w.verifier.Verify(message, w.keys.Lookup(q), "x+jwt")
			if (err == nil) != (p == q) {
				t.Errorf("signed by %s, verified by %s: %v", p, q, err)
			}
		}
	}
	if status, _ := w.send(w.Server, request(http.MethodGet, pathJWKS, "")); status != http.StatusOK {
		t.Errorf("%d", status)
	}
}
