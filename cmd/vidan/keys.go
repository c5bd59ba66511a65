package main

import (
	"context"
	"errors"
	"fmt"
	"time"
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
