package consent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/procedure"
)

var (
	// ErrAlreadyDecided reports a decision after another one; the first stands (R6).
	ErrAlreadyDecided = errors.New("consent: decided already")
	// ErrExpired reports a request whose time is over, or a grant past its last moment.
	ErrExpired = errors.New("consent: the time is over")
	// ErrRepresentative reports a child who decides alone: a representative has to.
	ErrRepresentative = errors.New("consent: a representative has to decide")
)

// Decision is what somebody decides on a request.
type Decision struct {
	Request  identity.RequestID
	Allow    bool
	Fields   []string // with Allow: some of View.Fields, at least one
	Language string   // in which the text was read
	Mode     Mode     // empty: the request's
	Uses     int      // with mode Uses; zero: the request's
	Until    time.Time
	// Until is when the grant ends; zero: the request's. Whole seconds.
	Pinned   []DocRevision    // with mode Once: what the person saw and allows to be opened
	Replaces identity.GrantID // a grant to the same organisation that ends with this one
	// Signature is the JWS of a [Decided] by the actor's device; empty: unsigned, for a once-grant of what is not sensitive.
	Signature string
	Trace     string // id of the HTTP request, for the record
}

// VerifyDecision checks a JWS of type [DecisionType] against the device keys of the actor and returns its payload and the key.
type VerifyDecision func(ctx context.Context, jws string) (payload []byte, credential identity.CredentialID, err error)

// Answer is what became of a decision.
type Answer struct {
	Grant    Grant  // zero when denied, or while another person has to agree too
	Allowed  bool   // what this actor decided
	Complete bool   // nobody else has to decide for this person
	Receipt  string // signed; the first one when the decision is repeated
	Repeated bool
}

// maxRaces bounds how often a decision reads again because another one was faster.
const maxRaces = 5

// Decide writes a person's decision down, once (R6): of the person, or of somebody in a relation that stands. A child's representative decides;
// from the age of seven the child decides too, when it has an account. verify is only called for a signed decision. Two round trips.
//
// Errors: [ErrNotFound], [ErrExpired], [ErrAlreadyDecided], [ErrRepresentative], [ErrDecision], [ErrSignatureRequired], those of verify.
func (l *Ledger) Decide(ctx context.Context, g pg.Guard, who Acting, in Decision, verify VerifyDecision) (Answer, error) {
	for range maxRaces {
		answer, err := l.decideOnce(ctx, g, who, in, verify)
		if code := pg.Refused(err); code != codeDecisionChanged && code != codeGrantChanged {
			if err != nil {
				err = fmt.Errorf("decide on request %s: %w", in.Request, refusal(err))
			}
			return answer, err
		}
		g = pg.All() // it has been asked
	}
	return Answer{}, fmt.Errorf("decide on request %s: %w", in.Request, pg.ErrBusy)
}

const codeDecisionChanged = "decision_changed"

// sqlStillAsked holds while the request is as it was read: open, and with so many decisions on this grant.
const sqlStillAsked = `
select vidan_require(exists (select 1 from request_parties where vault_id = $1 and request_id = $2 and state = 'asked' and expires_at > $3)
  and (select count(*) from grant_events where vault_id = $1 and grant_id = $4 and kind in ('granted', 'denied')) = $5, 'decision_changed')`

const sqlInsertGrant = `
insert into grants (vault_id, grant_id, request_id, organisation_id, client_id, mode, state, uses_left, valid_from, valid_until,
  pinned_documents, pinned_revisions, version, sealed, mac, changed_at)
values ($1, $2, $3, $4, $5, $6, 'active', $7, $8, $9, $10, $11, $12, $13, $14, $8)`

const sqlPartyDecided = `
update request_parties set state = $3, decided_at = $4 where vault_id = $1 and request_id = $2 and state = 'asked'`

// decisionAtWork is one decision on its way from what was read to what is written.
type decisionAtWork struct {
	in        Decision
	desk      *desk
	view      View
	content   *content
	deciders  deciders
	procedure *procedure.Procedure
	old       *replaced
	decided   Decided
	until     time.Time
	now       time.Time
}

func (l *Ledger) decideOnce(ctx context.Context, g pg.Guard, who Acting, in Decision, verify VerifyDecision) (Answer, error) {
	b := new(pgx.Batch)
	w := &decisionAtWork{in: in, now: l.now(), desk: l.queueDesk(b, g, who, in.Request)}
	w.old = queueReplaced(b, w.desk, in.Replaces)
	if err := l.sit(ctx, b, g, w.desk); err != nil {
		return Answer{}, err
	}
	var err error
	if w.view, w.content, err = l.view(w.desk, w.now); err != nil {
		return Answer{}, err
	}
	if w.deciders, err = l.deciders(w.desk, w.now); err != nil {
		return Answer{}, err
	}
	w.procedure, _ = l.catalogue.Procedure(w.content.Procedure) // view looked it up
	if err := w.fit(l); err != nil {
		return Answer{}, err
	}
	if answer, done, err := w.before(l); done || err != nil {
		return answer, err
	}
	if err := w.old.open(l, w.content.Organisation, w.now); err != nil {
		return Answer{}, err
	}
	credential, err := w.signature(ctx, verify)
	if err != nil {
		return Answer{}, err
	}
	return l.write(ctx, w, credential)
}

