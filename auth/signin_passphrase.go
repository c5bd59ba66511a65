package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// Attempt is what a person typed, and from where.
type Attempt struct {
	Number     identity.Private // as typed
	Passphrase identity.Private // as typed
	Address    string           // of the browser, as far as it is known; never stored
	Browser    string           // the cookie of a known browser, or empty
}

// Verdict is what an attempt led to.
type Verdict int

const (
	// Accepted: the sign-in moved on.
	Accepted Verdict = iota + 1
	// Malformed: what was typed cannot be a number or a passphrase; nothing was tried.
	Malformed
	// Wrong: no such number, no passphrase, or another one: one answer, for the same work.
	Wrong
	// AccountClosed: the passphrase is right and the account is blocked, reported dead or joined into another.
	AccountClosed
	// NoAccount: the passphrase is right and the account has no level with which to sign in.
	NoAccount
	// NeedsLevel: level 2 was asked for and the account has level 1: a counter raises it.
	NeedsLevel
	// NeedsDevice: level 2 was asked for and the account has no registered device.
	NeedsDevice
)

// reasons are the codes under which refused attempts are recorded.
var reasons = map[Verdict]string{
	Wrong: "passphrase", AccountClosed: codePersonBlocked, NoAccount: codeLevel, NeedsLevel: codeLevel, NeedsDevice: "no_device",
}

// reasonAsked is recorded when a device was asked to confirm and has not answered yet.
const reasonAsked = "confirmation_asked"

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
	number, err := parseTyped(a.Number)
	typed, ok := typedPassphrase(a.Passphrase.Reveal())
	if err != nil || !ok {
		return Malformed, nil
	}
	account := s.account(number)
	charged, vault, err := s.find(ctx, s.lanes(account, x.client.ID, a.Address, s.openBrowser(a.Browser, account)), number)
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
	verdict := Wrong
	if right && who.passphrase != nil {
		verdict = x.judge(who)
	}
	return verdict, x.conclude(ctx, who, verdict, charged, account)
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

// candidate is whom a number leads to: perhaps nobody.
type candidate struct {
	vault      identity.VaultID
	keys       *seal.Keys
	standing   *person.Standing
	level      int
	passphrase *credentialRow
	devices    int
}

// hash is what is compared with.
func (c *candidate) hash(s *Server) string {
	if c.passphrase == nil {
		return s.people.hasher.dummy
	}
	return c.passphrase.Secret
}

func (s *Server) candidate(ctx context.Context, vault identity.VaultID) (*candidate, error) {
	c := &candidate{vault: vault}
	b := new(pgx.Batch)
	c.standing = person.QueueStanding(b, vault)
	reading := s.people.registry.QueueProfile(b, vault)
	held := queueCredentials(b, vault)
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
	if err := held.verify(s.deployment); err != nil {
		return nil, fmt.Errorf("sign-in: %w", err)
	}
	c.level, c.passphrase, c.devices = profile.Level, held.passphrase(), len(held.devices())
	return c, nil
}

// judge says what a right passphrase leads to.
func (x *SignIn) judge(who *candidate) Verdict {
	r := x.row.Request
	switch {
	case !who.standing.Good():
		return AccountClosed
	case who.level < 1:
		return NoAccount
	case r.Level == 2 && who.level < 2 && r.Least == 2:
		return NeedsLevel
	case r.Level == 2 && who.devices == 0 && r.Least == 2:
		return NeedsDevice
	}
	return Accepted
}

// conclude writes down what came of an attempt: a move and the charges given back, or the record of a refusal.
func (x *SignIn) conclude(ctx context.Context, who *candidate, verdict Verdict, charged *charges, account []byte) error {
	s := x.server
	b := new(pgx.Batch)
	if verdict != Wrong {
		charged.queueRefund(b)
	}
	if verdict != Accepted {
		actor := audit.Actor{Client: x.client.ID}
		if verdict != Wrong {
			actor.Vault = who.vault
		}
		row, err := s.people.audit.Row(who.keys, audit.Entry{
			Vault: who.keys.Vault(), Kind: audit.SignIn, Actor: actor, Outcome: audit.Refused, Reason: reasons[verdict],
		}, s.calendar())
		if err != nil {
			return err
		}
		row.QueueIf(b, condKnown, who.vault)
		return x.send(ctx, b)
	}
	to, err := x.next(who)
	if err != nil {
		return err
	}
	x.queueMove(b, &to)
	if to.Step == StepConfirm {
		// Whoever got this far knows the passphrase; that stays visible also when nobody confirms.
		if _, err := s.people.audit.Queue(b, who.keys, audit.Entry{
			Vault: who.vault, Kind: audit.SignIn, Actor: audit.Actor{Client: x.client.ID}, Outcome: audit.Failed, Reason: reasonAsked,
		}, s.calendar()); err != nil {
			return err
		}
	}
	if err := x.send(ctx, b); err != nil {
		return err
	}
	x.row = to
	x.browser = s.knownBrowser(account)
	return nil
}

// Browser returns the cookie by which the browser is known from now on, after a right passphrase.
func (x *SignIn) Browser() string { return x.browser }

// condKnown keeps the record of an attempt on nobody from being written: the statement is sent all the same.
const condKnown = `exists (select from people where vault_id = $1)`

// next is the row after a right passphrase.
func (x *SignIn) next(who *candidate) (signInRow, error) {
	to := x.row
	to.Vault, to.AMR = who.vault, []string{MethodPassphrase}
	if x.row.Request.Level == 2 && who.level >= 2 && who.devices > 0 {
		n, err := rand.Int(rand.Reader, big.NewInt(90))
		if err != nil {
			return to, fmt.Errorf("draw a number: %w", err)
		}
		number := int16(10 + n.Int64())
		to.Step, to.Challenge, to.Number = StepConfirm, identity.NewID[identity.ObjectID](), &number
		return to, nil
	}
	to.Step, to.Level = StepDone, 1
	return to, nil
}

// A known browser is named by a cookie that seals for which account it is known. It lets nobody in: it chooses the lane in which failures
// are counted.
const (
	browserSector = "auth"
	browserKind   = "browser"
	browserID     = 16
	// BrowserLife is how long a browser stays known.
	BrowserLife = 180 * 24 * time.Hour
)

// knownBrowser makes the cookie value for a browser in which somebody has just signed in; an older one of the same account stays.
func (s *Server) knownBrowser(account []byte) string {
	var id [browserID]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return s.deployment.Ref(browserSector, browserKind, append(append([]byte(nil), account...), id[:]...))
}

// openBrowser returns the id of a browser that is known for the account, else nil.
func (s *Server) openBrowser(cookie string, account []byte) []byte {
	if cookie == "" || len(cookie) > 200 {
		return nil
	}
	raw, err := s.deployment.OpenRef(browserSector, browserKind, cookie)
	if err != nil || len(raw) != len(account)+browserID || string(raw[:len(account)]) != string(account) {
		return nil
	}
	return raw[len(account):]
}
