package consent

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/seal"
)

// sqlHomes reads every home relation of a person, the earliest first.
const sqlHomes = `
select relation_id, state, document_id, valid_from, valid_until, decide_after, sealed, mac
from relations where vault_id = $1 and side = 'home' order by valid_from, relation_id`

// sqlInsertHome inserts a proposal, active at once where nothing that is not over stands in the vault but its siblings of the same
// paper ($12): then no contradiction is possible. The vault is locked by the transaction, so "nothing stands" holds until it commits.
const sqlInsertHome = `
insert into relations (vault_id, relation_id, side, state, document_id, valid_from, valid_until, decide_after, sealed, mac, changed_at)
select $1, $2, 'home', case when f.free then 'active' else 'proposed' end, $3, $4, $5,
  case when f.free then null else $6::timestamptz end,
  case when f.free then $7::bytea else $8::bytea end, case when f.free then $9::bytea else $10::bytea end, $4
from (select $11 and not exists (select 1 from relations
  where vault_id = $1 and side = 'home' and state <> 'ended' and relation_id <> all($12)) as free) f`

// sqlInsertFirstFact writes down which of the two it became.
const sqlInsertFirstFact = `
insert into relation_facts (vault_id, relation_id, fact_id, kind, at, sealed)
select $1, $2, $3, state, $4, case when state = 'active' then $5::bytea else $6::bytea end
from relations where vault_id = $1 and relation_id = $2`

// sqlMove changes a home relation that is still as it was read ($9), along the edges of the graph (State.May) and no other.
const sqlMove = `
update relations set state = $3, valid_until = $4, decide_after = $5, sealed = $6, mac = $7,
  changed_at = greatest($8, changed_at + interval '1 microsecond')
where vault_id = $1 and relation_id = $2 and side = 'home' and mac = $9 and (state = $3 or (state, $3) in (
  ('proposed', 'active'), ('proposed', 'suspended'), ('proposed', 'restricted'), ('proposed', 'ended'),
  ('active', 'suspended'), ('active', 'restricted'), ('active', 'ended'),
  ('suspended', 'active'), ('suspended', 'restricted'), ('suspended', 'ended'),
  ('restricted', 'active'), ('restricted', 'ended')))`

const sqlMoved = `
select vidan_require(exists (select 1 from relations where vault_id = $1 and relation_id = $2 and mac = $3), 'relation_changed')`

const sqlInsertFact = `
insert into relation_facts (vault_id, relation_id, fact_id, kind, at, sealed) values ($1, $2, $3, $4, $5, $6)`

// sqlLockVault is the first statement of every transaction that changes a vault (DESIGN §4).
const sqlLockVault = `update vaults set seq = seq + 1 where vault_id = $1`

// relationBody is what only the seal of a home relation says.
type relationBody struct {
	Number       identity.PersonalNumber // the actor's, by the paper
	Mandate      bool                    // the issuer's mandate includes this relation
	Organisation string                  // which issued the paper
	Officer      string                  // by whom
	ConfirmedBy  string                  // the second officer, "organisation/officer"
	Told         bool                    // those it concerns were told that it is proposed
	Version      int                     // counts the changes of the row
}

// home is a relation as its home vault keeps it.
type home struct {
	Relation
	body   relationBody
	sealed []byte
	mac    []byte
}

// sealedRelation is the JSON inside the seal of relations.sealed. Personal values are text here and nowhere else.
type sealedRelation struct {
	Kind         Kind             `json:"kind"`
	Actor        identity.VaultID `json:"actor,omitzero"`
	Number       string           `json:"number"`
	Revision     int              `json:"revision,omitempty"`
	Reason       Reason           `json:"reason"`
	Mandate      bool             `json:"mandate"`
	Organisation string           `json:"organisation,omitempty"`
	Officer      string           `json:"officer,omitempty"`
	ConfirmedBy  string           `json:"confirmed_by,omitempty"`
	Told         bool             `json:"told,omitempty"`
	Version      int              `json:"version"`
}

func relationPlace(vault identity.VaultID, relation identity.RelationID) seal.Place {
	return seal.Place{Table: "relations", Column: "sealed", Vault: vault, Object: relation.Bytes()}
}

// close seals the relation and authenticates the row (R2): sealed and mac are then those of its columns.
func (l *Ledger) close(k *seal.Keys, h *home) error {
	plain, err := json.Marshal(h.inside())
	if err != nil {
		return fmt.Errorf("encode relation %s: %w", h.ID, err)
	}
	if h.sealed, err = k.Seal(seal.Content, relationPlace(h.Person, h.ID), plain); err != nil {
		return fmt.Errorf("relation %s: %w", h.ID, err)
	}
	h.mac = l.deployment.MAC("relations", h.columns(h.Actor))
	return nil
}

