package person

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// Agreement says whether two papers tell the same.
type Agreement string

const (
	// Agrees: both tell, and the same.
	Agrees Agreement = "agrees"
	// Differs: both tell, and not the same.
	Differs Agreement = "differs"
	// NotTold: one of them does not tell.
	NotTold Agreement = "not_told"
)

// Checks are what a proposed number was held against; the registrar sees each of them and decides.
type Checks struct {
	Notice    Agreement               `json:"notice"`
	Mother    Agreement               `json:"mother"`
	BirthDate Agreement               `json:"birth_date"`
	Sex       Agreement               `json:"sex"`
	Structure []identity.Disagreement `json:"structure,omitempty"` // digits 4–6 of the number against the date and sex that are held
}

// Claim is what the paper that names a number says of its holder.
type Claim struct {
	Number    identity.PersonalNumber
	Notice    identity.BirthNotice
	Mother    identity.PersonalNumber
	BirthDate identity.PartialDate
	Sex       identity.Sex
}

// Compare holds a claim against what is known of a person.
func Compare(held Profile, c Claim) Checks {
	same := func(told, equal bool) Agreement {
		switch {
		case !told:
			return NotTold
		case equal:
			return Agrees
		}
		return Differs
	}
	return Checks{
		Notice:    same(!held.Notice.IsZero() && !c.Notice.IsZero(), held.Notice == c.Notice),
		Mother:    same(!held.Mother.IsZero() && !c.Mother.IsZero(), held.Mother == c.Mother),
		BirthDate: same(!held.BirthDate.IsZero() && !c.BirthDate.IsZero(), held.BirthDate.Agrees(c.BirthDate)),
		Sex:       same(held.Sex != "" && c.Sex != "", held.Sex == c.Sex),
		Structure: c.Number.Disagreements(held.BirthDate, held.Sex),
	}
}

// Proposal is a number that an organisation gave for somebody whose number is pending (N3).
type Proposal struct {
	ID           identity.ObjectID // given by QueueProposal
	Number       identity.PersonalNumber
	Organisation string
	Document     identity.DocumentID // the paper that names the number
	Checks       Checks
	State        string    // open, bound, refused; given by QueueProposal
	At           time.Time // likewise
}

const (
	sqlInsertProposal = `insert into number_proposals
  (vault_id, proposal_id, prf_key_id, digest, organisation_id, document_id, sealed, created_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8)
  on conflict (vault_id, prf_key_id, digest) do nothing`

	// proposed is true when the proposal of this batch was not known before.
	proposed = `exists (select from number_proposals where vault_id = $1 and proposal_id = $2)`

	sqlBindProposals = `update number_proposals set state = 'bound'
  where vault_id = $1 and prf_key_id = any($2) and digest = any($3) and state = 'open'`

	sqlProposals = `select proposal_id, organisation_id, document_id, state, sealed, created_at from number_proposals
  where vault_id = $1 order by created_at, proposal_id`
)

// sealedProposal is what lies in number_proposals.sealed.
type sealedProposal struct {
	Number string `json:"number"`
	Checks Checks `json:"checks"`
}

func proposalPlace(vault identity.VaultID, id identity.ObjectID) seal.Place {
	return seal.Place{Table: "number_proposals", Column: "sealed", Vault: vault, Object: id.Bytes()}
}

// QueueProposal keeps a proposal and its record in a batch of the caller's, which has locked the vault. A number that was proposed before is
// not proposed again.
func (r *Registry) QueueProposal(b *pgx.Batch, keys *seal.Keys, by audit.Actor, p Proposal, now time.Time) error {
	vault, id := keys.Vault(), identity.NewID[identity.ObjectID]()
	value, err := json.Marshal(sealedProposal{Number: p.Number.Reveal(), Checks: p.Checks})
	if err != nil {
		return err
	}
	sealed, err := keys.SealMessage(seal.Content, proposalPlace(vault, id), value)
	if err != nil {
		return fmt.Errorf("propose a number: %w", err)
	}
	row, err := r.audit.Row(keys, audit.Entry{
		Vault: vault, Kind: audit.NumberProposed, Organisation: p.Organisation, Actor: by, Document: p.Document,
	}, now)
	if err != nil {
		return err
	}
	digest := r.digests(NumberIdentifier(p.Number))[0]
	b.Queue(sqlInsertProposal, vault, id, digest.KeyID, digest.Sum[:], p.Organisation, p.Document, sealed, now)
	row.QueueIf(b, proposed, vault, id)
	return nil
}

// Proposals returns what is known of a person whose number is pending, and every number proposed for them, oldest first. The reading is
// recorded. Errors: [ErrNotFound].
func (r *Registry) Proposals(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID) (Profile, []Proposal, error) {
	keys, err := r.keysOf(ctx, vault)
	if err != nil {
		return Profile{}, nil, fmt.Errorf("proposals of vault %s: %w", vault, err)
	}
	var rows []proposalRow
	b := new(pgx.Batch)
	g.Queue(b)
	reading := r.QueueProfile(b, vault)
	b.Queue(sqlProposals, vault).Query(func(found pgx.Rows) (err error) {
		rows, err = pgx.CollectRows(found, scanProposal)
		return err
	})
	if keys != nil {
		e := audit.Entry{Vault: vault, Kind: audit.ListRead, Organisation: by.Officer.Organisation, Actor: by, Reason: "number_proposals"}
		if _, err := r.audit.Queue(b, keys, e, r.now()); err != nil {
			return Profile{}, nil, err
		}
	}
	if err := pg.Pipeline(ctx, r.pool, b); err != nil {
		return Profile{}, nil, fmt.Errorf("proposals of vault %s: %w", vault, err)
	}
	if err := g.Check(); err != nil {
		return Profile{}, nil, err
	}
	profile, err := reading.Result(keys)
	if err != nil {
		return Profile{}, nil, err
	}
	proposals := make([]Proposal, len(rows))
	for i, row := range rows {
		if proposals[i], err = row.open(keys); err != nil {
			return Profile{}, nil, fmt.Errorf("proposal %s: %w", row.ID, err)
		}
	}
	return profile, proposals, nil
}

type proposalRow struct {
	Proposal
	sealed []byte
}

func scanProposal(row pgx.CollectableRow) (proposalRow, error) {
	var p proposalRow
	err := row.Scan(&p.ID, &p.Organisation, &p.Document, &p.State, &p.sealed, &p.At)
	return p, err
}

func (p proposalRow) open(keys *seal.Keys) (Proposal, error) {
	value, err := keys.OpenMessage(seal.Content, proposalPlace(keys.Vault(), p.ID), p.sealed)
	if err != nil {
		return Proposal{}, err
	}
	var s sealedProposal
	if err := json.Unmarshal(value, &s); err != nil {
		return Proposal{}, seal.ErrSealed
	}
	p.Checks = s.Checks
	p.Number, err = identity.ParsePersonalNumber(s.Number)
	return p.Proposal, err
}
