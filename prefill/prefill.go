// Package prefill fills the form of a procedure from the papers that people allowed to be read, and shows them beforehand what the agency
// would get. It promises that every value in an answer was granted by a person whose fact it is, stands in the paper named as its source, and
// was recorded before it left.
//
// It knows forms and opens papers, so that neither consent nor wallet has to: permits come from consent, sealed papers from wallet, mappings from
// the catalogue. A release is one transaction of two round trips: {begin, lock grants, select papers} and {record, use, commit}.
//
//	L1  a value leaves only under a permit of the same transaction, for a field that somebody whose fact it is allowed
//	L2  what is missing without a grant is not_provided, whether refused, left out, unknown or never there
//	L3  the record and the use are committed before the answer exists outside (P7); a refused release is recorded too
//	L4  the same idempotency key is the same release: same revisions, nothing used up, refused after a withdrawal (P3, S2)
//	L5  values are never kept: a repeated answer is made again from the papers
//	L6  an address comes as issued and, where it can be told, in the units of today; what cannot be told is never guessed
//
// It decides nothing about who may ask or allow (auth, consent).
package prefill

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/procedure"
	"vidan/seal"
	"vidan/wallet"
)

// AnswerType is the typ of a signed answer.
const AnswerType = "vidan-prefill+jwt"

// ErrIdempotency reports a key that was used for another request.
var ErrIdempotency = errors.New("prefill: the idempotency key was used for another request")

// Sign signs the claims of an answer with the prefill key and returns a compact JWS of type [AnswerType].
type Sign func(claims []byte) (jws string, err error)

// Deps are what a filler stands on; all are needed.
type Deps struct {
	Pool       *pgxpool.Pool
	Deployment *seal.Deployment
	Vaults     *seal.Vaults
	Catalogue  *procedure.Catalogue
	Audit      *audit.Recorder
	People     *person.Registry
	Consent    *consent.Ledger
	Wallet     *wallet.Wallet
	Issuer     string
	Sign       Sign
	Now        func() time.Time
}

// Filler fills forms. It is safe for concurrent use and keeps no state.
type Filler struct{ Deps }

// New returns a filler.
func New(d Deps) (*Filler, error) {
	if d.Pool == nil || d.Deployment == nil || d.Vaults == nil || d.Catalogue == nil || d.Audit == nil || d.People == nil ||
		d.Consent == nil || d.Wallet == nil || d.Issuer == "" || d.Sign == nil || d.Now == nil {
		return nil, errors.New("prefill: a dependency is missing")
	}
	return &Filler{d}, nil
}

// Order is one organisation's wish to have a request's form filled.
type Order struct {
	Request        identity.RequestID
	Organisation   string
	Sector         string // in which papers and the release are named to it
	Client         string
	Officer        audit.Officer
	IdempotencyKey string // 1 to 255 characters, the client's own
	Trace          string
}

const (
	sqlOrder = `select request_sha256 from idempotency where scope = $1 and key_hash = $2`

	sqlInsertOrder = `insert into idempotency (scope, key_hash, request_sha256, reference, created_at) values ($1, $2, $3, $4, $5)`
)

// Statements returns the SQL of this package by name.
func Statements() map[string]string {
	return map[string]string{"prefill.sqlOrder": sqlOrder, "prefill.sqlInsertOrder": sqlInsertOrder}
}

// Fill redeems what was allowed and answers the form. g is the guard of the client and its mandate.
//
// Errors: [consent.ErrNotFound], [consent.ErrNotGranted], [consent.ErrWithdrawn], [consent.ErrConsumed], [consent.ErrExpired]; [ErrIdempotency];
// [audit.ErrRecord]; those of g, seal and pg. A refusal is recorded with everybody it concerns.
func (f *Filler) Fill(ctx context.Context, g pg.Guard, o Order) (Answer, error) {
	plan, err := f.Consent.PlanOf(ctx, f.Pool, o.Request)
	if err != nil {
		return Answer{}, err
	}
	r, err := f.open(ctx, plan, o)
	if err != nil {
		return Answer{}, err
	}
	err = pg.Exchange(ctx, f.Pool,
		func(b *pgx.Batch) error { r.ask(b, g); return nil },
		func(b *pgx.Batch) error {
			if err := g.Check(); err != nil {
				return err
			}
			return r.release(b)
		})
	if err != nil {
		return Answer{}, f.refused(ctx, r, fmt.Errorf("fill request %s: %w", o.Request, err))
	}
	return r.answer, nil
}

// release is one filling of a form under way.
type release struct {
	f                   *Filler
	order               Order
	plan                consent.Plan
	scope               wallet.Scope
	now                 time.Time
	scopeKey, key, body [32]byte

	known    []byte // request_sha256 under the key, nil for a new one
	redeem   *consent.Redemption
	papers   *wallet.Disclosed
	profiles map[identity.VaultID]*person.ProfileReading
	permit   consent.Permit
	answer   Answer
}

// open opens the keys of everybody in the dossier before the transaction begins.
func (f *Filler) open(ctx context.Context, plan consent.Plan, o Order) (*release, error) {
	scope, err := f.scope(ctx, plan)
	if err != nil {
		return nil, err
	}
	r := &release{f: f, order: o, plan: plan, scope: scope, now: f.Now().UTC()}
	r.scopeKey = sha256.Sum256([]byte("prefill\x00" + o.Client))
	r.key = sha256.Sum256([]byte(o.IdempotencyKey))
	r.body = sha256.Sum256([]byte(o.Organisation + "\x00" + o.Request.String()))
	return r, nil
}

