package consent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/procedure"
)

var (
	// ErrRequest reports a request that is not one: an unknown procedure or role, a role given twice, terms out of bounds, nobody to ask.
	ErrRequest = errors.New("consent: not a request")
	// ErrIdempotency reports an idempotency key that was used for another request.
	ErrIdempotency = errors.New("consent: the idempotency key was used for another request")
	// ErrTooMany reports a person of whom the organisation has asked enough: [MaxOpen] requests are open.
	ErrTooMany = errors.New("consent: too many open requests")
)

// OutsideFields reports fields that the procedure does not use. The attempt is in the record of everybody it concerned.
type OutsideFields struct {
	Procedure string
	Fields    []string // as the organisation wrote them
}

// Error names the procedure alone: what a caller wrote as a field name is not for logs.
func (e *OutsideFields) Error() string {
	return fmt.Sprintf("consent: %d fields are not used by %s", len(e.Fields), e.Procedure)
}

// Format prints Error for every verb.
func (e *OutsideFields) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.Error()) }

// Bounds of requests.
const (
	// DefaultExpiry is how long people have to decide, unless the request says otherwise.
	DefaultExpiry = 72 * time.Hour
	// MaxExpiry is the longest they may have.
	MaxExpiry = 30 * 24 * time.Hour
	// MaxOpen is how many requests an organisation may have open with one person (R5: known or not).
	MaxOpen = 3
	// MaxUses is the largest number of uses.
	MaxUses = 100
	// DefaultTerm is how long a grant for once or some uses holds, unless the request says otherwise.
	DefaultTerm = 30 * 24 * time.Hour

	maxParties = 20
)

// maxTerm is the last moment a grant made from a request of now may hold: twelve months (R7).
func maxTerm(now time.Time) time.Time { return now.AddDate(1, 0, 0) }

// NewRequest is what an organisation asks for one run of a procedure.
type NewRequest struct {
	Organisation string
	Client       string
	Officer      audit.Officer
	Procedure    string   // catalogue id
	Dossier      string   // mã hồ sơ: 1 to 64 characters
	Parties      []Party  // everybody who has a role; who of them is asked follows from the fields
	Fields       []string // of the form; empty: everything that can be reused
	Mode         Mode     // empty: Once
	Uses         int      // with mode Uses: 1 to MaxUses
	Until        time.Time
	// Until is when a grant ends at the latest: required with mode Until, at most twelve months from now; zero: DefaultTerm.
	Purpose        string        // purpose code
	Expiry         time.Duration // zero: DefaultExpiry
	IdempotencyKey string        // 1 to 255 characters, the client's own
	Trace          string        // id of the HTTP request, for the record
}

// Party is one person of the dossier and the roles they have in it.
type Party struct {
	Roles []string
	Ref   PartyRef
}