func (h *home) inside() sealedRelation {
	return sealedRelation{
		Kind: h.Kind, Actor: h.Actor, Number: h.body.Number.Reveal(), Revision: h.Revision, Reason: h.Reason, Mandate: h.body.Mandate,
		Organisation: h.body.Organisation, Officer: h.body.Officer, ConfirmedBy: h.body.ConfirmedBy, Told: h.body.Told, Version: h.body.Version,
	}
}

// open reads what the seal says and checks the MAC (R2).
func (l *Ledger) open(k *seal.Keys, h *home) error {
	plain, err := k.Open(seal.Content, relationPlace(h.Person, h.ID), h.sealed)
	if err != nil {
		return fmt.Errorf("relation %s: %w", h.ID, err)
	}
	var s sealedRelation
	if err := json.Unmarshal(plain, &s); err != nil {
		return fmt.Errorf("relation %s: %w", h.ID, seal.ErrSealed)
	}
	number, err := identity.ParsePersonalNumber(s.Number)
	if err != nil {
		return fmt.Errorf("relation %s: %w", h.ID, seal.ErrSealed)
	}
	h.Kind, h.Actor, h.Revision, h.Reason, h.Confirmed = s.Kind, s.Actor, s.Revision, s.Reason, s.ConfirmedBy != ""
	h.body = relationBody{Number: number, Mandate: s.Mandate, Organisation: s.Organisation, Officer: s.Officer,
		ConfirmedBy: s.ConfirmedBy, Told: s.Told, Version: s.Version}
	return l.verify(h, s.Actor)
}

// verify checks that the row is as this house wrote it, for this actor. The actor stands in no column: without the child's
// keys a row can be checked against an actor one knows, and not asked who it is.
func (l *Ledger) verify(h *home, actor identity.VaultID) error {
	if err := l.deployment.VerifyMAC("relations", h.columns(actor), h.mac); err != nil {
		return fmt.Errorf("relation %s: %w", h.ID, err)
	}
	return nil
}

// columns are the security columns of a home relation, in the order fixed for the table.
func (h *home) columns(actor identity.VaultID) *seal.Columns {
	body := sha256.Sum256(h.sealed)
	return new(seal.Columns).UUID(h.Person.Bytes()).UUID(h.ID.Bytes()).Text("home").Text(string(h.State)).UUID(h.Document.Bytes()).
		Time(h.ValidFrom).Time(h.ValidUntil).Time(h.DecideAfter).UUID(actor.Bytes()).Bytes(body[:])
}

// collectHomes scans rows of sqlHomes and sqlHome.
func collectHomes(rows pgx.Rows, person identity.VaultID) ([]home, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (home, error) {
		h := home{Relation: Relation{Person: person}}
		var until, decide *time.Time
		err := row.Scan(&h.ID, &h.State, &h.Document, &h.ValidFrom, &until, &decide, &h.sealed, &h.mac)
		h.ValidUntil, h.DecideAfter = moment(until), moment(decide)
		return h, err
	})
}

// moment and nullTime carry an absent time to and from a nullable column.
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

// sealedFact is the JSON inside relation_facts.sealed: the whole row as it was after the change, so that the head can be
// rebuilt, and who changed it. Version orders the facts of one relation.
type sealedFact struct {
	sealedRelation
	State       State               `json:"state"`
	Document    identity.DocumentID `json:"document,omitzero"`
	ValidFrom   time.Time           `json:"valid_from"`
	ValidUntil  time.Time           `json:"valid_until,omitzero"`
	DecideAfter time.Time           `json:"decide_after,omitzero"`
	By          string              `json:"by,omitempty"`
}

// fact seals what the relation has become, and by whom, for relation_facts.
func (l *Ledger) fact(k *seal.Keys, h *home, id identity.ObjectID, by string) ([]byte, error) {
	plain, err := json.Marshal(sealedFact{
		sealedRelation: h.inside(), State: h.State, Document: h.Document,
		ValidFrom: h.ValidFrom, ValidUntil: h.ValidUntil, DecideAfter: h.DecideAfter, By: by,
	})
	if err != nil {
		return nil, fmt.Errorf("encode fact of relation %s: %w", h.ID, err)
	}
	sealed, err := k.Seal(seal.Record, factPlace(h.Person, id), plain)
	if err != nil {
		return nil, fmt.Errorf("fact of relation %s: %w", h.ID, err)
	}
	return sealed, nil
}

func factPlace(vault identity.VaultID, fact identity.ObjectID) seal.Place {
	return seal.Place{Table: "relation_facts", Column: "sealed", Vault: vault, Object: fact.Bytes()}
}
