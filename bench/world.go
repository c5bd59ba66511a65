package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"vidan/cmd/vidan/sandbox"
	"vidan/internal/outside"
	"vidan/procedure/examples"
)

// Those of the sandbox who take part.
const (
	registry     = "xa-dai-son"
	kindergarten = "mam-non-hoa-mai"
	registrar    = "dinh-danh"
)

// world is what the outside has in hand: clients with their keys and tokens, papers to read, requests that were granted.
type world struct {
	issuer  string
	addr    string // where the calls go
	box     sandbox.Contents
	cast    examples.Cast
	http    *http.Client
	clients map[string]*outside.Client
	readers []reader
	portal  *outside.Client // the kindergarten's, where somebody is signed in
	couples []couple
	grants  []string // requests, as the kindergarten names them
	born    int      // children who are enrolled
	stored  int      // of whom the first so many have their certificate
}

// reader is a citizen who is signed in, and the paper they read.
type reader struct {
	client *outside.Client
	path   string
}

// couple are the numbers of two parents.
type couple struct{ mother, father string }

// openWorld has the registrar of a server enrol the people of the benchmark: parents, and the newborns whose certificates will be stored.
func openWorld(ctx context.Context, s *server, couples, children int) (*world, error) {
	w := &world{
		issuer: s.issuer, addr: s.addr, http: &http.Client{Timeout: 30 * time.Second}, clients: map[string]*outside.Client{},
	}
	var err error
	if w.cast, err = examples.Load(); err != nil {
		return nil, err
	}
	if err := w.readBox(ctx); err != nil {
		return nil, err
	}
	if err := w.login(ctx, registrar, "registrar"); err != nil {
		return nil, err
	}
	return w, w.enrolAll(ctx, couples, children)
}

// signIn signs in whoever acts, and has grants requests granted.
func (w *world) signIn(ctx context.Context, grants int) error {
	for _, step := range []func() error{
		func() error { return w.login(ctx, registry, "results") },
		func() error { return w.login(ctx, kindergarten, "consent", "prefill") },
		func() error { return w.signReadersIn(ctx) },
		func() error { return w.signInAtPortal(ctx) },
		func() error { return w.grantAll(ctx, grants) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) readBox(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.issuer+"/sandbox", nil)
	if err != nil {
		return err
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the sandbox answered %d", resp.StatusCode)
	}
	return json.NewDecoder(resp.Body).Decode(&w.box)
}

// client makes the client of an organisation, or without a key the app, with a fresh key for its proofs.
func (w *world) client(id string, jwk json.RawMessage) (*outside.Client, error) {
	dpop, err := outside.NewKey("dpop")
	if err != nil {
		return nil, err
	}
	c := &outside.Client{Issuer: w.issuer, ID: id, DPoP: dpop, HTTP: w.http, Now: time.Now}
	if jwk == nil {
		return c, nil
	}
	if c.Key, err = outside.ParseKey(jwk); err != nil {
		return nil, err
	}
	c.Key, err = c.Key.Prepare("JWT", "vidan-result+jwt", "vidan-officer+jwt")
	return c, err
}

func (w *world) login(ctx context.Context, organisation string, scopes ...string) error {
	who := w.box.Client(organisation)
	c, err := w.client(who.ClientID, who.JWK)
	if err != nil {
		return err
	}
	w.clients[organisation] = c
	if err := c.Login(ctx, scopes...); err != nil {
		return fmt.Errorf("%s: %w", organisation, err)
	}
	return nil
}

// citizen signs somebody in with the app; with confirm, their phone confirms it.
func (w *world) citizen(ctx context.Context, id string, confirm bool) (*outside.Client, outside.Citizen, error) {
	in := w.box.Citizen(id)
	who := outside.Citizen{PersonalNumber: in.PersonalNumber, Passphrase: in.Passphrase}
	if in.DeviceJWK != nil {
		key, err := outside.ParseKey(in.DeviceJWK)
		if err != nil {
			return nil, who, err
		}
		who.Device, who.DeviceID = key, key.JWK.KeyID
	}
	c, err := w.client(sandbox.AppID, nil)
	if err != nil {
		return nil, who, err
	}
	if err := c.SignIn(ctx, who, sandbox.AppRedirect, "wallet", confirm); err != nil {
		return nil, who, fmt.Errorf("%s: %w", id, err)
	}
	return c, who, nil
}

// signReadersIn signs in those of the cast who have a birth certificate of their own.
func (w *world) signReadersIn(ctx context.Context) error {
	for _, id := range []string{"du", "thi"} {
		c, _, err := w.citizen(ctx, id, false)
		if err != nil {
			return err
		}
		var papers struct {
			Items []struct {
				ID   string `json:"id"`
				Type string `json:"document_type"`
			} `json:"items"`
		}
		if err := ask(ctx, c, http.MethodGet, "/v1/people/me/documents", nil, http.StatusOK, &papers); err != nil {
			return err
		}
		for _, p := range papers.Items {
			if p.Type == birthCertificate {
				w.readers = append(w.readers, reader{client: c, path: "/v1/people/me/documents/" + p.ID})
			}
		}
	}
	if len(w.readers) == 0 {
		return errors.New("nobody has a birth certificate to read")
	}
	return nil
}

// ask calls the API and reads the answer, which must have the status.
func ask(ctx context.Context, c *outside.Client, method, path string, body any, status int, into any, headers ...string) error {
	answer, err := c.Do(ctx, method, path, body, headers...)
	if err != nil {
		return err
	}
	if answer.Status != status {
		return fmt.Errorf("%s %s was answered %d %s, want %d", method, path, answer.Status, answer.Body, status)
	}
	if into == nil {
		return nil
	}
	return answer.Decode(into)
}

// each runs make for 0 … n-1 on all processors: signing is what takes its time.
func each(ctx context.Context, n int, make func(i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := make(int(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
