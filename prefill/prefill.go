// Package prefill fills the form of a procedure from the papers that people allowed to be read, and shows them beforehand what the agency
// would get. It promises that every value in an answer was granted by a person whose fact it is, stands in the paper named as its source, and
// was recorded before it left.
//
// It knows forms and opens papers, so that neither consent nor wallet has to: permits come from consent, sealed papers from wallet, mappings from
// the catalogue. A release is one transaction of two round trips: {begin, lock grants, select papers} and {record, use, commit}.
//
//	L1  a value leaves only under a permit of the same transaction, for a field that somebody whose fact it is allowed
//	L2  what is missing without a grant is not_provided, whether refused, left out, unknown or never there; a person nobody knows costs the same
//	    statements as one who said nothing
//	L3  the record and the use are committed before the answer exists outside (P7); a refused release is recorded too
//	L4  the same idempotency key is the same release: same revisions, nothing used up, refused after a withdrawal (P3, S2)
//	L5  values are never kept: a repeated answer is made again from the papers
//	L6  an address comes as issued and, where it can be told, in the units of today; what cannot be told is never guessed
//	L7  nothing here prints a value, or which paper it stands in: the edge copies what it may show
//
// It decides nothing about who may ask or allow (auth, consent), and encrypts nothing to the recipient.
package prefill

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/procedure"
	"vidan/seal"
	"vidan/wallet"
)

// ErrIdempotency reports a key that was used for another request; nothing was opened or used up.
var ErrIdempotency = errors.New("prefill: the idempotency key was used for another request")

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
	Issuer     string // of signed answers: the deployment's issuer
	Sign       Sign
	Now        func() time.Time
}

// Filler fills forms. It is safe for concurrent use; it remembers nothing but which ids are no vault's.
type Filler struct {
	d      Deps
	absent *otter.Cache[identity.VaultID, struct{}]
	nobody atomic.Pointer[seal.Keys] // made at the first refusal; see keysFor
}

// New returns a filler.
func New(d Deps) (*Filler, error) {
	if d.Pool == nil || d.Deployment == nil || d.Vaults == nil || d.Catalogue == nil || d.Audit == nil || d.People == nil ||
		d.Consent == nil || d.Wallet == nil || d.Issuer == "" || d.Sign == nil || d.Now == nil {
		return nil, errors.New("prefill: a dependency is missing")
	}
	absent, err := newAbsent()
	if err != nil {
		return nil, fmt.Errorf("prefill: cache of absent vaults: %w", err)
	}
	return &Filler{d: d, absent: absent}, nil
}

// Order is one organisation's wish to have a request's form filled.
type Order struct {
	Request        identity.RequestID
	Organisation   string
	Sector         string // in which papers and the release are named to it
	Client         string
	Officer        audit.Officer
	IdempotencyKey string // 1 to 255 characters, the client's own
	Trace          string // id of the HTTP request, for the record
}

const (
	sqlOrder = `select request_sha256 from idempotency where scope = $1 and key_hash = $2`

	sqlInsertOrder = `insert into idempotency (scope, key_hash, request_sha256, reference, created_at) values ($1, $2, $3, $4, $5)`
)

// Statements returns the SQL of this package by name.
func Statements() map[string]string {
	return map[string]string{
		"prefill.sqlOrder": sqlOrder, "prefill.sqlInsertOrder": sqlInsertOrder, "prefill.sqlRecordKnown": audit.InsertIf(conditionKnown, 1),
	}
}

// Fill redeems what was allowed and answers the form. g is the guard of the client and its mandate. Two round trips with plan and keys at hand.
//
// Errors: [consent.ErrNotFound], [consent.ErrNotGranted], [consent.ErrWithdrawn], [consent.ErrConsumed], [consent.ErrExpired], each recorded with
// everybody it concerns; [ErrIdempotency]; [consent.ErrRequest] for a key out of bounds; *pg.Refusal [pg.CodeBusy] while the same key is at work;
// [audit.ErrRecord]; those of g, seal and pg.
func (f *Filler) Fill(ctx context.Context, g pg.Guard, o Order) (Answer, error) {
	if o.IdempotencyKey == "" || len(o.IdempotencyKey) > 255 {
		return Answer{}, fmt.Errorf("%w: idempotency key", consent.ErrRequest)
	}
	plan, err := f.d.Consent.PlanOf(ctx, f.d.Pool, o.Request)
	if err != nil {
		return Answer{}, err
	}
	scope, err := f.scope(ctx, plan)
	if err != nil {
		return Answer{}, fmt.Errorf("fill request %s: %w", o.Request, err)
	}
	r := newRelease(f, plan, scope, o)
	err = pg.Exchange(ctx, f.d.Pool,
		func(b *pgx.Batch) error { r.ask(b, g); return nil },
		func(b *pgx.Batch) error {
			if err := g.Check(); err != nil {
				return err
			}
			return r.answer(b)
		})
	if err != nil {
		return Answer{}, r.refused(ctx, fmt.Errorf("fill request %s: %w", o.Request, err))
	}
	return r.filled, nil
}

