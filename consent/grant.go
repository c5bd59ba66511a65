package consent

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// GrantState is where a grant is in its life.
type GrantState string

// The states. Expired is what an active or paused grant is after its last moment; it is never written down.
const (
	GrantActive    GrantState = "active"
	GrantPaused    GrantState = "paused"
	GrantConsumed  GrantState = "consumed"  // no use is left
	GrantWithdrawn GrantState = "withdrawn" // by the person, or replaced
	GrantExpired   GrantState = "expired"
	GrantSuspended GrantState = "suspended" // the person died
)

// May reports whether a grant may go from s to another state; the update statements hold the same edges.
//
//	active ⇄ paused        active ─→ consumed        active, paused, suspended ─→ withdrawn        active, paused ─→ suspended
func (s GrantState) May(to GrantState) bool {
	switch s {
	case GrantActive:
		return to == GrantPaused || to == GrantConsumed || to == GrantWithdrawn || to == GrantSuspended
	case GrantPaused:
		return to == GrantActive || to == GrantWithdrawn || to == GrantSuspended
	case GrantSuspended:
		return to == GrantWithdrawn
	}
	return false
}

// at returns the state as it counts at a moment.
func (s GrantState) at(now, until time.Time) GrantState {
	if (s == GrantActive || s == GrantPaused) && !now.Before(until) {
		return GrantExpired
	}
	return s
}

// DocRevision is one paper in one revision.
type DocRevision struct {
	Document identity.DocumentID `json:"document"`
	Revision int                 `json:"revision"`
}

// Grant is what one person allowed an organisation.
type Grant struct {
	ID           identity.GrantID
	Vault        identity.VaultID
	Request      identity.RequestID
	Organisation string
	Client       string
	Procedure    string
	Dossier      string
	Purpose      string
	Roles        []string // of the person in the dossier
	Fields       []string // in the order of the form
	Mode         Mode
	State        GrantState // as it counts now
	Uses         int        // how often it may be used in all; 0: any number
	UsesLeft     int        // 0 with mode Until
	ValidFrom    time.Time
	ValidUntil   time.Time
	Pinned       []DocRevision // of a once-grant
	Replaces     identity.GrantID
	BySelf       bool // given by the person; else by a representative, and by both where two had to decide
	ByBoth       bool
	NoAccount    bool // the person would have had to agree too, but had no account
	Used         int  // how often it was used
	LastUsed     time.Time

	OrganisationVI string // set by [Ledger.Grants]
	OrganisationEN string
}

// grantID names the grant of one person on one request: there is at most one (R6).
func grantID(vault identity.VaultID, request identity.RequestID) identity.GrantID {
	v, r := vault.Bytes(), request.Bytes()
	h := sha256.New()
	h.Write([]byte("vidan-grant\x01"))
	h.Write(v[:])
	h.Write(r[:])
	id := [16]byte(h.Sum(nil)[:16])
	id[6] = id[6]&0x0f | 0x80 // RFC 9562 §5.8
	id[8] = id[8]&0x3f | 0x80
	return identity.FromBytes[identity.GrantID](id)
}

// grantColumns list what Redeem and the person's own list read: the row, and the version that its newest fact gave it. A row that waited for
// a lock may be newer than that fact, never older.
const grantColumns = `
  g.vault_id, g.grant_id, g.request_id, g.organisation_id, g.client_id, g.mode, g.state, g.uses_left, g.valid_from, g.valid_until,
  g.pinned_documents, g.pinned_revisions, g.version, g.sealed, g.mac,
  (select max(e.version) from grant_events e where e.vault_id = g.vault_id and e.grant_id = g.grant_id)`

