package consent

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/seal"
)

// EventKind is what happened to a grant (grant_events.kind).
type EventKind string

// The kinds this package writes.
const (
	EventGranted   EventKind = "granted" // a yes; one of two where two have to decide
	EventDenied    EventKind = "denied"
	EventPaused    EventKind = "paused"
	EventResumed   EventKind = "resumed"
	EventUsed      EventKind = "used"
	EventWithdrawn EventKind = "withdrawn"
)

const (
	sqlDecisions = `
select event_id, kind, at, receipt, sealed from grant_events
where vault_id = $1 and grant_id = $2 and kind in ('granted', 'denied') order by at, event_id`

	sqlEvents = `
select event_id, kind, at, receipt, sealed from grant_events where vault_id = $1 and grant_id = $2 order by at, event_id`

	sqlInsertEvent = `
insert into grant_events (vault_id, grant_id, event_id, kind, at, receipt, version, sealed) values ($1, $2, $3, $4, $5, $6, nullif($7::int, 0), $8)`
)

// event is a row of grant_events; body is set once it was opened.
type event struct {
	vault   identity.VaultID
	grant   identity.GrantID
	id      identity.ObjectID
	kind    EventKind
	at      time.Time
	receipt string
	version *int // read by Examine alone: body.Version in clear
	sealed  []byte
	body    eventBody
}

// eventBody is what only the seal of an event says. Version is that of the grant after it, zero where the row stayed as it was, and orders the
// events of one grant; Head is the grant as it was made, with the event that made it, so that the row of grants can be rebuilt.
type eventBody struct {
	Version    int                   `json:"version,omitempty"` // in clear too: grant_events.version
	Actor      identity.VaultID      `json:"actor,omitzero"`
	Relation   identity.RelationID   `json:"relation,omitzero"` // zero: the person acted
	Decided    *Decided              `json:"decided,omitempty"`
	Pinned     []DocRevision         `json:"pinned,omitempty"`    // the papers that Decided.Pinned refers to
	Signature  string                `json:"signature,omitempty"` // the signed decision as it came
	Credential identity.CredentialID `json:"credential,omitzero"`
	NoAccount  bool                  `json:"no_account,omitempty"`
	Reason     string                `json:"reason,omitempty"`
	Disclosure identity.DisclosureID `json:"disclosure,omitzero"`
	Head       *grantHead            `json:"head,omitempty"`
}

// grantHead is a row of grants as it was inserted, less its seal and MAC.
type grantHead struct {
	Request      identity.RequestID    `json:"request"`
	Organisation string                `json:"organisation"`
	Client       string                `json:"client"`
	Mode         Mode                  `json:"mode"`
	UsesLeft     *int                  `json:"uses_left,omitempty"`
	From         time.Time             `json:"from"`
	Until        time.Time             `json:"until"`
	Documents    []identity.DocumentID `json:"documents,omitempty"`
	Revisions    []int32               `json:"revisions,omitempty"`
	Body         grantBody             `json:"body"`
}

// head returns the grant as it is about to be inserted.
func (r *grantRow) head() *grantHead {
	return &grantHead{
		Request: r.request, Organisation: r.organisation, Client: r.client, Mode: r.mode, UsesLeft: r.usesLeft, From: r.from, Until: r.until,
		Documents: r.documents, Revisions: r.revisions, Body: r.body,
	}
}

// row returns the grant as the event made it; it has no seal and no MAC.
func (e *event) row() grantRow {
	h := e.body.Head
	return grantRow{
		vault: e.vault, id: e.grant, request: h.Request, organisation: h.Organisation, client: h.Client, mode: h.Mode, state: GrantActive,
		usesLeft: h.UsesLeft, version: e.body.Version, from: h.From, until: h.Until, documents: h.Documents, revisions: h.Revisions, body: h.Body,
	}
}

func (b eventBody) bySelf() bool { return b.Relation.IsZero() }

func (e event) isDecision() bool { return e.kind == EventGranted || e.kind == EventDenied }

func eventPlace(vault identity.VaultID, id identity.ObjectID) seal.Place {
	return seal.Place{Table: "grant_events", Column: "sealed", Vault: vault, Object: id.Bytes()}
}

func collectEvents(rows pgx.Rows, vault identity.VaultID, grant identity.GrantID) ([]event, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (event, error) {
		e := event{vault: vault, grant: grant}
		var receipt *string
		err := row.Scan(&e.id, &e.kind, &e.at, &receipt, &e.sealed)
		if receipt != nil {
			e.receipt = *receipt
		}
		return e, err
	})
}

// openEvents opens the events of a desk once.
func (d *desk) openEvents() error {
	for i := range d.events {
		if err := d.events[i].open(d.keys); err != nil {
			return err
		}
	}
	return nil
}

func (e *event) open(k *seal.Keys) error {
	plain, err := k.OpenMessage(seal.Record, eventPlace(e.vault, e.id), e.sealed)
	if err != nil {
		return fmt.Errorf("event %s: %w", e.id, err)
	}
	e.body = eventBody{}
	if err := json.Unmarshal(plain, &e.body); err != nil {
		return fmt.Errorf("event %s: %w", e.id, seal.ErrSealed)
	}
	return nil
}

// close seals the event.
func (e *event) close(k *seal.Keys) error {
	plain, err := json.Marshal(e.body)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", e.id, err)
	}
	if e.sealed, err = k.SealMessage(seal.Record, eventPlace(e.vault, e.id), plain); err != nil {
		return fmt.Errorf("event %s: %w", e.id, err)
	}
	return nil
}

// queue seals the event and adds it to the batch.
func (e *event) queue(b *pgx.Batch, k *seal.Keys) error {
	if err := e.close(k); err != nil {
		return err
	}
	var receipt *string
	if e.receipt != "" {
		receipt = &e.receipt
	}
	b.Queue(sqlInsertEvent, e.vault, e.grant, e.id, string(e.kind), e.at, receipt, e.body.Version, e.sealed)
	return nil
}

// The cursor of grants is the last row's place in the order.
const refGrantCursor = "grants-page"

func (l *Ledger) grantCursor(who Acting, last Grant) string {
	id := last.Request.Bytes()
	return l.deployment.Ref(who.Sector, refGrantCursor, append(binary.BigEndian.AppendUint64(nil, uint64(last.ValidFrom.UnixMicro())), id[:]...))
}

func (l *Ledger) openGrantCursor(who Acting, cursor string) (time.Time, identity.RequestID, error) {
	if cursor == "" {
		last, err := l.openCursor(who, "")
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), last, err
	}
	raw, err := l.deployment.OpenRef(who.Sector, refGrantCursor, cursor)
	if err != nil || len(raw) != 24 {
		return time.Time{}, identity.RequestID{}, ErrCursor
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(raw))).UTC(), identity.FromBytes[identity.RequestID]([16]byte(raw[8:])), nil
}