// release is one filling of a form under way.
type release struct {
	f          *Filler
	order      Order
	plan       consent.Plan
	scope      wallet.Scope
	now        time.Time
	disclosure identity.DisclosureID

	idempotency struct{ scope, key, body [32]byte }

	known    []byte // request_sha256 under the key, nil for a new one
	redeem   *consent.Redemption
	papers   *wallet.Disclosed
	profiles map[identity.VaultID]*person.ProfileReading
	permit   consent.Permit
	filled   Answer
}

// newRelease names the release by the client's key, so that a repetition finds it (L4).
func newRelease(f *Filler, plan consent.Plan, scope wallet.Scope, o Order) *release {
	r := &release{f: f, order: o, plan: plan, scope: scope, now: f.d.Now().UTC().Truncate(time.Microsecond)}
	k := &r.idempotency
	k.scope = sha256.Sum256([]byte("prefill\x00" + o.Client))
	k.key = sha256.Sum256([]byte(o.IdempotencyKey))
	k.body = sha256.Sum256([]byte(o.Organisation + "\x00" + o.Request.String()))
	h := sha256.New()
	h.Write([]byte("vidan-disclosure\x01"))
	h.Write(k.scope[:])
	h.Write(k.key[:])
	h.Write(k.body[:])
	id := [16]byte(h.Sum(nil)[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // a UUID of version 8 (RFC 9562 §5.8)
	r.disclosure = identity.FromBytes[identity.DisclosureID](id)
	return r
}

// ask queues everything that decides, in one batch with the begin of the transaction. The lock of the key comes before what it protects: of two that
// run at once one is refused, and none sees half of the other.
func (r *release) ask(b *pgx.Batch, g pg.Guard) {
	f, k := r.f, &r.idempotency
	g.Queue(b)
	pg.TryLock(b, pg.NewLockKey("prefill", k.scope[:], k.key[:]))
	r.known = nil
	b.Queue(sqlOrder, k.scope[:], k.key[:]).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		if len(found) == 1 {
			r.known = found[0]
		}
		return err
	})
	r.redeem = f.d.Consent.QueueRedeemOnce(b, r.plan, r.order.Organisation, r.order.Client, r.disclosure, r.now)
	r.papers = f.d.Wallet.QueueDisclose(b, r.scope, r.now)
	r.profiles = f.queueProfiles(b, r.plan)
}

// answer judges, fills, and queues what the release leaves; the commit follows in the same batch.
func (r *release) answer(b *pgx.Batch) error {
	if r.known != nil && string(r.known) != string(r.idempotency.body[:]) {
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
	form, err := r.f.form(r.plan, r.scope, opened, r.profiles, r.permit.Allows, r.now)
	if err != nil {
		return err
	}
	if err := r.fill(form); err != nil {
		return err
	}
	credits := form.credits(r.permit)
	if err := r.f.d.Consent.QueueUse(b, r.permit, r.scope.Keys, credits.use, r.now); err != nil {
		return err
	}
	if err := r.queueRecord(b, credits); err != nil {
		return err
	}
	if r.known == nil {
		k := &r.idempotency
		reference := json.RawMessage(`{"disclosure_id":"` + r.disclosure.String() + `"}`)
		b.Queue(sqlInsertOrder, k.scope[:], k.key[:], k.body[:], reference, r.now)
	}
	return nil
}

// fill makes and signs the answer.
func (r *release) fill(f *form) error {
	request, disclosure := r.order.Request.Bytes(), r.permit.Disclosure().Bytes()
	d, sector := r.f.d.Deployment, r.order.Sector
	a := Answer{
		Disclosure: d.Ref(sector, "disclosure", disclosure[:]), Request: d.Ref(sector, "request", request[:]),
		Procedure: r.plan.Procedure(), Dossier: r.plan.Dossier(), Repeated: r.permit.Repeated(), At: r.now,
	}
	for i := range f.fields {
		v := &f.fields[i]
		if len(v.picked) == 0 {
			a.Missing = append(a.Missing, Missing{Name: v.Field.Name, Reason: v.reason})
			continue
		}
		a.Fields = append(a.Fields, f.field(v, d, sector))
	}
	for _, c := range f.conflicts {
		a.Conflicts = append(a.Conflicts, f.conflict(c, d, sector))
	}
	err := r.sign(&a)
	r.filled = a
	return err
}
