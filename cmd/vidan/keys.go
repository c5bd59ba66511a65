package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/auth"
	"vidan/internal/keyring"
)

type keysCommand struct {
	Init   keysInitCommand   `cmd:"" help:"Create the deployment: its key-encryption key (if there is none), keysets and signing keys."`
	Status keysStatusCommand `cmd:"" help:"List the signing keys: what each is for, whether it signs, and whether it is published."`
	Rotate keysRotateCommand `cmd:"" help:"Publish the successor of a signing key now; the service has it take over ten minutes later, without a failed request."`
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

type keysStatusCommand struct{}

// Run lists the signing keys of this deployment.
func (keysStatusCommand) Run(ctx context.Context) error {
	return withDeployment(ctx, func(pool *pgxpool.Pool, dep *deployment) error { return showKeys(ctx, pool, dep, time.Now()) })
}

type keysRotateCommand struct {
	Purpose string `required:"" enum:"token,receipt,prefill" help:"token, receipt or prefill."`
}

// Run publishes a successor and shows when it signs.
func (c keysRotateCommand) Run(ctx context.Context) error {
	return withDeployment(ctx, func(pool *pgxpool.Pool, dep *deployment) error {
		now := time.Now()
		if err := auth.RotateKey(ctx, pool, dep.seal, auth.Purpose(c.Purpose), now); err != nil {
			return err
		}
		return showKeys(ctx, pool, dep, now)
	})
}

func showKeys(ctx context.Context, pool *pgxpool.Pool, dep *deployment, now time.Time) error {
	keys, err := auth.SigningKeys(ctx, pool, dep.seal, now)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PURPOSE\tSTATE\tSINCE\tPUBLISHED\tKID\tNOTE")
	for _, k := range keys {
		note := ""
		if !k.Signs.IsZero() {
			note = "signs from " + k.Signs.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%t\t%s\t%s\n", k.Purpose, k.State, k.Since.UTC().Format(time.RFC3339), k.Published, k.KID, note)
	}
	return w.Flush()
}
