package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// names answers as a DNS whose owner may change their mind between two questions.
type names struct {
	asked   atomic.Int32
	answers [][]string
}

func (n *names) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	i := min(int(n.asked.Add(1)), len(n.answers)) - 1
	var found []netip.Addr
	for _, text := range n.answers[i] {
		found = append(found, netip.MustParseAddr(text))
	}
	return found, nil
}

func says(answers ...[]string) *names { return &names{answers: answers} }

var here = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// gateway is a server with a certificate for example.com, and where it listens.
func gateway(t *testing.T, h http.HandlerFunc) (port string, roots *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return port, roots
}

func client(t *testing.T, c Config) *Client {
	t.Helper()
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.http.CloseIdleConnections)
	return e
}

func TestG1_OnlyTheList(t *testing.T) {
	t.Parallel()
	port, roots := gateway(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-One") != "1" {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = w.Write([]byte(r.Method + " " + r.URL.RequestURI()))
	})
	e := client(t, Config{Hosts: []string{"example.com:" + port}, Private: here, Roots: roots, Resolver: says([]string{"127.0.0.1"})})
	answer, err := e.Post(t.Context(), "https://EXAMPLE.com:"+port+"/a?b=c", http.Header{"X-One": {"1"}}, []byte("x"))
	if err != nil || answer.Status != http.StatusOK || string(answer.Body) != "POST /a?b=c" {
		t.Errorf("%d %s %v", answer.Status, answer.Body, err)
	}
	for _, uri := range []string{
		"https://example.com/", "https://example.com:1/", "https://other.example:" + port + "/", "http://example.com:" + port + "/",
		"https://a.example.com:" + port + "/", "https://u:p@example.com:" + port + "/", "https:example.com:" + port, "file:///etc/passwd", "", "/x",
		"https://127.0.0.1:" + port + "/", "https://example.com:" + port + "/#x", "https://example.com.:" + port + "/", "gopher://example.com:" + port,
	} {
		if _, err := e.Get(t.Context(), uri, nil); !errors.Is(err, ErrRefused) || !errors.Is(e.Allowed(uri), ErrRefused) {
			t.Errorf("%s: %v", uri, err)
		}
	}
	for _, host := range []string{"", "*", "*.example.com", "a/b", "u@example.com", "example.com:port", "a b"} {
		if _, err := New(Config{Hosts: []string{host}}); !errors.Is(err, ErrConfig) {
			t.Errorf("host %q: %v", host, err)
		}
	}
	if _, err := client(t, Config{}).Get(t.Context(), "https://example.com/", nil); !errors.Is(err, ErrRefused) {
		t.Errorf("no list: %v", err)
	}
}

// Nothing listens at these addresses: what is refused is refused before a connection.
func TestG2_AddressesInside(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0", "0.1.2.3", "255.255.255.255",
		"224.0.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.9", "240.0.0.1", "::1", "::", "fe80::1", "fd00:ec2::254", "fc00::1", "ff02::1",
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "2001:db8::1", "fec0::1",
	} {
		e := client(t, Config{Hosts: []string{"example.com"}, Resolver: says([]string{address})})
		if _, err := e.Get(t.Context(), "https://example.com/", nil); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
		if e.open(netip.MustParseAddr(address)) {
			t.Errorf("%s is open", address)
		}
	}
	e := client(t, Config{Hosts: []string{"example.com", "[::1]", "127.0.0.1"}, Resolver: says([]string{"93.184.215.14", "10.0.0.1"})})
	for _, uri := range []string{"https://example.com/", "https://[::1]/", "https://127.0.0.1/"} {
		if _, err := e.Get(t.Context(), uri, nil); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", uri, err)
		}
	}
	for _, address := range []string{"93.184.215.14", "8.8.8.8", "2606:4700::1111", "103.1.2.3"} {
		if !e.open(netip.MustParseAddr(address)) {
			t.Errorf("%s is closed", address)
		}
	}
}

// A name that answers differently the second time: the connection that is used is the one that was looked at.
func TestG2_Rebinding(t *testing.T) {
	t.Parallel()
	var served atomic.Int32
	port, roots := gateway(t, func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		w.Header().Set("Connection", "close")
	})
	dns := says([]string{"127.0.0.1"}, []string{"127.8.8.8"}, []string{"127.0.0.1", "169.254.169.254"})
	one := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	e := client(t, Config{Hosts: []string{"example.com:" + port}, Private: one, Roots: roots, Resolver: dns})
	e.http.Transport.(*http.Transport).DisableKeepAlives = true
	uri := "https://example.com:" + port + "/"
	if _, err := e.Get(t.Context(), uri, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := e.Get(t.Context(), uri, nil); !errors.Is(err, ErrRefused) {
			t.Errorf("%v", err)
		}
	}
	if served.Load() != 1 || dns.asked.Load() != 3 {
		t.Errorf("served %d, asked %d", served.Load(), dns.asked.Load())
	}
}

