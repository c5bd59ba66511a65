package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/auth"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/procedure/examples"
	"vidan/seal"
)

// Deps are what a sandbox needs of the server around it.
type Deps struct {
	Pool       *pgxpool.Pool
	Owner      string // address with the owner's rights, for a reset
	Deployment *seal.Deployment
	Vaults     *seal.Vaults
	Auth       *auth.Server
	Directory  *auth.Directory
	People     *person.Registry
	Issuer     string
	Offset     func(time.Duration)         // tells the server how far its clock is moved
	Now        func() time.Time            // the moved clock
	Settle     func(context.Context) error // runs everything that is due
}

// Box is the sandbox of one deployment.
type Box struct {
	Deps
	cast     examples.Cast
	contents Contents
	seeded   bool
	offset   time.Duration
}

const (
	sqlState = `select clock_offset_seconds, contents from sandbox_state`

	sqlSaveState = `insert into sandbox_state (clock_offset_seconds, contents, created_at) values ($1, $2, $3)
  on conflict (one) do update set clock_offset_seconds = excluded.clock_offset_seconds, contents = excluded.contents`
)

func contentsPlace() seal.Place { return seal.Place{Table: "sandbox_state", Column: "contents"} }

// stored is what lies sealed in sandbox_state.
type stored struct {
	Contents Contents `json:"contents"`
	Seeded   bool     `json:"seeded"`
}

// Open reads the sandbox of a deployment, or draws a new one, which Seed then fills.
func Open(ctx context.Context, d Deps) (*Box, error) {
	cast, err := examples.Load()
	if err != nil {
		return nil, err
	}
	b := &Box{Deps: d, cast: cast}
	state, err := Read(ctx, d.Pool, d.Deployment)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		b.contents, err = draw(d.Issuer, cast)
		return b, err
	case err != nil:
		return nil, err
	}
	b.contents, b.seeded, b.offset = state.Contents, state.Seeded, state.offset
	if d.Offset != nil {
		d.Offset(b.offset)
	}
	return b, nil
}

type state struct {
	stored
	offset time.Duration
}

// Read opens what a sandbox keeps; pgx.ErrNoRows when there is none.
func Read(ctx context.Context, pool *pgxpool.Pool, d *seal.Deployment) (state, error) {
	var seconds int64
	var sealed []byte
	if err := pool.QueryRow(ctx, sqlState).Scan(&seconds, &sealed); err != nil {
		return state{}, pg.Classify(err)
	}
	raw, err := d.OpenMessage(seal.Waiting, contentsPlace(), sealed)
	if err != nil {
		return state{}, fmt.Errorf("sandbox: %w", err)
	}
	s := state{offset: time.Duration(seconds) * time.Second}
	return s, json.Unmarshal(raw, &s.stored)
}

// Contents is what the sandbox prints.
func (b *Box) Contents() Contents { return b.contents }

// save keeps contents and clock.
func (b *Box) save(ctx context.Context) error {
	raw, err := json.Marshal(stored{Contents: b.contents, Seeded: b.seeded})
	if err != nil {
		return err
	}
	sealed, err := b.Deployment.SealMessage(seal.Waiting, contentsPlace(), raw)
	if err != nil {
		return err
	}
	_, err = b.Pool.Exec(ctx, sqlSaveState, int64(b.offset/time.Second), sealed, time.Now())
	return pg.Classify(err)
}

// vaultOf finds the vault of somebody of the cast.
func (b *Box) vaultOf(ctx context.Context, number string) (identity.VaultID, error) {
	n, err := identity.ParsePersonalNumber(number)
	if err != nil {
		return identity.VaultID{}, err
	}
	return b.People.Resolve(ctx, b.Pool, person.NumberIdentifier(n))
}
