package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// published are the kids of the key set.
func published(t *testing.T, k *Keys) map[string]bool {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(k.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	kids := map[string]bool{}
	for _, key := range set.Keys {
		kids[key.KeyID] = true
	}
	return kids
}

// S4: a key is published before it signs and after it signed; tokens of both are accepted meanwhile; then it goes, and its private part with
// its use.
func TestS4_TokenKeyRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	old := a.token(w.Server, "results")
	ctx := t.Context()
	rotate := func() {
		t.Helper()
		if err := RotateKeys(ctx, w.pool, w.deployment, w.clock.now()); err != nil {
			t.Fatal(err)
		}
		if err := w.keys.Refresh(ctx, w.clock.now()); err != nil {
			t.Fatal(err)
		}
	}
	signing := func() string { return w.keys.Signer(TokenKeys).Key().KID() }
	first := signing()
	rotate() // nothing is due
	if len(published(t, w.keys)) != 3 || signing() != first {
		t.Fatal("rotated without reason")
	}
	for range 2 { // asking twice is asking once
		if err := RotateKey(ctx, w.pool, w.deployment, TokenKeys, w.clock.now()); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.advance(keyLead - time.Second)
	rotate()
	if len(published(t, w.keys)) != 4 || signing() != first {
		t.Fatal("the successor signs before everybody knows it")
	}
	w.clock.advance(time.Second)
	rotate()
	second := signing()
	if second == first || !published(t, w.keys)[first] {
		t.Fatal("the successor does not sign, or the old key is gone")
	}
	w.clock.advance(-9 * time.Minute) // the old token is not yet over
	for _, token := range []string{old, a.token(w.Server, "results")} {
		for _, s := range []*Server{w.Server, w.another()} {
			if err := a.call(s, token); err != nil {
				t.Error(err)
			}
		}
	}
	rows, err := readSigningKeys(ctx, w.pool)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.KID == first {
			if _, signer, err := r.open(w.deployment); err != nil || signer != nil {
				t.Errorf("the private part of a retired key is kept: %v", err)
			}
		}
	}
	w.clock.advance(tokenKeyKept + 10*time.Minute)
	rotate()
	if _, err := w.keys.Lookup(TokenKeys)(first); !errors.Is(err, ErrUnknownKey) || published(t, w.keys)[first] {
		t.Errorf("a key out of use: %v", err)
	}
	all, err := SigningKeys(ctx, w.pool, w.deployment, w.clock.now())
	if err != nil || len(all) != 4 {
		t.Fatalf("%v %v", all, err)
	}
	for _, key := range all {
		if want := map[string]string{first: keyArchived, second: keyActive}[key.KID]; want != "" && (key.State != want || key.Published != (want == keyActive)) {
			t.Errorf("%+v", key)
		}
	}
	if err := RotateKey(ctx, w.pool, w.deployment, "khac", w.clock.now()); !errors.Is(err, ErrPurpose) {
		t.Errorf("%v", err)
	}
}

// By schedule each key is followed after ninety days; receipt and prefill keys stay published for ever.
func TestKeySchedule(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := published(t, w.keys)
	tokenKey := w.keys.Signer(TokenKeys).Key().KID()
	for range 3 {
		for _, d := range []time.Duration{keyLife, keyLead} {
			w.clock.advance(d)
			var wg sync.WaitGroup
			for range 4 { // every process tries
				wg.Go(func() {
					if err := RotateKeys(t.Context(), w.pool, w.deployment, w.clock.now()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
	}
	if err := w.keys.Refresh(t.Context(), w.clock.now()); err != nil {
		t.Fatal(err)
	}
	after := published(t, w.keys)
	for kid := range before {
		if after[kid] == (kid == tokenKey) {
			t.Errorf("key %s published: %t", kid, after[kid])
		}
	}
	if len(after) != 2+4+4 { // of three old token keys the last is still known
		t.Errorf("%d keys are published", len(after))
	}
}

// S4: two processes under traffic, the token key rotated several times, no request fails: neither one for a token nor one with a token that
// the other process has signed, before or after it has seen the rotation.
func TestS4_RotationUnderTraffic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	servers := []*Server{w.Server, w.another()}
	var done, failed atomic.Int64
	stop := make(chan struct{})
	var traffic sync.WaitGroup
	for worker := range 4 {
		mux := http.NewServeMux()
		servers[worker%2].Routes(mux)
		traffic.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, pathToken, strings.NewReader(a.form("results").Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("DPoP", a.proof(http.MethodPost, pathToken, ""))
				answer := httptest.NewRecorder()
				mux.ServeHTTP(answer, r)
				var body struct {
					Token string `json:"access_token"`
				}
				if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &body) != nil {
					failed.Add(1)
					t.Errorf("token: %d %s", answer.Code, answer.Body)
					return
				}
				for _, s := range servers {
					if err := a.call(s, body.Token); err != nil {
						failed.Add(1)
						t.Errorf("call: %v", err)
						return
					}
				}
				done.Add(1)
			}
		})
	}
	// more waits until each worker has surely begun and ended requests in the present state.
	more := func() {
		for until := done.Load() + 12; done.Load() < until && failed.Load() == 0 && t.Context().Err() == nil; {
			_ = w.pool.Ping(t.Context())
		}
	}
	refresh := func(s *Server) {
		if err := s.keys.Refresh(t.Context(), w.clock.now()); err != nil {
			t.Error(err)
		}
	}
	kids := map[string]bool{}
	for range 4 {
		more()
		// Published ten minutes ago, as the minute job would have done; by now every process has read it.
		if err := RotateKey(t.Context(), w.pool, w.deployment, TokenKeys, w.clock.now().Add(-keyLead)); err != nil {
			t.Fatal(err)
		}
		refresh(servers[0])
		more()
		refresh(servers[1])
		more()
		if err := RotateKeys(t.Context(), w.pool, w.deployment, w.clock.now()); err != nil {
			t.Fatal(err)
		}
		more() // neither process has seen it
		refresh(servers[1])
		more() // one has
		refresh(servers[0])
		kids[servers[0].keys.Signer(TokenKeys).Key().KID()] = true
	}
	more()
	close(stop)
	traffic.Wait()
	if failed.Load() != 0 || done.Load() < 100 || len(kids) != 4 {
		t.Errorf("%d requests, %d failed, %d keys", done.Load(), failed.Load(), len(kids))
	}
}
