package auth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

var (
	// ErrRegistration reports an organisation, client, key or mandate that may not be registered as it is.
	ErrRegistration = errors.New("auth: not acceptable for registration")
	// ErrNotRegistered reports an organisation, client, key or mandate that does not exist or is no longer active.
	ErrNotRegistered = errors.New("auth: not registered")
	// ErrRegistered reports a name that is taken; keys and mandates are never replaced, a new one gets a new name.
	ErrRegistered = errors.New("auth: registered already")
)

// Directory registers organisations, their clients with keys, and mandates. Rows that grant authority carry a MAC over their
// security columns (DESIGN §4). It is what `vidan client` and the sandbox use; a [Server] only reads.
type Directory struct {
	pool       *pgxpool.Pool
	deployment *seal.Deployment
	rehearsal  bool
}

// NewDirectory returns the directory of a deployment.
func NewDirectory(pool *pgxpool.Pool, d *seal.Deployment) *Directory {
	return &Directory{pool: pool, deployment: d}
}

// Rehearsal returns a directory that registers agencies' clients on this machine too, under http: for a sandbox. In earnest only an app may listen
// there (FAPI 2.0 Security Profile §5.3.2.2, RFC 8252 §7.3).
func (d *Directory) Rehearsal() *Directory {
	return &Directory{pool: d.pool, deployment: d.deployment, rehearsal: true}
}

// Organisation is a body that people know by name (cơ quan, tổ chức).
type Organisation struct {
	ID     string
	NameVI string
	NameEN string
	Kind   string // commune, ministry, police, social_insurance, school, registrar, …
	Parent string // empty: none
	Sector string // who shares pairwise ids (DESIGN §5); empty: one of its own, named like the organisation
}

const sqlInsertOrganisation = `
insert into organisations (organisation_id, name_vi, name_en, kind, parent_id, sector, created_at)
values ($1, $2, $3, $4, nullif($5, ''), $6, $7)`

// AddOrganisation registers an organisation.
func (d *Directory) AddOrganisation(ctx context.Context, o Organisation, now time.Time) error {
	if o.Sector == "" {
		o.Sector = o.ID
	}
	switch {
	case !plainID(o.ID), !plainID(o.Sector), o.Parent != "" && !plainID(o.Parent), !plainID(o.Kind), !title(o.NameVI), !title(o.NameEN):
		return fmt.Errorf("organisation %q: %w", o.ID, ErrRegistration)
	case o.Sector == AppSector:
		return fmt.Errorf("organisation %q: sector %s is the apps': %w", o.ID, AppSector, ErrRegistration)
	}
	return d.insert(ctx, "organisation", o.ID, sqlInsertOrganisation, o.ID, o.NameVI, o.NameEN, o.Kind, o.Parent, o.Sector, now)
}

// Profile says by which rules a client plays.
type Profile string

const (
	// FAPI2: an agency's program; it proves itself with private_key_jwt (FAPI 2.0 Security Profile).
	FAPI2 Profile = "fapi2"
	// App: a citizen's app; it holds no secret of ours.
	App Profile = "app"
	// Conformance: a test client, in a sandbox only.
	Conformance Profile = "conformance"
)

// AppSector is the sector of clients that belong to no organisation.
const AppSector = "app"

// Client is a program that holds keys. It may act for organisations as its mandates say.
type Client struct {
	ID           string
	Organisation string // who runs it; empty for a citizen's app
	Name         string
	Profile      Profile
	Scopes       []string
	RedirectURIs []string
	// UserinfoSigned: what the client is told of people is a signed JWT. Encryption, a public JSON Web Key, has it encrypted as well.
	UserinfoSigned bool
	Encryption     []byte
}

