package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/auth"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// clientOfficer registers who acts for an organisation under their own sign-in. The number comes over standard input: arguments are seen by
// everybody on the machine and kept in histories.
type clientOfficer struct {
	Organisation string        `arg:""`
	ID           string        `arg:"" help:"Opaque id of the officer at the organisation, never a name or a number."`
	Post         string        `required:"" help:"Chức vụ, as people see it."`
	Unit         string        `required:"" help:"Unit of the organisation; the client needs a mandate for it."`
	For          time.Duration `default:"8760h" help:"How long it holds."`
}

// Run finds the person and registers the post.
func (c clientOfficer) Run(ctx context.Context) error {
	number, err := readNumber(os.Stdin)
	if err != nil {
		return err
	}
	return wired(ctx, func(a *app) error {
		vault, err := a.people.Resolve(ctx, a.pool, person.NumberIdentifier(number))
		if err != nil {
			return err
		}
		now := time.Now()
		return a.auth.Appoint(ctx, pg.All(), audit.Actor{}, auth.Post{
			Organisation: c.Organisation, Officer: c.ID, Vault: vault, Title: c.Post, Unit: c.Unit, From: now, Until: now.Add(c.For),
		})
	})
}

type clientEndOfficer struct {
	Organisation string `arg:""`
	ID           string `arg:""`
}

// Run ends the post.
func (c clientEndOfficer) Run(ctx context.Context) error {
	return wired(ctx, func(a *app) error { return a.auth.Dismiss(ctx, pg.All(), audit.Actor{}, c.Organisation, c.ID) })
}

// readNumber reads one personal number from one line.
func readNumber(from io.Reader) (identity.PersonalNumber, error) {
	line, err := io.ReadAll(io.LimitReader(from, 64))
	if err != nil {
		return identity.PersonalNumber{}, err
	}
	number, err := identity.ParsePersonalNumber(strings.TrimSpace(string(line)))
	if err != nil {
		return number, errors.New("standard input holds no personal number")
	}
	return number, nil
}

// wired opens the whole deployment for one command.
func wired(ctx context.Context, use func(*app) error) error {
	c, err := readConfig()
	if err != nil {
		return err
	}
	return withDeployment(ctx, func(pool *pgxpool.Pool, dep *deployment) error {
		a, err := wire(ctx, c, pool, dep, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		defer a.close()
		return use(a)
	})
}
