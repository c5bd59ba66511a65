// Package egress is the only way out: every HTTP request that the service itself sends goes through one client, which promises that nobody,
// by an address they may choose, makes it speak to anything but the hosts an operator has named.
//
// A list of hosts alone is not enough: whoever runs the DNS of a listed host, or takes it over, can point the name at a machine inside
// (server-side request forgery, DNS rebinding). So the address is looked at where the connection is made, after the name was resolved and
// for exactly the connection that is used; a check before would see another answer than the dialler.
//
//	G1  only https, only hosts of the list, and only at the port that stands there
//	G2  no address that is not on the public internet: private, loopback, link-local (metadata services), unique-local, shared, mapped or
//	    tunnelled ones; a name that has one among its addresses is refused whole. A test or a sandbox names the networks that it allows
//	G3  no redirect is followed, no proxy of the environment is used, no cookie is kept
//	G4  one limit for the time of the whole exchange and one for the size of the answer, which is never unpacked
//	G5  TLS 1.2 or newer, with the certificate checked against the name
//	G6  no error holds the address, the path or the answer
//
// Not here: what is sent and what an answer means, and trying again.
package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

var (
	// ErrConfig reports a list of hosts that cannot be used.
	ErrConfig = errors.New("egress: not a usable configuration")
	// ErrRefused reports a URL or an address to which nothing is sent.
	ErrRefused = errors.New("egress: not allowed out")
	// ErrAnswer reports an answer that is a redirect or too large.
	ErrAnswer = errors.New("egress: answer not taken")
	// ErrUnreachable reports a host that did not answer in time, or not properly.
	ErrUnreachable = errors.New("egress: no answer")
)

// Resolver finds the addresses of a name; [net.Resolver] is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config says where to. The zero value lets nothing out.
type Config struct {
	// Hosts are those to which requests may go, as host or host:port; without a port, 443.
	Hosts []string
	// Private are networks beyond the public internet that are allowed all the same: a gateway of our own data centre, a test.
	Private []netip.Prefix
	// Plain also allows http: for a sandbox.
	Plain bool
	// Roots are the certification authorities that are believed; nil: those of the system.
	Roots *x509.CertPool
	// Resolver finds addresses; nil: the system's.
	Resolver Resolver
	// Timeout bounds a whole exchange; 10 s.
	Timeout time.Duration
	// MaxAnswer bounds the body of an answer, in bytes; 256 KiB.
	MaxAnswer int64
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	hosts   map[string]bool // host:port
	private []netip.Prefix
	closed  []netip.Prefix
	plain   bool
	resolve Resolver
	limit   time.Duration
	max     int64
	http    *http.Client
}

// Answer is a response with its body read.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// New checks the list and returns a client. Nothing is sent before it is asked to.
func New(c Config) (*Client, error) {
	e := &Client{
		hosts: make(map[string]bool, len(c.Hosts)), private: c.Private, closed: closed(), plain: c.Plain, resolve: c.Resolver, limit: c.Timeout, max: c.MaxAnswer,
	}
	if e.resolve == nil {
		e.resolve = net.DefaultResolver
	}
	if e.limit <= 0 {
		e.limit = 10 * time.Second
	}
	if e.max <= 0 {
		e.max = 256 << 10
	}
	for _, host := range c.Hosts {
		u, err := url.Parse("https://" + host)
		if err != nil || u.Hostname() == "" || u.Host != host || strings.ContainsAny(host, "*@/?#") {
			return nil, fmt.Errorf("host %q: %w", host, ErrConfig)
		}
		e.hosts[hostPort(u)] = true
	}
	e.http = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            e.dial,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots},
			TLSHandshakeTimeout:    e.limit,
			ResponseHeaderTimeout:  e.limit,
			MaxResponseHeaderBytes: 32 << 10,
			MaxConnsPerHost:        16,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        30 * time.Second, // a name is resolved anew after that at the latest
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		},
	}
	return e, nil
}

// Allowed returns [ErrRefused] for a URL to which nothing would be sent whatever its name resolves to (G1).
func (e *Client) Allowed(uri string) error {
	_, err := e.parse(uri)
	return err
}

func (e *Client) parse(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	switch {
	case err != nil, u.Opaque != "", u.User != nil, u.Fragment != "":
		return nil, ErrRefused
	case u.Scheme != "https" && (u.Scheme != "http" || !e.plain):
		return nil, ErrRefused
	case !e.hosts[hostPort(u)]:
		return nil, ErrRefused
	}
	return u, nil
}

// hostPort is the key of a host: lower case, with its port.
func hostPort(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "http":
		port = "80"
	default:
		port = "443"
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// Get fetches a document.
//
// Errors: [ErrRefused], [ErrAnswer], [ErrUnreachable], that of ctx. A status that means a failure is an answer.
func (e *Client) Get(ctx context.Context, uri string, header http.Header) (Answer, error) {
	return e.send(ctx, http.MethodGet, uri, header, nil)
}

// Post sends a body. Errors are those of [Client.Get]; after [ErrUnreachable] it is not known whether it arrived.
func (e *Client) Post(ctx context.Context, uri string, header http.Header, body []byte) (Answer, error) {
	return e.send(ctx, http.MethodPost, uri, header, body)
}

func (e *Client) send(ctx context.Context, method, uri string, header http.Header, body []byte) (Answer, error) {
	u, err := e.parse(uri)
	if err != nil {
		return Answer{}, err
	}
	within, cancel := context.WithTimeout(ctx, e.limit)
	defer cancel()
	r, err := http.NewRequestWithContext(within, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return Answer{}, ErrRefused
	}
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	response, err := e.http.Do(r)
	if err != nil {
		return Answer{}, e.fault(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		return Answer{}, fmt.Errorf("a redirect: %w", ErrAnswer)
	}
	read, err := io.ReadAll(io.LimitReader(response.Body, e.max+1))
	if err == nil {
		err = within.Err() // an answer that was cut off by the end of the time can look complete
	}
	if err != nil {
		return Answer{}, e.fault(ctx, err)
	}
	if int64(len(read)) > e.max {
		return Answer{}, fmt.Errorf("more than %d bytes: %w", e.max, ErrAnswer)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: read}, nil
}

// fault sorts what net/http says, whose words hold the whole URL (G6).
func (e *Client) fault(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, ErrRefused):
		return fmt.Errorf("address: %w", ErrRefused)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("within %s: %w", e.limit, ErrUnreachable)
	}
	return ErrUnreachable
}
