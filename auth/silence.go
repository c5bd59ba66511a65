package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// silence is a row of silenced: an organisation from which a person wants no question on the phone any more. What it asks otherwise waits in the
// wallet as before.
type silence struct {
	Vault        identity.VaultID
	Organisation string
	Since        time.Time
	State        string
	MAC          []byte
}

const (
	sqlSilence = `insert into silenced (vault_id, organisation_id, since, state, mac) values ($1, $2, $3, $4, $5)
  on conflict (vault_id, organisation_id) do update set since = excluded.since, state = excluded.state, mac = excluded.mac`

	sqlSilenced = `select vault_id, organisation_id, since, state, mac from silenced where vault_id = $1 and ($2 = '' or organisation_id = $2)
  order by organisation_id`

	sqlOrganisationKnown = `select vidan_require(exists (select from organisations where organisation_id = $1), 'not_found')`
)

func (r *silence) columns() *seal.Columns {
	return new(seal.Columns).UUID(r.Vault.Bytes()).Text(r.Organisation).Time(r.Since).Text(r.State)
}

// silences are rows that are read, to be believed after the batch.
type silences struct{ rows []silence }

func queueSilenced(b *pgx.Batch, vault identity.VaultID, organisation string) *silences {
	all := new(silences)
	b.Queue(sqlSilenced, vault, organisation).Query(func(rows pgx.Rows) (err error) {
		all.rows, err = pgx.CollectRows(rows, pgx.RowToStructByPos[silence])
		return err
	})
	return all
}

// stands reports whether one of them is in force. A row that another hand wrote is an error.
func (a *silences) stands(d *seal.Deployment) (bool, error) {
	stands := false
	for i := range a.rows {
		r := &a.rows[i]
		if err := d.VerifyMAC("silenced", r.columns(), r.MAC); err != nil {
			return false, fmt.Errorf("silenced organisation %q: %w", r.Organisation, err)
		}
		stands = stands || r.State == stateActive
	}
	return stands, nil
}

// Silenced is an organisation that asks a person nothing on the phone any more.
type Silenced struct {
	Organisation string
	Since        time.Time
}

// Silenced lists them, by id. g decides whether they may be seen.
func (s *Server) Silenced(ctx context.Context, g pg.Guard, vault identity.VaultID) ([]Silenced, error) {
	b := new(pgx.Batch)
	g.Queue(b)
	all := queueSilenced(b, vault, "")
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return nil, fmt.Errorf("silenced organisations: %w", Refused(err))
	}
	if err := g.Check(); err != nil {
		return nil, err
	}
	if _, err := all.stands(s.deployment); err != nil {
		return nil, err
	}
	list := []Silenced{}
	for _, r := range all.rows {
		if r.State == stateActive {
			list = append(list, Silenced{r.Organisation, r.Since})
		}
	}
	return list, nil
}

// Silence says whether an organisation may ask a person on the phone; saying it again changes nothing but the record. The refusal for one that is
// not registered is not_found. Errors: those of g.
func (s *Server) Silence(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, organisation string, silent bool) error {
	b := new(pgx.Batch)
	g.Queue(b)
	b.Queue(sqlOrganisationKnown, organisation)
	if plainID(organisation) && code(organisation) { // whatever else is written there names nobody, and stands in no record
		if err := s.queueSilence(ctx, b, by, vault, organisation, silent); err != nil {
			return err
		}
	}
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return fmt.Errorf("silence: %w", Refused(err))
	}
	return g.Check()
}

// queueSilence writes it down, and into the record.
func (s *Server) queueSilence(ctx context.Context, b *pgx.Batch, by audit.Actor, vault identity.VaultID, organisation string, silent bool) error {
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, vault)
	if err != nil {
		return fmt.Errorf("silence: %w", err)
	}
	r := &silence{Vault: vault, Organisation: organisation, Since: s.now(), State: stateEnded}
	e := audit.Entry{Vault: vault, Kind: audit.AskingChanged, Actor: by, Organisation: organisation, Reason: "resumed"}
	if silent {
		r.State, e.Reason = stateActive, "stopped"
	}
	b.Queue(sqlSilence, r.Vault, r.Organisation, r.Since, r.State, s.deployment.MAC("silenced", r.columns()))
	_, err = s.people.audit.Queue(b, keys, e, s.calendar())
	return err
}