// scope is what a reading for the plan may touch: the vaults of its people and those joined into them.
func (f *Filler) scope(ctx context.Context, plan consent.Plan) (wallet.Scope, error) {
	s := wallet.Scope{Plan: plan, Catalogue: f.Catalogue}
	var all []identity.VaultID
	for _, who := range plan.People() {
		vaults, err := f.People.VaultsOf(ctx, who)
		if err != nil {
			return s, err
		}
		for _, v := range vaults[1:] {
			if s.Joined == nil {
				s.Joined = map[identity.VaultID]identity.VaultID{}
			}
			s.Joined[v] = who
		}
		all = append(all, vaults...)
	}
	var err error
	s.Keys, err = f.Vaults.Open(ctx, f.Pool, all...)
	return s, err
}

// disclosure names the release by the client's key, so that a repetition finds it (L4).
func (r *release) disclosure() identity.DisclosureID {
	sum := sha256.Sum256(append(append(append([]byte("vidan disclosure 1"), r.scopeKey[:]...), r.key[:]...), r.body[:]...))
	id := [16]byte(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // a UUID of version 8 (RFC 9562 §5.8)
	return identity.FromBytes[identity.DisclosureID](id)
}

// ask queues everything that decides, in one batch with the begin of the transaction.
func (r *release) ask(b *pgx.Batch, g pg.Guard) {
	f := r.f
	g.Queue(b)
	r.known, r.profiles = nil, map[identity.VaultID]*person.ProfileReading{}
	b.Queue(sqlOrder, r.scopeKey[:], r.key[:]).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		if len(found) == 1 {
			r.known = found[0]
		}
		return err
	})
	r.redeem = f.Consent.QueueRedeemOnce(b, r.plan, r.order.Organisation, r.order.Client, r.disclosure(), r.now)
	r.papers = f.Wallet.QueueDisclose(b, r.scope, r.now)
	for _, who := range r.plan.People() {
		if r.scope.Keys[who] != nil {
			r.profiles[who] = f.People.QueueProfile(b, who)
		}
	}
}

// release judges, fills, and queues what the release leaves; the commit follows in the same batch.
func (r *release) release(b *pgx.Batch) error {
	if r.known != nil && string(r.known) != string(r.body[:]) {
		return ErrIdempotency
	}
	var err error
	if r.permit, err = r.redeem.PermitOnce(r.scope.Keys); err != nil {
		return err
	}
	opened, err := r.papers.Papers(r.permit)
	if err != nil {
		return err
	}
	form, err := r.f.form(r.plan, r.scope, opened, r.profiles, r.now)
	if err != nil {
		return err
	}
	form.allowed = r.permit.Allows
	if err := r.fill(form); err != nil {
		return err
	}
	use := form.use(r.permit)
	if err := r.f.Consent.QueueUse(b, r.permit, r.scope.Keys, use, r.now); err != nil {
		return err
	}
	for _, who := range r.permit.Vaults() {
		if _, err := r.f.Audit.Queue(b, r.scope.Keys[who], r.entry(who, use), r.now); err != nil {
			return err
		}
	}
	if r.known == nil {
		b.Queue(sqlInsertOrder, r.scopeKey[:], r.key[:], r.body[:], []byte(`{}`), r.now)
	}
	return nil
}

// entry is the row that the release leaves in one person's record.
func (r *release) entry(who identity.VaultID, use consent.Use) audit.Entry {
	e := audit.Entry{
		Vault: who, Kind: audit.Disclosure, Organisation: r.order.Organisation, Actor: audit.Actor{Client: r.order.Client, Officer: r.order.Officer},
		Procedure: r.plan.Procedure(), Purpose: r.plan.Purpose(), Basis: r.plan.Basis(), Dossier: r.plan.Dossier(), Fields: use.Fields[who],
		Request: r.order.Request, Grant: r.permit.Grant(who), Disclosure: r.permit.Disclosure(), RequestTrace: r.order.Trace,
	}
	for _, d := range use.Opened[who] {
		e.Documents = append(e.Documents, d.Document)
	}
	return e
}

// refused records a refusal with everybody who was asked, and returns cause; what says nothing about the request is no refusal.
func (f *Filler) refused(ctx context.Context, r *release, cause error) error {
	reason := ""
	for _, row := range []struct {
		err  error
		code string
	}{
		{consent.ErrWithdrawn, "grant_withdrawn"}, {consent.ErrConsumed, "grant_consumed"}, {consent.ErrExpired, "grant_expired"}, {consent.ErrNotGranted, "not_granted"},
	} {
		if errors.Is(cause, row.err) {
			reason = row.code
		}
	}
	if reason == "" || r.plan.Organisation() != r.order.Organisation {
		return cause
	}
	b := new(pgx.Batch)
	for _, who := range r.plan.Vaults() {
		if r.scope.Keys[who] == nil {
			continue
		}
		e := r.entry(who, consent.Use{})
		e.Kind, e.Outcome, e.Reason, e.Grant, e.Disclosure = audit.AccessRefused, audit.Refused, reason, identity.GrantID{}, identity.DisclosureID{}
		if _, err := f.Audit.Queue(b, r.scope.Keys[who], e, r.now); err != nil {
			return err
		}
	}
	if err := pg.Pipeline(ctx, f.Pool, b); err != nil {
		return fmt.Errorf("record a refusal: %w", err)
	}
	return cause
}
