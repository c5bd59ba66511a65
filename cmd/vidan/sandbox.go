package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"vidan/cmd/vidan/sandbox"
)

type sandboxCommand struct {
	JSON bool `help:"Print as JSON, private keys included: they open nothing but the sandbox."`
}

// Run prints the sandbox that 'vidan serve --sandbox' created here.
func (s sandboxCommand) Run(ctx context.Context) (err error) {
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
	dep, err := openDeployment(ctx, c, pool, kindSandbox)
	if err != nil {
		return err
	}
	state, err := sandbox.Read(ctx, pool, dep.seal)
	if err != nil {
		return fmt.Errorf("no sandbox here yet (run: vidan serve --sandbox): %w", err)
	}
	if s.JSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(state.Contents)
	}
	fmt.Println(state.Contents.Issuer)
	for _, client := range state.Contents.Clients {
		fmt.Printf("client   %-24s %s\n", client.ClientID, client.Organisation)
	}
	for _, citizen := range state.Contents.Citizens {
		fmt.Printf("citizen  %s  level %d  passphrase %q  %s\n", citizen.PersonalNumber, citizen.Level, citizen.Passphrase, citizen.FullName)
	}
	return nil
}

// openSandbox opens the sandbox around this server.
func (a *app) openSandbox(ctx context.Context, db *database) (*sandbox.Box, error) {
	return sandbox.Open(ctx, sandbox.Deps{
		Pool: a.pool, Owner: db.owner, Deployment: a.dep.seal, Vaults: a.vaults, Auth: a.auth, Directory: a.directory, People: a.people,
		Issuer: a.dep.issuer, Now: a.clock.now, Offset: func(d time.Duration) { a.clock.offset.Store(int64(d)) },
		Settle: func(ctx context.Context) error {
			if err := a.due(ctx); err != nil {
				return err
			}
			return a.relay.Drain(ctx)
		},
	})
}
