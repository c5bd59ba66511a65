package auth

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// Verdict is what an attempt led to.
type Verdict int

const (
	// Accepted: the sign-in moved on.
	Accepted Verdict = iota + 1
	// Malformed: what was typed cannot be a number, a passphrase or a code; nothing was tried.
	Malformed
	// Wrong: no such number, no passphrase, or another one; not the code, or one that was used; not a passkey of theirs: one answer each.
	Wrong
	// AccountClosed: what was shown is right and the account is blocked, reported dead or joined into another.
	AccountClosed
	// NoAccount: what was shown is right and the account has no level with which to sign in.
	NoAccount
	// NeedsLevel: level 2 was asked for and the account has level 1: a counter raises it.
	NeedsLevel
	// NeedsWay: level 2 was asked for and the account has nothing beside its passphrase.
	NeedsWay
)

// reasons are the codes under which refused attempts are recorded; what was wrong is named by its way.
var reasons = map[Verdict]string{AccountClosed: codePersonBlocked, NoAccount: codeLevel, NeedsLevel: codeLevel, NeedsWay: "no_second_factor"}

// reasonAsked is recorded when a second factor was asked for and has not been shown yet.
const reasonAsked = "confirmation_asked"

// candidate is whom a number or a key leads to: perhaps nobody.
type candidate struct {
	vault    identity.VaultID
	keys     *seal.Keys
	standing *person.Standing
	level    int
	held     *credentials
}

func (c *candidate) passphrase() *credentialRow { return c.held.passphrase() }

// hash is what is compared with.
func (c *candidate) hash(s *Server) string {
	if row := c.passphrase(); row != nil {
		return row.Secret
	}
	return s.people.hasher.dummy
}

// candidate reads a person for a sign-in. Nobody has a vault too: the statements are the same.
func (s *Server) candidate(ctx context.Context, vault identity.VaultID) (*candidate, error) {
	c := &candidate{vault: vault}
	b := new(pgx.Batch)
	c.standing = person.QueueStanding(b, vault)
	reading := s.people.registry.QueueProfile(b, vault)
	c.held = queueCredentials(b, vault)
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return nil, fmt.Errorf("sign-in: %w", err)
	}
	if c.standing.Kind == "" {
		c.keys = s.people.decoy
		return c, nil
	}
	var err error
	if c.keys, err = s.people.vaults.OpenOne(ctx, s.pool, vault); err != nil {
		return nil, fmt.Errorf("sign-in: %w", err)
	}
	// The level is believed only as it stands inside the seal.
	profile, err := reading.Result(c.keys)
	if err != nil {
		return nil, fmt.Errorf("sign-in: %w", err)
	}
	if err := c.held.verify(s.deployment); err != nil {
		return nil, fmt.Errorf("sign-in: %w", err)
	}
	c.level = profile.Level
	return c, nil
}

// judge says what it leads to that everything shown was right.
func (x *SignIn) judge(who *candidate) Verdict {
	r := x.row.Request
	switch {
	case !who.standing.MaySignIn():
		return AccountClosed
	case who.level < 1:
		return NoAccount
	case r.Level == 2 && who.level < 2 && r.Least == 2:
		return NeedsLevel
	}
	return Accepted
}

// conclusion is what came of an attempt.
type conclusion struct {
	who     *candidate
	verdict Verdict
	way     Way // that was tried
	charged *charges
	to      *signInRow               // where the sign-in moves; nil: it stays
	also    func(b *pgx.Batch) error // what is used up with it; nil: nothing
}

// conclude writes it down: a move, what was used up and the charges given back, or the record of a refusal.
func (x *SignIn) conclude(ctx context.Context, c conclusion) error {
	s := x.server
	b := new(pgx.Batch)
	if c.verdict != Wrong && c.charged != nil {
		c.charged.queueRefund(b)
	}
	if c.to != nil {
		x.queueMove(b, c.to)
	}
	if c.verdict != Accepted {
		actor, reason := audit.Actor{Client: x.client.ID}, reasons[c.verdict]
		if c.verdict == Wrong {
			reason = string(c.way)
		} else {
			actor.Vault = c.who.vault
		}
		row, err := s.people.audit.Row(c.who.keys, audit.Entry{
			Vault: c.who.keys.Vault(), Kind: audit.SignIn, Actor: actor, Outcome: audit.Refused, Reason: reason,
		}, s.calendar())
		if err != nil {
			return err
		}
		row.QueueIf(b, condKnown, c.who.vault)
	} else if c.also != nil {
		if err := c.also(b); err != nil {
			return err
		}
	}
	if c.verdict == Accepted && c.to.Step != StepDone {
		// Whoever got this far knows the passphrase; that stays visible also when nothing more is shown.
		if _, err := s.people.audit.Queue(b, c.who.keys, audit.Entry{
			Vault: c.who.vault, Kind: audit.SignIn, Actor: audit.Actor{Client: x.client.ID}, Outcome: audit.Failed, Reason: reasonAsked,
		}, s.calendar()); err != nil {
			return err
		}
	}
	if err := x.send(ctx, b); err != nil {
		return err
	}
	if c.to != nil {
		x.row = *c.to
	}
	return nil
}

// condKnown keeps the record of an attempt on nobody from being written: the statement is sent all the same.
const condKnown = `exists (select from people where vault_id = $1)`
