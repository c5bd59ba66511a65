package wallet

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/seal"
)

// Holding is the right of one person to see a paper in the vault of another: a link, never a copy. It prints masked (W9).
type Holding struct {
	masked
	ID       identity.HoldingID // zero: derived from the other members, so that the same right is one row however often it is given
	Home     identity.VaultID   // where the paper lies
	Holder   identity.VaultID   // who may see it
	Document identity.DocumentID
	Reason   string    // the catalogue's word: parent, legal_representative, co_subject, declarant, heir
	Until    time.Time // first moment at which it no longer holds; zero: no end
}

const (
	sideHome   = "home"
	sideHolder = "holder"
	active     = "active"
	ended      = "ended"
	maxReason  = 64
)

// KindMirror is the task that brings the holder's side up to date; its handler is [Wallet.Mirror].
const KindMirror = "holding.mirror"

const sqlInsertHolding = `
insert into holdings (vault_id, holding_id, side, document_id, state, valid_from, valid_until, sealed, mac, changed_at)
values ($1, $2, 'home', $3, 'active', $4, $5, $6, $7, $4)
on conflict (vault_id, holding_id) do nothing`

// condNoHolding and condHolding are the conditions under which a change of a holding is recorded: once, by whoever makes it.
const (
	condNoHolding = `not exists (select 1 from holdings where vault_id = $1 and holding_id = $2)`
	condHolding   = `exists (select 1 from holdings where vault_id = $1 and holding_id = $2 and state = 'active' and mac = $3)`
)

// QueueHold gives a right to see a paper, in the caller's transaction, which holds the lock of the home vault. Its holder sees the paper once the
// queued task has run. Given again it changes nothing; ended once it stays ended, so that a paper delivered again revives nothing: a right
// given anew has another ID. by is who caused it.
func (w *Wallet) QueueHold(b *pgx.Batch, home *seal.Keys, h Holding, by audit.Actor, now time.Time) (identity.HoldingID, error) {
	if err := h.check(home.Vault()); err != nil {
		return identity.HoldingID{}, err
	}
	if h.ID.IsZero() {
		h.ID = h.derivedID()
	}
	now = micro(now)
	row := holdingRow{
		vault: h.Home, id: h.ID, side: sideHome, doc: h.Document, state: active, from: now, until: micro(h.Until),
		other: h.Holder, reason: h.Reason,
	}
	if err := row.close(w.deployment, home); err != nil {
		return identity.HoldingID{}, err
	}
	entry, err := w.audit.Row(home, audit.Entry{Vault: h.Home, Kind: audit.HoldingOpened, Actor: by, Document: h.Document, Reason: h.Reason}, now)
	if err != nil {
		return identity.HoldingID{}, err
	}
	entry.QueueIf(b, condNoHolding, h.Home, h.ID)
	b.Queue(sqlInsertHolding, h.Home, h.ID, h.Document, now, nullTime(row.until), row.sealed, row.mac)
	queueMirror(b, h.Home, h.ID, now)
	return h.ID, nil
}

func queueMirror(b *pgx.Batch, home identity.VaultID, id identity.HoldingID, now time.Time) {
	delivery.Queue(b, delivery.Task{Kind: KindMirror, Vault: home, Args: []byte(`{"holding_id":"` + id.String() + `"}`)}, now)
}

func (h Holding) check(keys identity.VaultID) error {
	switch {
	case h.Home.IsZero() || h.Holder.IsZero() || h.Document.IsZero():
		return fmt.Errorf("%w: no home, holder or document", ErrHolding)
	case h.Home == h.Holder:
		return fmt.Errorf("%w: nobody holds their own paper", ErrHolding)
	case h.Home != keys:
		return fmt.Errorf("%w: the keys are another vault's", ErrHolding)
	case h.Reason == "" || len(h.Reason) > maxReason:
		return fmt.Errorf("%w: no reason", ErrHolding)
	}
	return nil
}

// derivedID names the right by what it is. It links the two sides no more than a random id on both would.
func (h Holding) derivedID() identity.HoldingID {
	b := []byte("vidan holding 1")
	for _, id := range [][16]byte{h.Home.Bytes(), h.Holder.Bytes(), h.Document.Bytes()} {
		b = append(b, id[:]...)
	}
	sum := sha256.Sum256(append(b, h.Reason...))
	id := [16]byte(sum[:16])
	id[6] = id[6]&0x0f | 0x80 // a UUID of version 8 (RFC 9562 §5.8)
	id[8] = id[8]&0x3f | 0x80
	return identity.FromBytes[identity.HoldingID](id)
}

// holdingRow is a row of holdings on either side. other and reason stand only inside the seal.
type holdingRow struct {
	vault   identity.VaultID
	id      identity.HoldingID
	side    string
	doc     identity.DocumentID
	state   string
	from    time.Time
	until   time.Time // zero: null
	changed time.Time
	sealed  []byte
	mac     []byte

	other  identity.VaultID // the holder in the home row, the home in the holder's
	reason string
}

var errHoldingBody = errors.New("not a holding")

const holdingVersion = 1

// columns are the security columns of a holding, in the order fixed for the table. The other side is among them although no column
// holds it: a row fits the two people it was made for.
func (r *holdingRow) columns() *seal.Columns {
	return new(seal.Columns).UUID(r.vault.Bytes()).UUID(r.id.Bytes()).Text(r.side).UUID(r.doc.Bytes()).
		Text(r.state).Time(r.from).Time(r.until).UUID(r.other.Bytes())
}

// close seals and authenticates the row.
func (r *holdingRow) close(d *seal.Deployment, keys *seal.Keys) (err error) {
	other := r.other.Bytes()
	body := append([]byte{holdingVersion}, other[:]...)
	body = append(binary.AppendUvarint(body, uint64(len(r.reason))), r.reason...)
	if r.sealed, err = keys.Seal(seal.Content, holdingPlace(r.vault, r.id), body); err != nil {
		return fmt.Errorf("holding %s: %w", r.id, err)
	}
	r.mac = d.MAC("holdings", r.columns())
	return nil
}

// open reads who the other side is and checks the row (W6).
func (r *holdingRow) open(d *seal.Deployment, keys *seal.Keys) error {
	body, err := keys.Open(seal.Content, holdingPlace(r.vault, r.id), r.sealed)
	if err != nil {
		return fmt.Errorf("holding %s: %w: %w", r.id, ErrDamaged, err)
	}
	in := &reader{rest: body}
	version, other, reason := in.byte(), in.take(16), in.prefixed()
	if in.failed || version != holdingVersion || len(in.rest) != 0 {
		return fmt.Errorf("holding %s: %w: %w", r.id, ErrDamaged, errHoldingBody)
	}
	r.other, r.reason = identity.FromBytes[identity.VaultID]([16]byte(other)), string(reason)
	if err := d.VerifyMAC("holdings", r.columns(), r.mac); err != nil {
		return fmt.Errorf("holding %s: %w: %w", r.id, ErrDamaged, err)
	}
	return nil
}

// scanHoldings reads rows of holding_id, document_id, state, valid_from, valid_until, changed_at, sealed, mac.
func scanHoldings(rows pgx.Rows, v identity.VaultID, side string) ([]holdingRow, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (holdingRow, error) {
		r := holdingRow{vault: v, side: side}
		var until *time.Time
		err := row.Scan(&r.id, &r.doc, &r.state, &r.from, &until, &r.changed, &r.sealed, &r.mac)
		r.until = moment(until)
		return r, err
	})
}

// moment and nullTime carry an absent time from and to a nullable column.
func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