// fit checks that the decision is one on this request, and writes it as the canonical object.
func (w *decisionAtWork) fit(l *Ledger) error {
	v, in := &w.view, &w.in
	text, ok := v.Texts[in.Language]
	if !ok {
		return fmt.Errorf("%w: language", ErrDecision)
	}
	d := Decided{
		Version: 1, Person: v.Person, Authority: v.Authority, RequestDigest: v.Digest, TextSHA256: encode64(text.SHA256[:]),
		Language: in.Language, Decision: deny, Nonce: v.Nonce, Expires: stamp(v.Expires),
	}
	if in.Allow {
		d.Decision = allow
		if err := w.terms(l, &d); err != nil {
			return err
		}
	} else if len(in.Fields)+len(in.Pinned) > 0 || in.Mode != "" || in.Uses != 0 || !in.Until.IsZero() || !in.Replaces.IsZero() {
		return fmt.Errorf("%w: a no has no terms", ErrDecision)
	}
	w.decided = d.normal()
	return nil
}

// terms checks what a yes allows: never more than was asked.
func (w *decisionAtWork) terms(l *Ledger, d *Decided) error {
	v, in := &w.view, &w.in
	if in.Mode == "" {
		in.Mode = v.Mode
	}
	if in.Mode == Uses && in.Uses == 0 && v.Mode == Uses {
		in.Uses = v.Uses
	}
	w.until = v.Until
	if !in.Until.IsZero() {
		w.until = in.Until.UTC()
	}
	narrower := in.Mode == v.Mode || in.Mode == Once || in.Mode == Uses && v.Mode == Until
	switch {
	case len(in.Fields) == 0:
		return fmt.Errorf("%w: a yes names at least one field", ErrDecision)
	case slices.ContainsFunc(in.Fields, func(f string) bool {
		return !slices.ContainsFunc(v.Fields, func(asked Field) bool { return asked.Name == f })
	}):
		return fmt.Errorf("%w: a field was not asked for", ErrDecision)
	case !in.Mode.Valid() || !narrower || (in.Mode == Uses) != (in.Uses > 0) || in.Mode == Uses && v.Mode == Uses && in.Uses > v.Uses || in.Uses > MaxUses:
		return fmt.Errorf("%w: mode and uses", ErrDecision)
	case !w.until.After(w.now) || w.until.After(v.Until) || !w.until.Equal(w.until.Truncate(time.Second)):
		return fmt.Errorf("%w: until", ErrDecision)
	case in.Mode != Once && len(in.Pinned) > 0:
		return fmt.Errorf("%w: only a once-grant has pinned papers", ErrDecision)
	}
	for _, p := range in.Pinned {
		if p.Document.IsZero() || p.Revision < 1 {
			return fmt.Errorf("%w: pinned papers", ErrDecision)
		}
		d.Pinned = append(d.Pinned, Pin{Document: ref(l, w.desk.who.Sector, "document", p.Document), Revision: p.Revision})
	}
	d.Fields, d.Mode, d.Uses, d.Until = in.Fields, in.Mode, in.Uses, stamp(w.until)
	if !in.Replaces.IsZero() {
		d.Replaces = ref(l, w.desk.who.Sector, "grant", in.Replaces)
	}
	return nil
}

// before answers a decision that was made before, or cannot be made any more.
func (w *decisionAtWork) before(l *Ledger) (Answer, bool, error) {
	self := w.desk.who.Self()
	for i := range w.desk.events {
		e := &w.desk.events[i]
		if e.body.bySelf() != self || e.body.Decided == nil {
			continue
		}
		if e.body.Actor == w.desk.who.Actor && e.body.Decided.equal(w.decided) {
			return w.repeat(l, e), true, nil
		}
		return Answer{}, true, ErrAlreadyDecided
	}
	switch {
	case w.view.State == Lapsed:
		return Answer{}, true, ErrExpired
	case w.view.State != Asked:
		return Answer{}, true, ErrAlreadyDecided
	case !w.deciders.mayDecide:
		return Answer{}, true, ErrRepresentative
	}
	return Answer{}, false, nil
}

// repeat is the first answer again: the same receipt, byte for byte.
func (w *decisionAtWork) repeat(l *Ledger, e *event) Answer {
	a := Answer{Allowed: e.kind == EventGranted, Complete: w.view.State != Asked, Receipt: e.receipt, Repeated: true}
	if e.body.Head != nil {
		row := e.row()
		a.Grant = row.grant(w.now)
	}
	return a
}

