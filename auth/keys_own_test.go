package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// change posts a change of the client's own keys, signed by one of them.
func (a *agency) change(s *Server, by *sender, jwk []byte, end string) (int, map[string]any) {
	f := url.Values{"client_assertion_type": {assertionForm}, "client_assertion": {by.message(a.w.tb, "JWT", a.claims())}}
	if jwk != nil {
		f.Set("jwk", string(jwk))
	}
	if end != "" {
		f.Set("end_kid", end)
	}
	return a.postAs(s, pathOwnKeys, f)
}

func (a *agency) asks(s *Server, by *sender) (int, map[string]any) {
	key := a.key
	a.key = by
	defer func() { a.key = key }()
	return a.w.post(s, a.form("results"), a.proof(http.MethodPost, pathToken, ""))
}

// A client changes its keys without a moment in which none works, in every process; what the old key obtained ends with it (O3).
func TestO3_OwnKeysByOverlap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, other := w.agency("motcua"), w.another()
	first, second := a.key, newSender(t, jose.ES256, "motcua-2")
	token := a.token(other, "results")
	for range 2 { // a retry finds it done
		if status, body := a.change(w.Server, first, second.public(t), ""); status != http.StatusOK || fmt.Sprint(body["active"]) != "[motcua-1 motcua-2]" {
			t.Fatalf("%d %v", status, body)
		}
	}
	w.clock.advance(2 * reloadAfter)
	for _, s := range []*Server{w.Server, other} {
		for _, key := range []*sender{first, second} {
			if status, body := a.asks(s, key); status != http.StatusOK {
				t.Errorf("during the overlap: %d %v", status, body)
			}
		}
	}
	for range 2 {
		if status, body := a.change(w.Server, second, nil, "motcua-1"); status != http.StatusOK || fmt.Sprint(body["active"]) != "[motcua-2]" {
			t.Fatalf("%d %v", status, body)
		}
	}
	for _, s := range []*Server{w.Server, other} {
		if status, body := a.asks(s, first); body["error"] != "invalid_client" {
			t.Errorf("the old key: %d %v", status, body)
		}
		if status, body := a.asks(s, second); status != http.StatusOK {
			t.Errorf("the new key: %d %v", status, body)
		}
		if err := a.call(s, token); !errors.Is(err, ErrTokenRevoked) {
			t.Errorf("a token of the old key: %v", err)
		}
	}
	if !strings.Contains(w.logs.String(), "client changed its keys") {
		t.Error("nothing is told to the operator")
	}
}

func TestOwnKeysRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.agency("motcua"), w.agency("congan")
	second, private := newSender(t, jose.ES256, "motcua-2"), []byte(nil)
	var err error
	if private, _, err = NewJWK("motcua-3"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		by   *sender
		jwk  []byte
		end  string
		want string
	}{
		{"nothing", a.key, nil, "", "invalid_request"},
		{"the last key", a.key, nil, "motcua-1", "invalid_request"},
		{"another's key", a.key, nil, "congan-1", "invalid_request"},
		{"an unknown key", a.key, nil, "motcua-9", "invalid_request"},
		{"added and ended at once", a.key, second.public(t), "motcua-2", "invalid_request"},
		{"a kid that is there with another key", a.key, newSender(t, jose.ES256, "motcua-1").public(t), "", "invalid_request"},
		{"a private key", a.key, private, "", "invalid_request"},
		{"no kid", a.key, newSender(t, jose.ES256, "").public(t), "", "invalid_request"},
		{"no key", a.key, []byte("{}"), "", "invalid_request"},
		{"signed by the key that is added", second, second.public(t), "", "invalid_client"},
		{"signed by another client", b.key, second.public(t), "", "invalid_client"},
	} {
		if status, body := a.change(w.Server, row.by, row.jwk, row.end); status == http.StatusOK || body["error"] != row.want {
			t.Errorf("%s: %d %v", row.name, status, body)
		}
	}
	if status, body := a.change(w.Server, a.key, second.public(t), "motcua-1"); status != http.StatusOK || fmt.Sprint(body["active"]) != "[motcua-2]" {
		t.Fatalf("both in one: %d %v", status, body)
	}
	if status, body := a.change(w.Server, second, a.key.public(t), ""); body["error"] != "invalid_request" {
		t.Errorf("an ended key comes back: %d %v", status, body)
	}
	for i := range maxOwnKeys {
		status, body := a.change(w.Server, second, newSender(t, jose.ES256, fmt.Sprintf("them-%d", i)).public(t), "")
		if want := i < maxOwnKeys-1; (status == http.StatusOK) != want {
			t.Errorf("key %d more: %d %v", i+1, status, body)
		}
	}
	app := w.app("vidan-app")
	if status, body := app.postAs(w.Server, pathOwnKeys, url.Values{"client_id": {app.id}, "jwk": {string(second.public(t))}}); body["error"] != "invalid_client" {
		t.Errorf("an app: %d %v", status, body)
	}
}

// Of two keys, each ended by the other at the same time, one stays.
func TestOwnKeysNeverEndTheLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agency("motcua")
	second := newSender(t, jose.ES256, "motcua-2")
	if status, body := a.change(w.Server, a.key, second.public(t), ""); status != http.StatusOK {
		t.Fatal(body)
	}
	var wait sync.WaitGroup
	for i := range 20 {
		by, end := a.key, "motcua-2"
		if i%2 == 0 {
			by, end = second, "motcua-1"
		}
		wait.Go(func() { a.change(w.Server, by, nil, end) })
	}
	wait.Wait()
	var active int
	if err := w.pool.QueryRow(context.Background(), `select count(*) from client_keys where client_id = 'motcua' and state = 'active'`).Scan(&active); err != nil || active != 1 {
		t.Errorf("%d active keys: %v", active, err)
	}
}