// Create asks people for their facts. It returns the request's id, and whether it was made now: the same key and content again gives the first id.
// g is the guard of the client and of its mandate for organisation and procedure.
//
// What is answered does not depend on whether the people named exist, live, or have an account (R5): for a person nobody knows the same
// statements run with a stand-in. Three round trips: read, open keys, write.
//
// Errors: [ErrRequest], *[OutsideFields], [ErrTooMany], [ErrIdempotency]; *pg.Refusal "busy" while the same key is at work.
func (l *Ledger) Create(ctx context.Context, g pg.Guard, r NewRequest) (id identity.RequestID, created bool, err error) {
	now := l.now()
	key := l.idempotency(r) // of what was sent: a default that follows the clock would make a retry another request
	p, err := l.checkRequest(&r, now)
	if err != nil {
		return id, false, err
	}
	found, first, err := l.readParties(ctx, g, r, key)
	switch {
	case err != nil:
		return id, false, fmt.Errorf("ask for %s: %w", r.Procedure, err)
	case first != nil:
		id, err = key.answer(l, *first)
		return id, false, err
	}
	parties, err := mergeParties(p, r.Parties, found)
	if err != nil {
		return id, false, err
	}
	keys, err := l.keysOfParties(ctx, parties)
	if err != nil {
		return id, false, fmt.Errorf("ask for %s: %w", r.Procedure, err)
	}
	if outside := p.FieldsOutside(r.Fields); len(outside) > 0 {
		if err := l.recordOutside(ctx, r, parties, keys, outside, now); err != nil {
			return id, false, err
		}
		return id, false, &OutsideFields{Procedure: r.Procedure, Fields: outside}
	}
	c, err := newContent(p, r, parties, now)
	if err != nil {
		return id, false, err
	}
	err = l.insertRequest(ctx, c, key, keys, r.Trace)
	if refused := new(pg.Duplicate); errors.As(err, &refused) && refused.Constraint == "idempotency_pkey" {
		// Somebody was faster with the same key.
		_, first, err := l.readParties(ctx, pg.All(), NewRequest{Organisation: r.Organisation}, key)
		if err != nil || first == nil {
			return id, false, errors.Join(err, pg.ErrOutcomeUnknown)
		}
		id, err = key.answer(l, *first)
		return id, false, err
	}
	if pg.Refused(err) == "too_many_open" {
		return id, false, ErrTooMany
	}
	if err != nil {
		return id, false, fmt.Errorf("ask for %s: %w", r.Procedure, err)
	}
	return c.ID, true, nil
}

// mergeParties joins entries that are one person, in the order of the request.
func mergeParties(p *procedure.Procedure, asked []Party, found []identity.VaultID) ([]party, error) {
	var parties []party
	for i, a := range asked {
		at := slices.IndexFunc(parties, func(q party) bool { return q.Vault == found[i] })
		if at < 0 {
			parties = append(parties, party{Vault: found[i]})
			at = len(parties) - 1
		}
		if !a.Ref.number.IsZero() {
			parties[at].Number = openNumber{a.Ref.number}
		}
		parties[at].Roles = append(parties[at].Roles, a.Roles...)
	}
	for i := range parties {
		parties[i].Roles = sortedSet(parties[i].Roles)
		parties[i].Fields = []string{}
	}
	if len(parties) == 0 {
		return nil, fmt.Errorf("%w: %s has no parties", ErrRequest, p.ID)
	}
	return parties, nil
}

// newContent fixes what the request asks of whom.
func newContent(p *procedure.Procedure, r NewRequest, parties []party, now time.Time) (*content, error) {
	filled := func(role string) bool {
		return slices.ContainsFunc(parties, func(q party) bool { return slices.Contains(q.Roles, role) })
	}
	wanted := r.Fields
	if len(wanted) == 0 {
		for _, f := range p.Fields {
			if len(f.Reuse) > 0 && len(p.NeededFrom([]string{f.Name}, filled)) > 0 {
				wanted = append(wanted, f.Name)
			}
		}
	}
	var fields []string // in the order of the form, each once
	for _, f := range p.Fields {
		if slices.Contains(wanted, f.Name) {
			fields = append(fields, f.Name)
		}
	}
	asked := false
	for _, need := range p.NeededFrom(fields, filled) {
		// Facts that a statute opens are not put to anybody, and not opened either until an operator has the legal opinion that the
		// catalogue asks for.
		if p.Basis.For(need.Role) != procedure.Consent {
			continue
		}
		for i := range parties {
			if slices.Contains(parties[i].Roles, need.Role) {
				parties[i].Fields = append(parties[i].Fields, need.Fields...)
				asked = true
			}
		}
	}
	if !asked {
		return nil, fmt.Errorf("%w: nobody has to be asked for these fields", ErrRequest)
	}
	for i := range parties {
		parties[i].Fields = inOrder(p, parties[i].Fields)
	}
	c := &content{
		Version: 1, ID: identity.NewID[identity.RequestID](), Nonce: make([]byte, 16), Organisation: r.Organisation, Client: r.Client,
		Officer: officer{ID: r.Officer.ID, Name: openName{r.Officer.Name}, Post: r.Officer.Post, Unit: r.Officer.Unit,
			Assurance: uint8(r.Officer.Assurance)},
		Procedure: p.ID, Dossier: r.Dossier, Purpose: r.Purpose, BasisRef: lawOfConsent, BasisArticle: articleOfConsent,
		Mode: r.Mode, Uses: r.Uses, Until: r.Until, Fields: fields, Parties: parties,
		Created: now, Expires: now.Add(r.Expiry).Truncate(time.Second),
	}
	if p.Basis.Kind == procedure.Consent {
		c.BasisRef, c.BasisArticle = p.Basis.Ref, p.Basis.Article
	}
	rand.Read(c.Nonce) // never fails
	return c, nil
}

