package auth

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// Attempt is what a person typed, and from where.
type Attempt struct {
	Number     identity.Private // as typed
	Passphrase identity.Private // as typed
	Address    string           // of the browser, as far as it is known; never stored
	Browser    string           // the cookie of a known browser, or empty
}

// parseTyped reads a number as people type it, with spaces or dots between its groups.
func parseTyped(number identity.Private) (identity.PersonalNumber, error) {
	return identity.ParsePersonalNumber(strings.NewReplacer(" ", "", ".", "", "\u00a0", "").Replace(strings.TrimSpace(number.Reveal())))
}

// Passphrase tries a number and a passphrase. Whether the number is nobody's, or the passphrase another, the same statements
// are sent, one argon2id is computed, and the same is answered; an attempt on somebody is recorded. The one thing that differs is
// the unwrapping of a vault's keys that this process has not used for a quarter of an hour: some 0.3 ms beside 25.
//
// Errors: [ErrMoved], [ErrBusy], [*Throttled], those of the database.
func (x *SignIn) Passphrase(ctx context.Context, a Attempt) (Verdict, error) {
	s := x.server
	if x.row.Step != StepPassphrase {
		return 0, ErrMoved
	}
	number, err := parseTyped(x.expected(a.Number))
	typed, ok := typedPassphrase(a.Passphrase.Reveal())
	if err != nil || !ok {
		return Malformed, nil
	}
	account := s.account(number)
	charged, vault, err := s.find(ctx, s.lanes(account, x.client.ID, a.Address, s.browserOf(browserKind, a.Browser, account)), number)
	if err != nil {
		return 0, err
	}
	who, err := s.candidate(ctx, vault)
	if err != nil {
		return 0, err
	}
	right, err := s.people.hasher.matches(ctx, who.hash(s), typed)
	if err != nil {
		return 0, err
	}
	c := conclusion{who: who, verdict: Wrong, way: WayPassphrase, charged: charged}
	if right && who.passphrase() != nil {
		c.verdict = x.judge(who)
	}
	if c.verdict == Accepted {
		if c.to, err = x.afterPassphrase(who); err != nil {
			return 0, err
		}
		if c.to == nil {
			c.verdict = NeedsWay
		}
	}
	if err := x.conclude(ctx, c); err != nil {
		return c.verdict, err
	}
	if c.verdict == Accepted {
		x.browser = s.sealBrowser(browserKind, account)
	}
	return c.verdict, nil
}

// find charges the lanes and looks the number up, in one round trip. Nobody has a vault too: a fresh id that stands nowhere.
func (s *Server) find(ctx context.Context, lanes []lane, number identity.PersonalNumber) (*charges, identity.VaultID, error) {
	now := s.now()
	b := new(pgx.Batch)
	charged := queueCharges(b, lanes, now)
	finding := s.people.registry.QueueFind(b, []person.Identifier{person.NumberIdentifier(number)})
	err := s.throttled(ctx, charged, pg.Pipeline(ctx, s.pool, b), now)
	if err != nil {
		return nil, identity.VaultID{}, fmt.Errorf("sign-in: %w", err)
	}
	found, err := finding.Result()
	if err != nil {
		return nil, identity.VaultID{}, fmt.Errorf("sign-in: %w", err)
	}
	vault := found[0].Vault
	if vault.IsZero() {
		vault = identity.NewVaultID()
	}
	return charged, vault, nil
}

// afterPassphrase is the row after a right passphrase; nil when level 2 is needed and nothing is there to reach it with.
func (x *SignIn) afterPassphrase(who *candidate) (*signInRow, error) {
	to := x.row
	to.Vault, to.AMR = who.vault, reach(who.level, WayPassphrase).amr
	ways := x.server.waysOf(who.held)
	switch r := x.row.Request; {
	case r.Level < 2 || who.level < 2 || len(ways) == 0 && r.Least < 2:
		to.Step, to.Level = StepDone, reach(who.level, WayPassphrase).level
		return &to, nil
	case len(ways) == 0:
		return nil, nil
	case len(ways) == 1:
		return &to, to.ask(ways[0])
	}
	to.Step = StepChoose
	return &to, nil
}
