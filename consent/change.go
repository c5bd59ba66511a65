package consent

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
)

const (
	// sqlGrant reads one grant with its organisation and what has happened to its state.
	sqlGrant = `
select` + grantColumns + `, o.name_vi, o.name_en, o.sector
from grants g join organisations o on o.organisation_id = g.organisation_id
where g.vault_id = $1 and g.grant_id = $2`

	// sqlGrantStill holds while the grant is as it was read; the vault is locked by now. Two who pause at once would write the same row, and one
	// of them is done before.
	sqlGrantStill = `
select vidan_require(exists (select 1 from grants where vault_id = $1 and grant_id = $2 and mac = $3), 'grant_changed')`

	// sqlMoveGrant changes a row that is still as it was read ($7), along the edges of the graph (GrantState.May).
	sqlMoveGrant = `
update grants set state = $3, version = $4, mac = $5, changed_at = greatest($6, changed_at + interval '1 microsecond')
where vault_id = $1 and grant_id = $2 and mac = $7 and (state, $3) in (('active', 'paused'), ('paused', 'active'), ('active', 'withdrawn'),
  ('paused', 'withdrawn'), ('suspended', 'withdrawn'), ('active', 'suspended'), ('paused', 'suspended'), ('active', 'consumed'))`
)

const codeGrantChanged = "grant_changed"

// file is one grant and everything a change of it is made from.
type file struct {
	desk   *desk
	rows   []grantRow
	vi, en string
	sector string
	events []event
}

func queueFile(b *pgx.Batch, d *desk, id identity.GrantID) *file {
	f := &file{desk: d}
	b.Queue(sqlGrant, d.who.Vault, id).Query(func(rows pgx.Rows) (err error) {
		f.rows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (grantRow, error) {
			var r grantRow
			err := row.Scan(append(r.targets(), &f.vi, &f.en, &f.sector)...)
			return r, err
		})
		return err
	})
	b.Queue(sqlEvents, d.who.Vault, id).Query(func(rows pgx.Rows) (err error) {
		f.events, err = collectEvents(rows, d.who.Vault, id)
		return err
	})
	return f
}

// open opens what was read; a grant that is not there is ErrNotFound.
func (f *file) open(l *Ledger) (*grantRow, error) {
	if len(f.rows) == 0 {
		return nil, ErrNotFound
	}
	if err := l.openGrant(f.desk.keys, &f.rows[0]); err != nil {
		return nil, err
	}
	for i := range f.events {
		if err := f.events[i].open(f.desk.keys); err != nil {
			return nil, err
		}
	}
	return &f.rows[0], nil
}

// last returns the newest event of a kind, nil for none.
func (f *file) last(kind EventKind) *event {
	var last *event
	for i := range f.events {
		if e := &f.events[i]; e.kind == kind && (last == nil || e.body.Version > last.body.Version) {
			last = e
		}
	}
	return last
}

// Withdraw ends a grant at once, on every process (R8), and returns the signed receipt. Withdrawn again, it gives the first receipt. The
// person may, and whoever acts for them: what one agreed to, the other may end. Two round trips. Errors: [ErrNotFound]; [ErrState] for a
// grant that is used up or over.
func (l *Ledger) Withdraw(ctx context.Context, g pg.Guard, who Acting, grant identity.GrantID) (receipt string, err error) {
	return l.change(ctx, g, who, grant, EventWithdrawn)
}

// Pause sets a grant to rest: it is not redeemed until it is resumed. Its time goes on.
func (l *Ledger) Pause(ctx context.Context, g pg.Guard, who Acting, grant identity.GrantID) (receipt string, err error) {
	return l.change(ctx, g, who, grant, EventPaused)
}

// Resume takes a paused grant up again: only whoever paused it may, or the person once they are of age; else a child's pause would be worth
// nothing. Errors: as Withdraw.
func (l *Ledger) Resume(ctx context.Context, g pg.Guard, who Acting, grant identity.GrantID) (receipt string, err error) {
	return l.change(ctx, g, who, grant, EventResumed)
}

// maxGrantRaces bounds how often a change reads again. Each round that is lost to a reading is a use that was counted, of which there
// are no more: a withdrawal is never turned away because somebody reads.
const maxGrantRaces = maxRaces + MaxUses

func (l *Ledger) change(ctx context.Context, g pg.Guard, who Acting, grant identity.GrantID, kind EventKind) (string, error) {
	for range maxGrantRaces {
		receipt, err := l.changeOnce(ctx, g, who, grant, kind)
		if pg.Refused(err) != codeGrantChanged {
			if err != nil {
				err = fmt.Errorf("grant %s: %s: %w", grant, kind, refusal(err))
			}
			return receipt, err
		}
		g = pg.All() // it has been asked
	}
	return "", fmt.Errorf("grant %s: %s: %w", grant, kind, pg.ErrBusy)
}

// becomes is the state that an event of a kind leads to.
func (k EventKind) becomes() GrantState {
	switch k {
	case EventPaused:
		return GrantPaused
	case EventResumed:
		return GrantActive
	default:
		return GrantWithdrawn
	}
}