// grantRow is a row of grants; body is set once it was opened.
type grantRow struct {
	vault        identity.VaultID
	id           identity.GrantID
	request      identity.RequestID
	organisation string
	client       string
	mode         Mode
	state        GrantState
	usesLeft     *int
	from, until  time.Time
	documents    []identity.DocumentID
	revisions    []int32
	version      int // counts the changes of the row, from 1
	sealed       []byte
	mac          []byte
	newest       *int // version by the facts; nil: they know of no such grant
	body         grantBody
}

// grantBody is what only the seal of a grant says.
type grantBody struct {
	Procedure    string           `json:"procedure"`
	Dossier      string           `json:"dossier"`
	Purpose      string           `json:"purpose"`
	BasisRef     string           `json:"basis_ref"`
	BasisArticle string           `json:"basis_article"`
	Roles        []string         `json:"roles"`
	Fields       []string         `json:"fields"`
	Uses         int              `json:"uses"`
	Replaces     identity.GrantID `json:"replaces,omitzero"`
	BySelf       bool             `json:"by_self"`
	ByBoth       bool             `json:"by_both,omitempty"`
	NoAccount    bool             `json:"no_account,omitempty"`
}

func (r *grantRow) targets() []any {
	return []any{&r.vault, &r.id, &r.request, &r.organisation, &r.client, &r.mode, &r.state, &r.usesLeft, &r.from, &r.until,
		&r.documents, &r.revisions, &r.version, &r.sealed, &r.mac, &r.newest}
}

func scanGrant(row pgx.CollectableRow) (grantRow, error) {
	var r grantRow
	err := row.Scan(r.targets()...)
	return r, err
}

func grantPlace(vault identity.VaultID, id identity.GrantID) seal.Place {
	return seal.Place{Table: "grants", Column: "sealed", Vault: vault, Object: id.Bytes()}
}

// columns are everything that decides what a grant allows, its life among it (R2), in the order fixed for the table.
func (r *grantRow) columns() *seal.Columns {
	body := sha256.Sum256(r.sealed)
	documents := make([][16]byte, len(r.documents))
	revisions := make([]int64, len(r.revisions))
	for i := range r.documents {
		documents[i] = r.documents[i].Bytes()
	}
	for i := range r.revisions {
		revisions[i] = int64(r.revisions[i])
	}
	c := new(seal.Columns).UUID(r.vault.Bytes()).UUID(r.id.Bytes()).UUID(r.request.Bytes()).Text(r.organisation).Text(r.client).
		Text(string(r.mode)).Time(r.from).Time(r.until).UUIDs(documents).Ints(revisions).Bytes(body[:]).
		Text(string(r.state)).Int(int64(r.version))
	if r.usesLeft == nil {
		return c.Null()
	}
	return c.Int(int64(*r.usesLeft))
}

// moved returns the row in another state, and used is the row with one use less: each under its own MAC, as the next version.
func (l *Ledger) moved(r *grantRow, to GrantState) *grantRow {
	next := *r
	next.state, next.version = to, r.version+1
	next.mac = l.deployment.MAC("grants", next.columns())
	return &next
}

func (l *Ledger) used(r *grantRow) *grantRow {
	next, left := *r, *r.usesLeft-1
	next.usesLeft, next.version = &left, r.version+1
	if left == 0 {
		next.state = GrantConsumed
	}
	next.mac = l.deployment.MAC("grants", next.columns())
	return &next
}

// closeGrant seals the body and authenticates the row.
func (l *Ledger) closeGrant(k *seal.Keys, r *grantRow) error {
	plain, err := json.Marshal(r.body)
	if err != nil {
		return fmt.Errorf("encode grant %s: %w", r.id, err)
	}
	if r.sealed, err = k.Seal(seal.Content, grantPlace(r.vault, r.id), plain); err != nil {
		return fmt.Errorf("grant %s: %w", r.id, err)
	}
	r.mac = l.deployment.MAC("grants", r.columns())
	return nil
}

