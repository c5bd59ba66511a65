package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// config is everything the environment says. Every setting has a harmless default; secrets come as files or URIs, never as values.
type config struct {
	DatabaseURL string        `env:"DATABASE_URL"`                           // empty: a PostgreSQL of our own
	OwnerURL    string        `env:"VIDAN_OWNER_URL"`                        // for migrations; empty: DATABASE_URL
	Addr        string        `env:"VIDAN_ADDR" envDefault:"127.0.0.1:8080"` // where the API listens
	MetricsAddr string        `env:"VIDAN_METRICS_ADDR"`                     // second listener; empty: none
	Issuer      string        `env:"VIDAN_ISSUER"`                           // external URL; empty: http://ADDR
	KEK         string        `env:"VIDAN_KEK"`                              // URI of the key-encryption key
	FileKey     bool          `env:"VIDAN_ALLOW_FILE_KEY"`                   // production takes a key file only when told
	Data        string        `env:"VIDAN_DATA" envDefault:"."`              // project folder of the own PostgreSQL
	MaxConns    int           `env:"VIDAN_MAX_CONNS"`                        // size of the pool
	Drain       time.Duration `env:"VIDAN_DRAIN" envDefault:"-1s"`           // how long readiness is off before listening ends; below zero: 2 s in production, nothing in a sandbox
	Gateway     string        `env:"VIDAN_GATEWAY"`                          // messages to people; empty: held
	// GatewaySecret is the file with the secret that a gateway reached by https shares with us.
	GatewaySecret string `env:"VIDAN_GATEWAY_SECRET_FILE"`
	// Egress are the hosts to which the service may send requests, as host or host:port; EgressNetworks those beyond the public internet.
	Egress         []string       `env:"VIDAN_EGRESS"`
	EgressNetworks []netip.Prefix `env:"VIDAN_EGRESS_NETWORKS"`
	// AddressHeader names the header in which our own proxy writes the browser's address, by which failed sign-ins are counted; empty: no proxy.
	AddressHeader string `env:"VIDAN_ADDRESS_HEADER"`
	// Nonce says when a proof of possession must carry a nonce of ours: auto (when its time is not enough) or required (always).
	Nonce       string        `env:"VIDAN_DPOP_NONCE" envDefault:"auto"`
	PollOnly    bool          `env:"VIDAN_POLL_ONLY"`                    // behind a transaction pooler
	LogLevel    string        `env:"VIDAN_LOG_LEVEL" envDefault:"info"`  // debug, info, warn, error
	OutboxAlarm time.Duration `env:"VIDAN_OUTBOX_ALARM" envDefault:"1m"` // readiness fails behind this age of the outbox
}

// readConfig reads the environment and reports all mistakes together.
func readConfig() (config, error) {
	c, err := readEnvironment()
	if err != nil {
		return c, err
	}
	return c, c.check()
}

func readEnvironment() (config, error) {
	var c config
	if err := env.Parse(&c); err != nil {
		return c, fmt.Errorf("environment: %w", err)
	}
	return c, nil
}

func (c *config) check() error {
	var wrong []error
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		wrong = append(wrong, fmt.Errorf("VIDAN_ADDR %q: want host:port", c.Addr))
	}
	if c.Issuer == "" && err == nil {
		if host == "" || host == "0.0.0.0" || host == "::" {
			host = "127.0.0.1"
		}
		c.Issuer = "http://" + net.JoinHostPort(host, port)
	}
	if u, err := url.Parse(c.Issuer); err != nil || u.Host == "" || strings.HasSuffix(c.Issuer, "/") {
		wrong = append(wrong, fmt.Errorf("VIDAN_ISSUER %q: want scheme and host, no path", c.Issuer))
	}
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		wrong = append(wrong, err)
	}
	if c.KEK == "" {
		c.KEK = ownKey(c.Data)
	}
	if c.OwnerURL == "" {
		c.OwnerURL = c.DatabaseURL
	}
	if c.MaxConns < 0 || c.OutboxAlarm <= 0 {
		wrong = append(wrong, errors.New("VIDAN_MAX_CONNS, VIDAN_OUTBOX_ALARM: want positive values"))
	}
	if c.Nonce != "" && c.Nonce != "auto" && c.Nonce != "required" {
		wrong = append(wrong, fmt.Errorf("VIDAN_DPOP_NONCE %q: want auto or required", c.Nonce))
	}
	return errors.Join(wrong...)
}

// ownKey is the key-encryption key of a project folder: a file in its private folder, as long as nobody names another.
func ownKey(data string) string { return "file:" + filepath.Join(privateFolder(data), "kek.json") }

// privateFolder is where a project keeps what is its own; the embedded PostgreSQL makes it, and without one whoever needs it first.
func privateFolder(data string) string { return filepath.Join(data, ".vidan") }