// Scopes of access tokens.
const (
	ScopeResults    = "results"
	ScopeConsent    = "consent"
	ScopePrefill    = "prefill"
	ScopeEvents     = "events"
	ScopeRegistrar  = "registrar"
	ScopeIntrospect = "introspect" // of a client that guards resources; no token has it
	ScopeOpenID     = "openid"
	ScopeWallet     = "wallet"
	ScopeOffline    = "offline_access" // a refresh token (OpenID Connect Core §11)
)

var (
	machineScopes = []string{ScopeResults, ScopeConsent, ScopePrefill, ScopeEvents, ScopeRegistrar}
	peopleScopes  = []string{ScopeOpenID, ScopeWallet, ScopeOffline}
)

const (
	sqlInsertClient = `
insert into clients (client_id, organisation_id, name, profile, state, scopes, redirect_uris, userinfo_signed, encryption_jwk, created_at, mac)
values ($1, nullif($2, ''), $3, $4, 'active', $5, $6, $7, $8, $9, $10)`

	sqlLockClient = `
select client_id, coalesce(organisation_id, ''), name, profile, state, scopes, redirect_uris, userinfo_signed, encryption_jwk,
  created_at, mac
from clients where client_id = $1 for update`

	sqlSetClientState = `update clients set state = $2, mac = $3 where client_id = $1`
)

// AddClient registers a client. It can do nothing before it has a key and a mandate.
func (d *Directory) AddClient(ctx context.Context, c Client, now time.Time) error {
	if err := c.check(d.rehearsal); err != nil {
		return fmt.Errorf("client %q: %w", c.ID, err)
	}
	row := clientRow{
		ID: c.ID, Organisation: c.Organisation, Name: c.Name, Profile: c.Profile, State: stateActive,
		Scopes: c.Scopes, RedirectURIs: nonNil(c.RedirectURIs), Signed: c.UserinfoSigned || len(c.Encryption) != 0,
		Encryption: string(c.Encryption), CreatedAt: now,
	}
	return d.insert(ctx, "client", c.ID, sqlInsertClient, row.ID, row.Organisation, row.Name, row.Profile,
		row.Scopes, row.RedirectURIs, row.Signed, row.Encryption, row.CreatedAt, d.deployment.MAC("clients", row.columns()))
}

func (c Client) check(rehearsal bool) error {
	known := slices.Concat(machineScopes, peopleScopes, []string{ScopeIntrospect})
	switch c.Profile {
	case FAPI2, Conformance:
	case App:
		known = peopleScopes
	default:
		return fmt.Errorf("profile: %w", ErrRegistration)
	}
	if !plainID(c.ID) || !title(c.Name) || (c.Organisation == "") != (c.Profile == App) {
		return fmt.Errorf("id, name or organisation: %w", ErrRegistration)
	}
	if len(c.Scopes) == 0 || !distinct(c.Scopes) {
		return fmt.Errorf("scopes: %w", ErrRegistration)
	}
	for _, scope := range c.Scopes {
		if !slices.Contains(known, scope) {
			return fmt.Errorf("scope %q: %w", scope, ErrRegistration)
		}
	}
	if len(c.Encryption) != 0 {
		if _, err := newEncrypter(string(c.Encryption)); err != nil {
			return fmt.Errorf("encryption key: %w", ErrRegistration)
		}
	}
	for _, uri := range c.RedirectURIs {
		if !redirectable(uri, c.Profile) || c.Profile == FAPI2 && !rehearsal && !strings.HasPrefix(uri, "https:") {
			return fmt.Errorf("redirect URI: %w", ErrRegistration)
		}
	}
	return nil
}

// redirectable accepts https, http on this machine (RFC 8252 §7.3), and for apps a scheme of their own (§7.1).
func redirectable(uri string, p Profile) bool {
	u, err := url.Parse(uri)
	if err != nil || !u.IsAbs() || u.Fragment != "" || strings.Contains(uri, "#") || u.User != nil || len(uri) > 2000 {
		return false
	}
	switch u.Scheme {
	case "https":
		return u.Hostname() != ""
	case "http":
		return loopback(u.Hostname())
	}
	return p == App && strings.Contains(u.Scheme, ".")
}

