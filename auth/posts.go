package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// Post is the office that a person with an account holds at an organisation (chức vụ của cán bộ, công chức). Who holds one and signs in at a
// client of the organisation acts there under their own name (exchange.go).
type Post struct {
	Organisation string
	Officer      string // opaque and stable within the organisation; never given to another person
	Vault        identity.VaultID
	Title        string // chức vụ, as free text
	Unit         string
	From, Until  time.Time
}

// postRow is a row of officers. Its MAC covers what it grants to whom, and the sealed name with it.
type postRow struct {
	ID           identity.ObjectID `json:"post_id"`
	Organisation string            `json:"organisation_id"`
	Officer      string            `json:"officer_id"`
	Vault        identity.VaultID  `json:"vault_id"`
	Sealed       []byte            `json:"sealed"`
	State        string            `json:"state"`
	From         time.Time         `json:"valid_from"`
	Until        time.Time         `json:"valid_until"`
	MAC          []byte            `json:"mac"`

	shown audit.Officer
}

// sealedPost is what a row of officers says in words. The name is that of the person's profile on the day of the appointment.
type sealedPost struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Unit  string `json:"unit"`
}

const (
	// sqlOfficerTaken: an id that once named somebody never names another. $2 officer, $3 vault.
	sqlOfficerTaken = `select exists (select from officers where organisation_id = $1 and officer_id = $2 and vault_id <> $3)`

	sqlInsertOfficer = `
insert into officers (post_id, organisation_id, officer_id, vault_id, sealed, state, valid_from, valid_until, created_at, mac)
values ($1, $2, $3, $4, $5, 'active', $6, $7, $8, $9)`

	sqlOfficer = `
select post_id, organisation_id, officer_id, vault_id, sealed, state, valid_from, valid_until, mac
from officers where organisation_id = $1 and vault_id = $2 and state = 'active'`

	sqlOfficerPost = `
select post_id, organisation_id, officer_id, vault_id, sealed, state, valid_from, valid_until, mac
from officers where post_id = $1`

	sqlLockOfficer = `
select post_id, organisation_id, officer_id, vault_id, sealed, state, valid_from, valid_until, mac
from officers where organisation_id = $1 and officer_id = $2 and state = 'active' for update`

	sqlEndOfficer = `update officers set state = 'ended', ended_at = $2, mac = $3 where post_id = $1 and state = 'active'`
)

func (r *postRow) columns() *seal.Columns {
	return new(seal.Columns).UUID(r.ID.Bytes()).Text(r.Organisation).Text(r.Officer).UUID(r.Vault.Bytes()).Bytes(r.Sealed).Text(r.State).
		Time(r.From).Time(r.Until)
}

func (r *postRow) into() []any {
	return []any{&r.ID, &r.Organisation, &r.Officer, &r.Vault, &r.Sealed, &r.State, &r.From, &r.Until, &r.MAC}
}

func postPlace(id identity.ObjectID) seal.Place {
	return seal.Place{Table: "officers", Column: "sealed", Object: id.Bytes()}
}

// open verifies the row and reads what it says in words.
func (r *postRow) open(d *seal.Deployment) error {
	if err := d.VerifyMAC("officers", r.columns(), r.MAC); err != nil {
		return fmt.Errorf("post %s: %w", r.ID, err)
	}
	plain, err := d.OpenMessage(seal.Waiting, postPlace(r.ID), r.Sealed)
	if err != nil {
		return fmt.Errorf("post %s: %w", r.ID, err)
	}
	var said sealedPost
	if json.Unmarshal(plain, &said) != nil {
		return fmt.Errorf("post %s: %w", r.ID, seal.ErrSealed)
	}
	name, err := identity.ParseName(said.Name)
	if err != nil {
		return fmt.Errorf("post %s: %w", r.ID, seal.ErrSealed)
	}
	r.shown = audit.Officer{
		ID: r.Officer, Name: name, Post: said.Title, Organisation: r.Organisation, Unit: said.Unit, Assurance: audit.SignedIn,
	}
	return nil
}

// holds reports whether the post is held at a day.
func (r *postRow) holds(at time.Time) bool {
	return r.State == stateActive && !at.Before(r.From) && at.Before(r.Until)
}

func (p Post) check() error {
	if !plainID(p.Organisation) || !code(p.Officer) || p.Vault.IsZero() || !title(p.Title) || !code(p.Unit) || !p.From.Before(p.Until) {
		return fmt.Errorf("organisation, officer, post, unit or dates: %w", ErrRegistration)
	}
	return nil
}

