package auth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// Right is something a mandate may allow beyond its list of types and procedures.
type Right string

// The rights. Those of the registrar are separate (DESIGN §5): who may enrol may not therefore bind.
const (
	RightDeliver   Right = "deliver"    // deliver results
	RightOpenVault Right = "open_vault" // open a vault for a newborn without a number (RESULTS §2 rule 4)
	RightRequest   Right = "request"    // ask for consent, and redeem what was granted
	RightResolve   Right = "resolve"    // decide on quarantined results held by the organisation
	RightEnrol     Right = "enrol"
	RightLevel     Right = "level"
	RightBind      Right = "bind" // bind, end and join
	RightContact   Right = "contact"
	RightRecover   Right = "recover"
	RightDeath     Right = "death"
	RightRelation  Right = "relation"
)

// Rights returns the closed set in the order of this file.
func Rights() []Right {
	return []Right{
		RightDeliver, RightOpenVault, RightRequest, RightResolve,
		RightEnrol, RightLevel, RightBind, RightContact, RightRecover, RightDeath, RightRelation,
	}
}

// AllUnits among the units of a mandate means the whole organisation.
const AllUnits = "*"

// Mandate says that a client acts for an organisation: for these units, document types, procedures, relations and rights,
// within these dates. Nothing is implied: a list that is empty allows nothing of its kind.
type Mandate struct {
	ID            identity.ObjectID
	Client        string
	Organisation  string
	Units         []string
	DocumentTypes []string
	Procedures    []string
	Relations     []string // kinds of relation that take effect at once on this issuer's word (DESIGN §6)
	Rights        []Right
	From, Until   time.Time
}

// mandateRow is a row of mandates in the order of its columns, which is that of its MAC.
type mandateRow struct {
	ID            identity.ObjectID
	Client        string
	Organisation  string
	Units         []string
	DocumentTypes []string
	Procedures    []string
	Relations     []string
	Rights        []string
	From, Until   time.Time
	State         string
	MAC           []byte
}

func (r *mandateRow) columns() *seal.Columns {
	return new(seal.Columns).UUID(r.ID.Bytes()).Text(r.Client).Text(r.Organisation).Texts(r.Units).Texts(r.DocumentTypes).
		Texts(r.Procedures).Texts(r.Relations).Texts(r.Rights).Time(r.From).Time(r.Until).Text(r.State)
}

func (r *mandateRow) verify(d *seal.Deployment) error {
	if err := d.VerifyMAC("mandates", r.columns(), r.MAC); err != nil {
		return fmt.Errorf("mandate %s: %w", r.ID, err)
	}
	return nil
}

const (
	sqlInsertMandate = `
insert into mandates (mandate_id, client_id, organisation_id, units, document_types, procedures, relations, rights,
  valid_from, valid_until, state, mac)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'active', $11)`

	sqlLockMandate = `
select mandate_id, client_id, organisation_id, units, document_types, procedures, relations, rights, valid_from, valid_until,
  state, mac
from mandates where mandate_id = $1 for update`

	sqlEndMandate = `update mandates set state = 'ended', mac = $2 where mandate_id = $1`
)

// AddMandate registers a mandate under a new id; m.ID is not read.
func (d *Directory) AddMandate(ctx context.Context, m Mandate) (identity.ObjectID, error) {
	if err := m.check(); err != nil {
		return identity.ObjectID{}, fmt.Errorf("mandate of client %q: %w", m.Client, err)
	}
	row := mandateRow{
		ID: identity.NewID[identity.ObjectID](), Client: m.Client, Organisation: m.Organisation, Units: nonNil(m.Units),
		DocumentTypes: nonNil(m.DocumentTypes), Procedures: nonNil(m.Procedures), Relations: nonNil(m.Relations),
		Rights: make([]string, len(m.Rights)), From: m.From, Until: m.Until, State: stateActive,
	}
	for i, right := range m.Rights {
		row.Rights[i] = string(right)
	}
	err := d.insert(ctx, "mandate", row.ID.String(), sqlInsertMandate, row.ID, row.Client, row.Organisation, row.Units,
		row.DocumentTypes, row.Procedures, row.Relations, row.Rights, row.From, row.Until, d.deployment.MAC("mandates", row.columns()))
	return row.ID, err
}

func (m Mandate) check() error {
	if !plainID(m.Client) || !plainID(m.Organisation) || len(m.Units) == 0 || !m.From.Before(m.Until) {
		return fmt.Errorf("client, organisation, units or dates: %w", ErrRegistration)
	}
	for _, list := range [][]string{m.Units, m.DocumentTypes, m.Procedures, m.Relations} {
		if !distinct(list) || slices.ContainsFunc(list, func(s string) bool { return !code(s) }) {
			return fmt.Errorf("lists: %w", ErrRegistration)
		}
	}
	for _, right := range m.Rights {
		if !slices.Contains(Rights(), right) {
			return fmt.Errorf("right %q: %w", right, ErrRegistration)
		}
	}
	return nil
}

// EndMandate ends a mandate at the next operation, in every process.
func (d *Directory) EndMandate(ctx context.Context, id identity.ObjectID) error {
	err := pg.InTx(ctx, d.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlLockMandate, id)
		if err != nil {
			return err
		}
		row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[mandateRow])
		if err != nil {
			return absentRow(err)
		}
		if err := row.verify(d.deployment); err != nil {
			return err
		}
		if row.State == stateEnded {
			return nil
		}
		row.State = stateEnded
		tag, err := tx.Exec(ctx, sqlEndMandate, id, d.deployment.MAC("mandates", row.columns()))
		return one(tag.RowsAffected(), err)
	})
	if err != nil {
		return fmt.Errorf("end mandate %s: %w", id, err)
	}
	return nil
}