// signature verifies a signed decision, and holds unsigned ones to what may be decided without a device.
func (w *decisionAtWork) signature(ctx context.Context, verify VerifyDecision) (identity.CredentialID, error) {
	if w.in.Signature != "" {
		if verify == nil {
			return identity.CredentialID{}, fmt.Errorf("%w: nobody verifies signatures here", ErrDecision)
		}
		payload, credential, err := verify(ctx, w.in.Signature)
		if err != nil {
			return credential, err
		}
		signed, err := ParseDecided(payload)
		if err != nil {
			return credential, err
		}
		if !signed.equal(w.decided) {
			return credential, fmt.Errorf("%w: what was signed is something else", ErrDecision)
		}
		return credential, nil
	}
	if !w.in.Allow {
		return identity.CredentialID{}, nil
	}
	sensitive := slices.ContainsFunc(w.view.Fields, func(f Field) bool { return f.Sensitive && slices.Contains(w.in.Fields, f.Name) })
	if w.in.Mode != Once || sensitive {
		return identity.CredentialID{}, ErrSignatureRequired
	}
	return identity.CredentialID{}, nil
}

// write puts the decision, its receipt, the grant if it is complete, and what follows, into one transaction of the person's vault.
func (l *Ledger) write(ctx context.Context, w *decisionAtWork, credential identity.CredentialID) (Answer, error) {
	d, who := w.desk, w.desk.who
	e := event{
		vault: who.Vault, grant: grantID(who.Vault, w.in.Request), id: identity.NewID[identity.ObjectID](), kind: EventDenied, at: w.now,
		body: eventBody{
			Actor: who.Actor, Relation: who.Relation, Decided: &w.decided, Signature: w.in.Signature,
			Credential: credential, NoAccount: w.deciders.noAccount, Pinned: w.in.Pinned,
		},
	}
	answer := Answer{Allowed: w.in.Allow, Complete: true}
	var grant *grantRow
	if w.in.Allow {
		e.kind = EventGranted
		if answer.Complete = !w.deciders.both() || len(d.events) > 0; answer.Complete {
			grant = w.grant()
		}
	}
	b := new(pgx.Batch)
	b.Queue(sqlLockVault, who.Vault)
	who.Guard().Queue(b)
	b.Queue(sqlStillAsked, who.Vault, w.in.Request, w.now, e.grant, len(d.events))
	party := Denied
	if grant != nil && len(grant.body.Fields) > 0 {
		party = Allowed
		if w.in.Mode != Once { // whoever took over an account gives nothing away that lasts
			person.QueueNotRecovering(b, who.Actor, w.now)
		}
		if err := l.closeGrant(d.keys, grant); err != nil {
			return Answer{}, err
		}
		e.body.Head, e.body.Version = grant.head(), grant.version
		b.Queue(sqlInsertGrant, grant.vault, grant.id, grant.request, grant.organisation, grant.client, string(grant.mode), grant.usesLeft,
			grant.from, grant.until, grant.documents, grant.revisions, grant.version, grant.sealed, grant.mac)
		answer.Grant = grant.grant(w.now)
		if err := w.old.queueEnd(b, l, w.now); err != nil {
			return Answer{}, err
		}
	}
	var err error
	if e.receipt, err = l.receipt(w.claims(l, &e, grant, answer.Complete)); err != nil {
		return Answer{}, err
	}
	if err := e.queue(b, d.keys); err != nil {
		return Answer{}, err
	}
	if answer.Complete {
		b.Queue(sqlPartyDecided, who.Vault, w.in.Request, string(party), w.now)
		delivery.Queue(b, delivery.Task{Kind: TaskFollow, Organisation: w.content.Organisation, Args: reference{Request: w.in.Request}.raw()}, w.now)
	}
	if err := l.recordDecision(b, w, &e); err != nil {
		return Answer{}, err
	}
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return Answer{}, err
	}
	answer.Receipt = e.receipt
	return answer, nil
}

// recordDecision records it in the person's record; the organisation is in clear there, so that an incident finds what it was allowed.
func (l *Ledger) recordDecision(b *pgx.Batch, w *decisionAtWork, e *event) error {
	entry := audit.Entry{
		Vault: e.vault, Kind: audit.Decision, Actor: w.desk.who.actor(), Procedure: w.content.Procedure, Purpose: w.content.Purpose,
		Basis: w.content.basis(), Dossier: w.content.Dossier, Fields: w.decided.Fields, Request: w.in.Request, Grant: e.grant, RequestTrace: w.in.Trace,
	}
	if e.kind == EventDenied {
		entry.Outcome = audit.Refused
	}
	if w.deciders.noAccount {
		entry.Reason = "child_without_account"
	}
	_, err := l.audit.Queue(b, w.desk.keys, entry, w.now)
	return err
}