func (l *Ledger) changeOnce(ctx context.Context, g pg.Guard, who Acting, id identity.GrantID, kind EventKind) (string, error) {
	b, now := new(pgx.Batch), l.now()
	d := l.queuePerson(b, g, who)
	f := queueFile(b, d, id)
	if err := l.sit(ctx, b, g, d); err != nil {
		return "", err
	}
	row, err := f.open(l)
	if err != nil {
		return "", err
	}
	decide, err := l.deciders(d, now)
	if err != nil {
		return "", err
	}
	last, to := f.last(kind), kind.becomes()
	switch state := row.state.at(now, row.until); {
	case row.state == to && last != nil:
		return last.receipt, nil // done before
	case row.state == to:
		return "", ErrState // resumed without ever being paused
	case state == GrantExpired && kind != EventWithdrawn, !row.state.May(to):
		return "", ErrState
	}
	if kind == EventResumed {
		paused := f.last(EventPaused)
		if paused == nil || paused.body.Actor != who.Actor && !(who.Self() && decide.majority.IsZero()) {
			return "", ErrState
		}
	}
	b = new(pgx.Batch)
	b.Queue(sqlLockVault, who.Vault)
	who.Guard().Queue(b)
	receipt, err := l.queueChange(b, f, row, kind, "", now)
	if err != nil {
		return "", err
	}
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return "", err
	}
	return receipt, nil
}

// queueChange adds one change of a grant to a batch that has locked the vault: head, fact with receipt, record, and for a withdrawal the
// event that tells the organisation. The batch aborts with grant_changed when the grant is not as it was read.
func (l *Ledger) queueChange(b *pgx.Batch, f *file, row *grantRow, kind EventKind, reason string, now time.Time) (string, error) {
	who, next := f.desk.who, l.moved(row, kind.becomes())
	e := event{
		vault: row.vault, grant: row.id, id: identity.NewID[identity.ObjectID](), kind: kind, at: now,
		body: eventBody{Version: next.version, Actor: who.Actor, Relation: who.Relation, Reason: reason},
	}
	r := l.blank(who, e.id, row.id, kind, now)
	r.Event.State, r.Event.Reason = string(kind.becomes()), reason
	r.Controller = ReceiptController{ID: row.organisation, NameVI: f.vi, NameEN: f.en}
	r.Purpose = ReceiptPurpose{Code: row.body.Purpose, Procedure: row.body.Procedure, Dossier: row.body.Dossier}
	if p, ok := l.catalogue.Procedure(row.body.Procedure); ok {
		r.Purpose.TitleVI, r.Purpose.TitleEN = p.Name.VI, p.Name.EN
	}
	r.LawfulBasis = ReceiptBasis{Kind: "consent", Law: row.body.BasisRef, Article: row.body.BasisArticle}
	r.Information = l.fields(row.body.Procedure, row.body.Fields)
	r.Terms = ReceiptTerms{Mode: row.mode, Uses: row.body.Uses, ValidFrom: stamp(row.from), ValidUntil: stamp(row.until), Pinned: len(row.documents)}
	r.PrivacyNotice, r.Authentication = f.notice(), ReceiptProof{Authority: Authority{Kind: "self"}}
	if f.desk.guard != nil {
		authority, err := l.authority(f.desk)
		if err != nil {
			return "", err
		}
		r.Authentication.Authority = authority
	}
	var err error
	if e.receipt, err = l.receipt(r); err != nil {
		return "", err
	}
	b.Queue(sqlGrantStill, row.vault, row.id, row.mac)
	b.Queue(sqlMoveGrant, row.vault, row.id, string(next.state), next.version, next.mac, now, row.mac)
	b.Queue(sqlGrantStill, row.vault, row.id, next.mac)
	if err := e.queue(b, f.desk.keys); err != nil {
		return "", err
	}
	if _, err := l.audit.Queue(b, f.desk.keys, audit.Entry{
		Vault: row.vault, Kind: kind.record(), Actor: who.actor(), Procedure: row.body.Procedure,
		Purpose: row.body.Purpose, Dossier: row.body.Dossier, Fields: row.body.Fields, Request: row.request, Grant: row.id, Reason: reason,
	}, now); err != nil {
		return "", err
	}
	if kind == EventWithdrawn {
		delivery.QueueEvent(b, row.organisation, "grant.withdrawn", grantEvent{
			Request: ref(l, f.sector, "request", row.request), Grant: ref(l, f.sector, "grant", row.id), Reason: reason,
		}, now)
	}
	return e.receipt, nil
}

// grantEvent is the body of grant.withdrawn, in references of the organisation's sector.
type grantEvent struct {
	Request string `json:"request_id"`
	Grant   string `json:"grant_id"`
	Reason  string `json:"reason,omitempty"` // replaced, or nothing
}

// record is what the record calls an event.
func (k EventKind) record() audit.Kind {
	switch k {
	case EventPaused:
		return audit.GrantPaused
	case EventResumed:
		return audit.GrantResumed
	default:
		return audit.Withdrawal
	}
}

// notice is what was read when the grant was given.
func (f *file) notice() ReceiptNotice {
	for i := range f.events {
		if d := f.events[i].body.Decided; d != nil {
			return ReceiptNotice{RequestDigest: d.RequestDigest, TextSHA256: d.TextSHA256, Language: d.Language}
		}
	}
	return ReceiptNotice{}
}

// Receipts returns the receipts of a grant or refusal in the order in which they were given, byte for byte as then. One round trip.
// [ErrNotFound] for whatever is not theirs.
func (l *Ledger) Receipts(ctx context.Context, g pg.Guard, who Acting, grant identity.GrantID) ([]string, error) {
	b := new(pgx.Batch)
	d := l.queuePerson(b, g, who)
	f := queueFile(b, d, grant)
	if err := l.sit(ctx, b, g, d); err != nil {
		return nil, fmt.Errorf("receipts of grant %s: %w", grant, err)
	}
	var receipts []string
	for _, e := range f.events {
		if e.receipt != "" {
			receipts = append(receipts, e.receipt)
		}
	}
	if len(receipts) == 0 {
		return nil, fmt.Errorf("receipts of grant %s: %w", grant, ErrNotFound)
	}
	return receipts, nil
}