func TestG3_NoRedirectNoProxy(t *testing.T) {
	t.Parallel()
	var inside atomic.Int32
	victim := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
	t.Cleanup(victim.Close)
	port, roots := gateway(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, victim.URL, http.StatusFound) })
	e := client(t, Config{Hosts: []string{"example.com:" + port}, Private: here, Roots: roots, Resolver: says([]string{"127.0.0.1"})})
	if _, err := e.Get(t.Context(), "https://example.com:"+port+"/", nil); !errors.Is(err, ErrAnswer) || inside.Load() != 0 {
		t.Errorf("%v, followed %d times", err, inside.Load())
	}
	if e.http.Transport.(*http.Transport).Proxy != nil || e.http.Jar != nil {
		t.Error("a proxy or cookies")
	}
}

func TestG4_SlowAndLarge(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	port, roots := gateway(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			w.(http.Flusher).Flush()
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "/large":
			for range 1 << 12 {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		case "/full":
			_, _ = w.Write(make([]byte, 1<<10))
		}
	})
	config := Config{
		Hosts: []string{"example.com:" + port}, Private: here, Roots: roots, Resolver: says([]string{"127.0.0.1"}), MaxAnswer: 1 << 10,
	}
	e := client(t, config)
	at := "https://example.com:" + port
	if _, err := e.Get(t.Context(), at+"/large", nil); !errors.Is(err, ErrAnswer) {
		t.Errorf("large: %v", err)
	}
	if answer, err := e.Get(t.Context(), at+"/full", nil); err != nil || len(answer.Body) != 1<<10 {
		t.Errorf("full: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Get(ended, at+"/full", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	config.Timeout = 300 * time.Millisecond
	if _, err := client(t, config).Get(t.Context(), at+"/slow", nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("slow: %v", err)
	}
}

func TestG5_Certificates(t *testing.T) {
	t.Parallel()
	port, roots := gateway(t, func(http.ResponseWriter, *http.Request) {})
	for name, c := range map[string]Config{
		"an unknown authority": {Hosts: []string{"example.com:" + port}},
		"another name":         {Hosts: []string{"vidan.example:" + port}, Roots: roots},
	} {
		c.Private, c.Resolver = here, says([]string{"127.0.0.1"})
		if _, err := client(t, c).Get(t.Context(), "https://"+c.Hosts[0]+"/", nil); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	old := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.StartTLS()
	t.Cleanup(old.Close)
	_, port, err := net.SplitHostPort(old.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(old.Certificate())
	e := client(t, Config{Hosts: []string{"example.com:" + port}, Private: here, Roots: pool, Resolver: says([]string{"127.0.0.1"})})
	if _, err := e.Get(t.Context(), "https://example.com:"+port+"/", nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("TLS 1.1: %v", err)
	}
}

// G6: whatever goes wrong, the words do not hold where it was to go.
func TestG6_ErrorsHoldNoAddress(t *testing.T) {
	t.Parallel()
	e := client(t, Config{Hosts: []string{"example.com:1"}, Private: here, Resolver: says([]string{"127.0.0.1"})})
	for _, uri := range []string{"https://example.com:1/secret", "https://secret.example/", "https://example.com:1/\x00secret"} {
		if _, err := e.Get(t.Context(), uri, nil); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "example.com") {
			t.Errorf("%q: %v", uri, err)
		}
	}
}

// Whatever is asked for, what is allowed has a host of the list.
func FuzzAllowed(f *testing.F) {
	for _, seed := range []string{"https://example.com/", "https://example.com:443@evil.example/", "https://example.com\\@evil.example", "HTTPS://EXAMPLE.COM", "https://[::1]/"} {
		f.Add(seed)
	}
	e, err := New(Config{Hosts: []string{"example.com"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		u, err := e.parse(uri)
		if err == nil && (u.Scheme != "https" || !strings.EqualFold(u.Hostname(), "example.com") || u.Port() != "" && u.Port() != "443" || u.User != nil) {
			t.Errorf("%q", uri)
		}
	})
}