// The ground on which people are asked in a procedure whose own basis, for others, is a statute: Law 91/2025 Art. 9.
const (
	lawOfConsent     = "91/2025/QH15"
	articleOfConsent = "Art. 9"
)

// inOrder returns the fields in the order of the form, each once.
func inOrder(p *procedure.Procedure, names []string) []string {
	list := []string{}
	for _, f := range p.Fields {
		if slices.Contains(names, f.Name) {
			list = append(list, f.Name)
		}
	}
	return list
}

// insertRequest writes the request down in one transaction: for the organisation, for each person asked, in their record, and what follows.
func (l *Ledger) insertRequest(ctx context.Context, c *content, key idempotencyKey, keys partyKeys, trace string) error {
	b := new(pgx.Batch)
	pg.TryLock(b, key.lock)
	if err := l.queueRequest(b, c); err != nil {
		return err
	}
	b.Queue(sqlInsertIdempotency, key.scope[:], key.hash[:], key.mac, reference{Request: c.ID}.raw(), c.Created)
	for _, p := range c.Parties {
		if len(p.Fields) == 0 {
			continue
		}
		err := keys.record(b, l, p.Vault, audit.Entry{
			Kind: audit.RequestReceived, Organisation: c.Organisation, Actor: c.asker(), Procedure: c.Procedure, Purpose: c.Purpose,
			Basis: c.basis(), Dossier: c.Dossier, Fields: p.Fields, Request: c.ID, RequestTrace: trace,
		}, c.Created)
		if err != nil {
			return err
		}
	}
	delivery.Queue(b, delivery.Task{Kind: TaskFollow, Organisation: c.Organisation, Args: reference{Request: c.ID, Tell: true}.raw()}, c.Created)
	delivery.Queue(b, delivery.Task{Kind: TaskFollow, Organisation: c.Organisation, Args: reference{Request: c.ID}.raw(), NotBefore: c.Expires}, c.Created)
	return pg.Pipeline(ctx, l.pool, b)
}

// asker is the organisation's client and officer, as the record names them.
func (c *content) asker() audit.Actor {
	return audit.Actor{Client: c.Client, Officer: c.Officer.of(c.Organisation)}
}

// basis is the ground as the record names it.
func (c *content) basis() string { return "consent: " + c.BasisRef + " " + c.BasisArticle }

// recordOutside records an attempt to ask for more than the procedure uses, in the vaults of the people it concerned.
func (l *Ledger) recordOutside(ctx context.Context, r NewRequest, parties []party, keys partyKeys, outside []string, now time.Time) error {
	var names []string // those that can be recorded: a name that is no name of a field may be anything
	for _, name := range outside {
		if isFieldName(name) && len(names) < 100 {
			names = append(names, name)
		}
	}
	b := new(pgx.Batch)
	for _, p := range parties {
		err := keys.record(b, l, p.Vault, audit.Entry{
			Kind: audit.AccessRefused, Organisation: r.Organisation, Actor: audit.Actor{Client: r.Client, Officer: r.Officer},
			Procedure: r.Procedure, Purpose: r.Purpose, Dossier: r.Dossier, Fields: names, Outcome: audit.Refused,
			Reason: "fields_outside_procedure", RequestTrace: r.Trace,
		}, now)
		if err != nil {
			return err
		}
	}
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return fmt.Errorf("record a refused request: %w", err)
	}
	return nil
}