// openGrant checks the MAC, and that the row is not an older one put back (R2), then reads what the seal says.
func (l *Ledger) openGrant(k *seal.Keys, r *grantRow) error {
	if err := l.deployment.VerifyMAC("grants", r.columns(), r.mac); err != nil {
		return fmt.Errorf("grant %s: %w", r.id, err)
	}
	if len(r.documents) != len(r.revisions) || r.newest == nil || r.version < *r.newest {
		return fmt.Errorf("grant %s: %w", r.id, seal.ErrTampered)
	}
	plain, err := k.Open(seal.Content, grantPlace(r.vault, r.id), r.sealed)
	if err != nil {
		return fmt.Errorf("grant %s: %w", r.id, err)
	}
	if err := json.Unmarshal(plain, &r.body); err != nil {
		return fmt.Errorf("grant %s: %w", r.id, seal.ErrSealed)
	}
	return nil
}

// grant returns the row as callers see it.
func (r *grantRow) grant(now time.Time) Grant {
	g := Grant{
		ID: r.id, Vault: r.vault, Request: r.request, Organisation: r.organisation, Client: r.client, Procedure: r.body.Procedure,
		Dossier: r.body.Dossier, Purpose: r.body.Purpose, Roles: r.body.Roles, Fields: r.body.Fields, Mode: r.mode,
		State: r.state.at(now, r.until), Uses: r.body.Uses, ValidFrom: r.from, ValidUntil: r.until, Replaces: r.body.Replaces,
		BySelf: r.body.BySelf, ByBoth: r.body.ByBoth, NoAccount: r.body.NoAccount,
	}
	if r.usesLeft != nil {
		g.UsesLeft = *r.usesLeft
	}
	for i, d := range r.documents {
		g.Pinned = append(g.Pinned, DocRevision{Document: d, Revision: int(r.revisions[i])})
	}
	return g
}

// sqlGrants lists grants newest first, with how often they were used.
const sqlGrants = `
select` + grantColumns + `, o.name_vi, o.name_en, coalesce(u.used, 0), u.last
from grants g join organisations o on o.organisation_id = g.organisation_id
left join lateral (select count(*) as used, max(d.at) as last from disclosures d
  where d.vault_id = g.vault_id and d.grant_id = g.grant_id) u on true
where g.vault_id = $1 and (g.valid_from, g.request_id) < ($2, $3)
order by g.valid_from desc, g.request_id desc limit $4`

// Grants lists what a person allowed whom, newest first, and the cursor of the next page, empty at the end. One round trip.
func (l *Ledger) Grants(ctx context.Context, g pg.Guard, who Acting, cursor string, limit int) ([]Grant, string, error) {
	at, before, err := l.openGrantCursor(who, cursor)
	if err != nil {
		return nil, "", err
	}
	limit, now := bounded(limit), l.now()
	type listed struct {
		grantRow
		vi, en string
		used   int
		last   *time.Time
	}
	var rows []listed
	b := new(pgx.Batch)
	d := l.queuePerson(b, g, who)
	b.Queue(sqlGrants, who.Vault, at, before, limit).Query(func(found pgx.Rows) (err error) {
		rows, err = pgx.CollectRows(found, func(row pgx.CollectableRow) (listed, error) {
			var r listed
			err := row.Scan(append(r.targets(), &r.vi, &r.en, &r.used, &r.last)...)
			return r, err
		})
		return err
	})
	if err := l.sit(ctx, b, g, d); err != nil {
		return nil, "", fmt.Errorf("list grants: %w", err)
	}
	list := make([]Grant, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		if err := l.openGrant(d.keys, &r.grantRow); err != nil {
			return nil, "", err
		}
		grant := r.grant(now)
		grant.OrganisationVI, grant.OrganisationEN, grant.Used, grant.LastUsed = r.vi, r.en, r.used, moment(r.last)
		list = append(list, grant)
	}
	if len(list) < limit {
		return list, "", nil
	}
	return list, l.grantCursor(who, list[len(list)-1]), nil
}
