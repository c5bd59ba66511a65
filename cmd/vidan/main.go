// Command vidan is the whole product in one static binary: it serves the wallet, migrates its database, creates keys, and registers
// clients. It wires packages together and holds no rule of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands are the subcommands; each has a file of its own.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Serve the wallet; with --sandbox a complete one with fictional people."`
	Migrate migrateCommand `cmd:"" help:"Bring the database to this binary's schema."`
	Keys    keysCommand    `cmd:"" help:"Keys of a deployment."`
	Client  clientCommand  `cmd:"" help:"Organisations, clients, keys and mandates."`
	Sandbox sandboxCommand `cmd:"" help:"Print the sandbox: issuer, clients, apps, citizens."`
	Demo    demoCommand    `cmd:"" help:"Play the story of a newborn over HTTP against a fresh server."`
	Bench   benchCommand   `cmd:"" help:"Measure token, token_refresh, introspect, store, read and prefill beside their floors; JSON lines."`
	Openapi openapiCommand `cmd:"" help:"Write the API documents."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// main owns the signals: everything else gets a context.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "vidan:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var c commands
	parser, err := kong.New(&c, kong.Name("vidan"), kong.UsageOnError(), kong.Description("Ví dân: a personal data wallet for a country."))
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return err
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