func loopback(host string) bool { return host == "127.0.0.1" || host == "::1" || host == "localhost" }

// BlockClient stops a client at its next request, in every process: the state is read by each operation. Its keys stay. Doing it
// again changes nothing, as for all endings of the directory.
func (d *Directory) BlockClient(ctx context.Context, client string) error {
	return d.setState(ctx, client, stateActive, stateBlocked)
}

// UnblockClient lets a blocked client work again, with the keys that are still active.
func (d *Directory) UnblockClient(ctx context.Context, client string) error {
	return d.setState(ctx, client, stateBlocked, stateActive)
}

func (d *Directory) setState(ctx context.Context, client, from, to string) error {
	err := pg.InTx(ctx, d.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlLockClient, client)
		if err != nil {
			return err
		}
		row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[clientRow])
		if err != nil {
			return absentRow(err)
		}
		if err := row.verify(d.deployment); err != nil {
			return err
		}
		switch row.State {
		case to:
			return nil
		case from:
		default:
			return ErrNotRegistered
		}
		row.State = to
		tag, err := tx.Exec(ctx, sqlSetClientState, client, to, d.deployment.MAC("clients", row.columns()))
		return one(tag.RowsAffected(), err)
	})
	if err != nil {
		return fmt.Errorf("client %q to %s: %w", client, to, err)
	}
	return nil
}

// States of clients, keys and mandates.
const (
	stateActive  = "active"
	stateBlocked = "blocked"
	stateEnded   = "ended"
)

// insert runs one insert of the directory and sorts its errors.
func (d *Directory) insert(ctx context.Context, what, id, sql string, args ...any) error {
	tag, err := d.pool.Exec(ctx, sql, args...)
	if err := one(tag.RowsAffected(), refusedInsert(err)); err != nil {
		return fmt.Errorf("add %s %q: %w", what, id, err)
	}
	return nil
}

// refusedInsert sorts what the database says to a row of the directory.
func refusedInsert(err error) error {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return err
	}
	switch said.Code {
	case pgerrcode.UniqueViolation:
		return ErrRegistered
	case pgerrcode.ForeignKeyViolation:
		return ErrNotRegistered
	}
	return pg.Classify(err)
}

// one demands that exactly one row was written.
func one(affected int64, err error) error {
	if err == nil && affected != 1 {
		return ErrNotRegistered
	}
	return err
}

// absentRow turns pgx's word for no row into the package's.
func absentRow(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotRegistered
	}
	return err
}

// plainID accepts 2 to 64 lower-case letters, digits, dots, hyphens and underscores; the ends are letters or digits.
func plainID(s string) bool {
	const ends = "abcdefghijklmnopqrstuvwxyz0123456789"
	return len(s) >= 2 && len(s) <= 64 && strings.Trim(s, ends+"._-") == "" &&
		strings.ContainsRune(ends, rune(s[0])) && strings.ContainsRune(ends, rune(s[len(s)-1]))
}

// title accepts a line of at most 200 characters that is shown to people.
func title(s string) bool {
	return printable(s, 800) && utf8.RuneCountInString(s) <= 200 && strings.TrimSpace(s) == s
}

// printable accepts 1 to limit bytes of UTF-8 without control characters.
func printable(s string, limit int) bool {
	return s != "" && len(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// code accepts an opaque id as others assign it: visible ASCII without spaces, and never a personal number.
func code(s string) bool {
	visible := func(r rune) bool { return r > ' ' && r <= '~' }
	if s == "" || len(s) > 128 || strings.ContainsFunc(s, func(r rune) bool { return !visible(r) }) {
		return false
	}
	_, err := identity.ParsePersonalNumber(s)
	return err != nil
}

func distinct(list []string) bool {
	sorted := slices.Sorted(slices.Values(list))
	return len(slices.Compact(sorted)) == len(list)
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