// Appoint registers that a person holds a post. The name is that of their account, which has level 2; the record of the person says who
// registered it. g decides whether by may.
//
// Errors: [ErrRegistration]; [ErrRegistered] for an officer id or a person with a post at the organisation, or an id that was another
// person's; [ErrNotRegistered] for an unknown organisation; [ErrPersonBlocked]; [ErrLevel].
func (s *Server) Appoint(ctx context.Context, g pg.Guard, by audit.Actor, p Post) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("officer of organisation %q: %w", p.Organisation, err)
	}
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, p.Vault)
	if err != nil {
		return fmt.Errorf("officer of organisation %q: %w", p.Organisation, err)
	}
	now := s.calendar()
	var profile *person.ProfileReading
	taken := false
	err = pg.Exchange(ctx, s.pool,
		func(b *pgx.Batch) error {
			g.Queue(b)
			person.QueueGoodStanding(b, p.Vault)
			b.Queue(sqlLevelStands, p.Vault, 2)
			profile = s.people.registry.QueueProfile(b, p.Vault)
			b.Queue(sqlOfficerTaken, p.Organisation, p.Officer, p.Vault).QueryRow(func(row pgx.Row) error { return row.Scan(&taken) })
			return nil
		},
		func(b *pgx.Batch) error {
			if err := g.Check(); err != nil {
				return err
			}
			if taken {
				return ErrRegistered
			}
			of, err := profile.Result(keys)
			if err != nil {
				return err
			}
			row := postRow{
				ID: identity.NewID[identity.ObjectID](), Organisation: p.Organisation, Officer: p.Officer, Vault: p.Vault, State: stateActive,
				From: p.From, Until: p.Until,
			}
			plain, err := json.Marshal(sealedPost{of.Name.Reveal(), p.Title, p.Unit})
			if err != nil {
				return err
			}
			if row.Sealed, err = s.deployment.SealMessage(seal.Waiting, postPlace(row.ID), plain); err != nil {
				return err
			}
			b.Queue(sqlInsertOfficer, row.ID, row.Organisation, row.Officer, row.Vault, row.Sealed, row.From, row.Until, now,
				s.deployment.MAC("officers", row.columns()))
			_, err = s.people.audit.Queue(b, keys, audit.Entry{
				Vault: p.Vault, Kind: audit.OfficerAppointed, Organisation: p.Organisation, Actor: by,
			}, now)
			return err
		})
	if err != nil {
		return fmt.Errorf("officer of organisation %q: %w", p.Organisation, refusedPost(err))
	}
	return nil
}

// refusedPost sorts why an appointment was refused.
func refusedPost(err error) error {
	var taken *pg.Duplicate
	if errors.As(err, &taken) {
		return ErrRegistered
	}
	if pg.Refused(err) == codeLevel {
		return ErrLevel
	}
	return Refused(refusedInsert(err))
}

// Dismiss ends a post: tokens in which its officer acts end at the next request, in every process (O3). Ending it again changes nothing.
func (s *Server) Dismiss(ctx context.Context, g pg.Guard, by audit.Actor, organisation, officer string) error {
	now := s.calendar()
	vault, err := s.holderOf(ctx, organisation, officer)
	if err != nil {
		return fmt.Errorf("end a post at organisation %q: %w", organisation, pg.Classify(err))
	}
	if vault.IsZero() { // judged all the same
		b := new(pgx.Batch)
		g.Queue(b)
		if err := pg.Pipeline(ctx, s.pool, b); err != nil {
			return fmt.Errorf("end a post at organisation %q: %w", organisation, Refused(err))
		}
		return g.Check()
	}
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, vault)
	if err != nil {
		return fmt.Errorf("end a post at organisation %q: %w", organisation, err)
	}
	var found []postRow
	err = pg.Exchange(ctx, s.pool,
		func(b *pgx.Batch) error {
			g.Queue(b)
			queuePosts(b, &found, sqlLockOfficer, organisation, officer)
			return nil
		},
		func(b *pgx.Batch) error {
			if err := g.Check(); err != nil {
				return err
			}
			if len(found) != 1 || found[0].Vault != vault {
				return nil // somebody was faster
			}
			row := &found[0]
			if err := row.open(s.deployment); err != nil {
				return err
			}
			row.State = stateEnded
			b.Queue(sqlEndOfficer, row.ID, now, s.deployment.MAC("officers", row.columns()))
			_, err := s.people.audit.Queue(b, keys, audit.Entry{Vault: vault, Kind: audit.OfficerEnded, Organisation: organisation, Actor: by}, now)
			return err
		})
	if err != nil {
		return fmt.Errorf("end a post at organisation %q: %w", organisation, Refused(err))
	}
	return nil
}

// holderOf returns who holds a post; nobody for one that has ended or never was.
func (s *Server) holderOf(ctx context.Context, organisation, officer string) (identity.VaultID, error) {
	var found []postRow
	b := new(pgx.Batch)
	queuePosts(b, &found, sqlLockOfficer, organisation, officer)
	if err := pg.Pipeline(ctx, s.pool, b); err != nil || len(found) == 0 {
		return identity.VaultID{}, err
	}
	return found[0].Vault, nil
}

// queuePosts reads rows of officers in a batch; they are not yet believed.
func queuePosts(b *pgx.Batch, into *[]postRow, sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		*into = nil
		var r postRow
		_, err := pgx.ForEachRow(rows, r.into(), func() error {
			*into = append(*into, r)
			(*into)[len(*into)-1].Sealed, (*into)[len(*into)-1].MAC = slices.Clone(r.Sealed), slices.Clone(r.MAC)
			return nil
		})
		return err
	})
}
