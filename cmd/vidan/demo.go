package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"vidan/cmd/vidan/sandbox"
	"vidan/internal/outside"
	"vidan/procedure/examples"
)

type demoCommand struct {
	Logs bool `help:"Show the server's log lines too."`
}

// Run plays the story over HTTP, as outside clients would, against a fresh server with a database of its own.
func (d demoCommand) Run(ctx context.Context) (err error) {
	folder, err := os.MkdirTemp("", "vidan-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := os.Chmod(folder, 0o755); err != nil { // the database's account must reach its part of it
		return err
	}
	logs := io.Discard
	if d.Logs {
		logs = os.Stderr
	}
	return withServer(ctx, folder, logs, func(ctx context.Context, issuer string) error {
		s, err := newStory(ctx, issuer, folder)
		if err != nil {
			return err
		}
		if err := s.play(ctx); err != nil {
			return err
		}
		fmt.Printf("demo: ok (%d steps)\n", s.steps)
		return nil
	})
}

// withServer runs a fresh sandbox on a free port until use returns.
func withServer(ctx context.Context, folder string, logs io.Writer, use func(ctx context.Context, issuer string) error) error {
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- serve(ctx, serveOptions{
			sandbox: true, addr: addr, out: io.Discard, logs: logs, began: time.Now(),
			config: func(c *config) {
				*c = config{Addr: addr, Data: folder, LogLevel: c.LogLevel, OutboxAlarm: c.OutboxAlarm}
			},
			ready: func(issuer string) { ready <- issuer },
		})
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("the server did not start: %w", err)
	case issuer := <-ready:
		err := use(ctx, issuer)
		stop()
		return errors.Join(err, <-ended)
	}
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// story holds what the people of the story have in their hands.
type story struct {
	issuer   string
	folder   string
	box      sandbox.Contents
	cast     examples.Cast
	clients  map[string]*outside.Client
	people   map[string]*outside.Client
	officers map[string]string
	steps    int
	http     *http.Client
}

func newStory(ctx context.Context, issuer, folder string) (*story, error) {
	cast, err := examples.Load()
	if err != nil {
		return nil, err
	}
	s := &story{cast: cast, issuer: issuer, folder: folder, clients: map[string]*outside.Client{}, people: map[string]*outside.Client{}, http: &http.Client{Timeout: 30 * time.Second}}
	answer, err := s.get(ctx, "/sandbox")
	if err != nil {
		return nil, err
	}
	return s, answer.Decode(&s.box)
}

func (s *story) get(ctx context.Context, path string) (*outside.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.issuer+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return &outside.Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, err
}

// step says what was done and what was checked; a failed check ends the story.
func (s *story) step(format string, args ...any) {
	s.steps++
	fmt.Printf("%2d  %s\n", s.steps, fmt.Sprintf(format, args...))
}

// agency is an organisation's client, signed in with its key.
func (s *story) agency(ctx context.Context, organisation string) (*outside.Client, error) {
	if c := s.clients[organisation]; c != nil {
		return c, nil
	}
	who := s.box.Client(organisation)
	c, err := s.newClient(who.ClientID, who.JWK)
	if err != nil {
		return nil, err
	}
	scopes := []string{}
	for _, scope := range who.Scopes {
		if scope != "openid" && scope != "offline_access" { // for people who sign in
			scopes = append(scopes, scope)
		}
	}
	if err := c.Login(ctx, scopes...); err != nil {
		return nil, fmt.Errorf("%s: %w", organisation, err)
	}
	s.clients[organisation] = c
	return c, nil
}

func (s *story) newClient(id string, jwk json.RawMessage) (*outside.Client, error) {
	dpop, err := outside.NewKey("dpop")
	if err != nil {
		return nil, err
	}
	c := &outside.Client{Issuer: s.issuer, ID: id, DPoP: dpop, HTTP: s.http, Now: time.Now}
	if jwk != nil {
		if c.Key, err = outside.ParseKey(jwk); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// citizen is somebody signed in with the app; with confirm, their phone confirmed it (level 2).
func (s *story) citizen(ctx context.Context, id string, confirm bool) (*outside.Client, outside.Citizen, error) {
	who, err := s.inHand(id)
	if err != nil {
		return nil, who, err
	}
	if c := s.people[id]; c != nil {
		return c, who, nil
	}
	c, err := s.newClient(sandbox.AppID, nil)
	if err != nil {
		return nil, who, err
	}
	if err := c.SignIn(ctx, who, sandbox.AppRedirect, "wallet", confirm); err != nil {
		return nil, who, fmt.Errorf("%s: %w", id, err)
	}
	s.people[id] = c
	return c, who, nil
}

func (s *story) inHand(id string) (outside.Citizen, error) {
	c := s.box.Citizen(id)
	who := outside.Citizen{PersonalNumber: c.PersonalNumber, Passphrase: c.Passphrase}
	if c.DeviceJWK == nil {
		return who, nil
	}
	key, err := outside.ParseKey(c.DeviceJWK)
	if err != nil {
		return who, err
	}
	who.Device, who.DeviceID = key, key.JWK.KeyID
	return who, nil
}

// officer is the assertion that names the officer of an organisation behind a call.
func (s *story) officer(organisation string) (string, error) {
	names := map[string][2]string{
		"dinh-danh": {"cb-101", "LÊ VĂN VÍ"}, "mam-non-hoa-mai": {"gv-007", "PHẠM VĂN GIẢ"},
	}
	who := names[organisation]
	return s.clients[organisation].Officer(organisation, "van-phong", who[0], who[1], "Cán bộ")
}

// want calls the API and checks the status.
func want(c *outside.Client, ctx context.Context, status int, method, path string, body any, headers ...string) (*outside.Answer, error) {
	answer, err := c.Do(ctx, method, path, body, headers...)
	if err != nil {
		return nil, err
	}
	if answer.Status != status {
		return nil, fmt.Errorf("%s %s answered %d %s, want %d", method, path, answer.Status, answer.Body, status)
	}
	return answer, nil
}
