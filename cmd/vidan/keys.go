package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"vidan/internal/keyring"
)

type keysCommand struct {
	Init keysInitCommand `cmd:"" help:"Create the deployment: its key-encryption key (if there is none), keysets and signing keys."`
}

type keysInitCommand struct {
	Production bool `help:"Create a production deployment; sandboxes are created by 'vidan serve --sandbox'." required:""`
}

// Run is the only command that makes a production deployment. It refuses a database that has one.
func (keysInitCommand) Run(ctx context.Context) (err error) {
	c, err := readConfig()
	if err != nil {
		return err
	}
	if keyring.Scheme(c.KEK) == keyring.SchemeFile && !c.FileKey {
		return errFileKey
	}
	if !strings.HasPrefix(c.Issuer, "https://") && !loopback(c.Issuer) {
		return fmt.Errorf("VIDAN_ISSUER %s: production is known by an https URL, for ever", c.Issuer)
	}
	db, err := openDatabase(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	pool, err := db.pool(ctx, c)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := createDeployment(ctx, c, pool, kindProduction, time.Now()); err != nil {
		return err
	}
	fmt.Println("production deployment created for", c.Issuer)
	fmt.Println("key-encryption key:", c.KEK)
	fmt.Println("Back the key up apart from the database: without it nothing can be opened, with both everything can.")
	return nil
}

// errFileKey: a key file lies beside the data it protects.
var errFileKey = errors.New("production does not take a key file (VIDAN_KEK=file:…) unless told: set VIDAN_ALLOW_FILE_KEY=true")

// loopback reports an issuer that only this machine reaches: a rehearsal.
func loopback(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
