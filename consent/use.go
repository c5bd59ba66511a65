package consent

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/seal"
)

const (
	// sqlInsertDisclosures writes one row for each person, only while their grant is as it was redeemed.
	sqlInsertDisclosures = `
insert into disclosures (vault_id, disclosure_id, grant_id, request_id, organisation_id, at, pinned_documents, pinned_revisions, sealed)
select g.vault_id, $3, g.grant_id, g.request_id, g.organisation_id, $4, $5, $6, $7
from grants g where g.vault_id = $1 and g.grant_id = $2 and g.mac = $8`

	sqlInsertUsed = `
insert into grant_events (vault_id, grant_id, event_id, kind, at, receipt, version, sealed)
select g.vault_id, g.grant_id, $3, 'used', $4, null, nullif($5::int, 0), $6
from grants g where g.vault_id = $1 and g.grant_id = $2 and g.mac = $7`

	// sqlCountUse takes one use away, and the last one ends the grant.
	sqlCountUse = `
update grants set uses_left = $3, state = $4, version = $5, mac = $6, changed_at = greatest($7, changed_at + interval '1 microsecond')
where vault_id = $1 and grant_id = $2 and state = 'active' and mac = $8`

	// sqlAllUsed aborts unless every person's use was written.
	sqlAllUsed = `
select vidan_require((select count(*) from disclosures where vault_id = any($1) and disclosure_id = $2) = $3, 'grant_consumed')`
)

// CodeConsumed is the refusal of a batch whose grant was used up, or withdrawn, since it was redeemed: not possible inside one transaction.
const CodeConsumed = "grant_consumed"

// Use is what one release opened.
type Use struct {
	Opened map[identity.VaultID][]DocRevision // by whose grant opened it; the paper may lie in another's vault
	Fields map[identity.VaultID][]string      // that were filled from a person's facts; nil: as granted
}

// disclosureBody is what the seal of a disclosure says: which papers were opened stands in clear too, and a repeated release believes the seal.
type disclosureBody struct {
	Grant   identity.GrantID `json:"grant"`
	Fields  []string         `json:"fields"`
	Opened  []DocRevision    `json:"opened"`
	Client  string           `json:"client"`
	Officer string           `json:"officer"`
	Unit    string           `json:"unit,omitempty"`
}

// showAgain limits a grant to what an earlier release under it opened (L4 of prefill).
func (r *grantRow) showAgain(keys *seal.Keys, d identity.DisclosureID, sealed []byte) error {
	plain, err := keys.Open(seal.Record, disclosurePlace(r.vault, d), sealed)
	if err != nil {
		return fmt.Errorf("disclosure %s: %w", d, err)
	}
	var body disclosureBody
	if err := json.Unmarshal(plain, &body); err != nil || body.Grant != r.id {
		return fmt.Errorf("disclosure %s: %w", d, seal.ErrSealed)
	}
	r.documents, r.revisions = []identity.DocumentID{}, []int32{}
	for _, o := range body.Opened {
		r.documents, r.revisions = append(r.documents, o.Document), append(r.revisions, int32(o.Revision))
	}
	return nil
}

func disclosurePlace(vault identity.VaultID, id identity.DisclosureID) seal.Place {
	return seal.Place{Table: "disclosures", Column: "sealed", Vault: vault, Object: id.Bytes()}
}

// QueueUse adds to the last batch of the transaction that redeemed what its reading leaves: for each person a disclosure, an event, and one use
// less. A repeated release leaves nothing: it was counted when it was made; the record of the reading is the caller's either way. The batch
// aborts with [CodeConsumed] rather than counting a use that is not there (R9). Errors: [ErrPermit] for the zero permit and for papers or fields
// that it does not cover.
func (l *Ledger) QueueUse(b *pgx.Batch, p Permit, keys map[identity.VaultID]*seal.Keys, use Use, now time.Time) error {
	if p.IsZero() {
		return ErrPermit
	}
	if err := p.covers(use); err != nil {
		return err
	}
	if p.repeated {
		return nil
	}
	now = micro(now)
	for i := range p.grants {
		if err := l.queueUse(b, p, &p.grants[i], keys[p.grants[i].vault], use, now); err != nil {
			return fmt.Errorf("disclosure %s: %w", p.disclosure, err)
		}
	}
	b.Queue(sqlAllUsed, p.Vaults(), p.disclosure, len(p.grants))
	return nil
}

// covers reports whether all that was opened was allowed.
func (p Permit) covers(use Use) error {
	for vault, opened := range use.Opened {
		pins, pinned := p.Pinned(vault)
		if !p.Has(vault) || pinned && slices.ContainsFunc(opened, func(d DocRevision) bool { return !slices.Contains(pins, d) }) {
			return fmt.Errorf("%w: a paper outside it", ErrPermit)
		}
	}
	for vault, fields := range use.Fields {
		if slices.ContainsFunc(fields, func(f string) bool { return !p.Allows(vault, f) }) {
			return fmt.Errorf("%w: a field outside it", ErrPermit)
		}
	}
	return nil
}

func (l *Ledger) queueUse(b *pgx.Batch, p Permit, row *grantRow, keys *seal.Keys, use Use, now time.Time) error {
	fields := use.Fields[row.vault]
	if fields == nil {
		fields = row.body.Fields
	}
	plain, err := json.Marshal(disclosureBody{
		Grant: row.id, Fields: fields, Opened: use.Opened[row.vault], Client: p.client, Officer: p.plan.c.Officer.ID, Unit: p.plan.c.Officer.Unit,
	})
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	sealed, err := keys.Seal(seal.Record, disclosurePlace(row.vault, p.disclosure), plain)
	if err != nil {
		return err
	}
	e := event{vault: row.vault, grant: row.id, id: identity.NewID[identity.ObjectID](), kind: EventUsed, at: now, body: eventBody{Disclosure: p.disclosure}}
	next := row
	if row.usesLeft != nil {
		next = l.used(row)
		e.body.Version = next.version
	}
	if err := e.close(keys); err != nil {
		return err
	}
	documents, revisions := []identity.DocumentID{}, []int32{}
	for _, d := range use.Opened[row.vault] {
		documents, revisions = append(documents, d.Document), append(revisions, int32(d.Revision))
	}
	b.Queue(sqlInsertDisclosures, row.vault, row.id, p.disclosure, now, documents, revisions, sealed, row.mac)
	b.Queue(sqlInsertUsed, row.vault, row.id, e.id, now, e.body.Version, e.sealed, row.mac)
	if next != row {
		b.Queue(sqlCountUse, row.vault, row.id, next.usesLeft, string(next.state), next.version, next.mac, now, row.mac)
	}
	return nil
}
