package person

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

var (
	// ErrSameIssuer reports a death that is confirmed by the office that reported it.
	ErrSameIssuer = errors.New("person: another issuer than the reporter has to confirm a death")
	// ErrTooEarly reports a death that is confirmed before the person had [DeathWait] to say that they live.
	ErrTooEarly = errors.New("person: the person still has time to say that they live")
)

// DeathWait is how long somebody who was reported dead can say that they live before the death is confirmed.
const DeathWait = 7 * 24 * time.Hour

// Events that tell the office which reported a death what became of it.
const (
	// EventDeathDenied: the person said that they live.
	EventDeathDenied = "death.denied"
	// EventDeathReversed: two officers took the report, or the confirmed death, back.
	EventDeathReversed = "death.reversed"
)

// states of a report (death_reports.state): reported → confirmed | denied | reversed, confirmed → reversed.
const (
	deathReported  = "reported"
	deathConfirmed = "confirmed"
	deathDenied    = "denied"
	deathReversed  = "reversed"
)

const (
	deathColumns = `vault_id, report_id, state, organisation_id, reported_at, decided_at, sealed, mac`

	sqlOpenReport = `select ` + deathColumns + ` from death_reports where vault_id = $1 and state in ('reported', 'confirmed')`

	sqlInsertReport = `insert into death_reports (` + deathColumns + `) values ($1, $2, 'reported', $3, $4, null, $5, $6)`

	sqlMoveReport = `update death_reports set state = $4, decided_at = $5, mac = $6 where vault_id = $1 and report_id = $2 and mac = $3`

	sqlSetLife = `update people set life = $3, changed_at = $4 where vault_id = $1 and life = $2`
)

type deathRow struct {
	vault    identity.VaultID
	id       identity.ObjectID
	state    string
	office   string
	reported time.Time
	decided  *time.Time
	sealed   []byte
	mac      []byte
}

// sealedDeath is what lies in death_reports.sealed: on what ground, and by whose ids the office that reported knows the person.
type sealedDeath struct {
	Evidence Evidence `json:"evidence"`
	Sector   string   `json:"sector"`
}

func scanDeath(row pgx.CollectableRow) (deathRow, error) {
	var d deathRow
	err := row.Scan(&d.vault, &d.id, &d.state, &d.office, &d.reported, &d.decided, &d.sealed, &d.mac)
	return d, err
}

func (d deathRow) columns() *seal.Columns {
	c := new(seal.Columns).UUID(d.vault.Bytes()).UUID(d.id.Bytes()).Text(d.state).Text(d.office).Time(d.reported)
	if d.decided == nil {
		return c.Null()
	}
	return c.Time(*d.decided)
}

func (r *Registry) believeDeath(d deathRow) error {
	if err := r.deployment.VerifyMAC("death_reports", d.columns(), d.mac); err != nil {
		return fmt.Errorf("report %s: %w", d.id, err)
	}
	return nil
}

func deathPlace(vault identity.VaultID, id identity.ObjectID) seal.Place {
	return seal.Place{Table: "death_reports", Column: "sealed", Vault: vault, Object: id.Bytes()}
}

// ReportDeath keeps the report of a death (báo tử): from the next request on nothing is done in the person's name and nobody redeems what they allowed,
// and all their contacts are told. They keep one action, [Registry.Alive]. sector is that of the office, for the event that tells it what became of the report.
// Reported again by the same office it is one report. Errors: [ErrState] when it was reported by another; [ErrEvidence]; [ErrNotFound].
func (r *Registry) ReportDeath(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, sector string, ev Evidence) error {
	if err := ev.check(); err != nil {
		return err
	}
	return r.play(ctx, g, by, audit.DeathReported, ev, vault, nil, func(b *pgx.Batch, c *scene) error {
		switch standing, reported := c.report(); {
		case reported && standing.office == by.Officer.Organisation:
			return errDone
		case reported || c.person.life != Alive:
			return ErrState
		}
		row := deathRow{vault: vault, id: identity.NewID[identity.ObjectID](), state: deathReported, office: by.Officer.Organisation, reported: c.now}
		value, err := json.Marshal(sealedDeath{Evidence: ev, Sector: sector})
		if err != nil {
			return err
		}
		if row.sealed, err = c.keys.SealMessage(seal.Record, deathPlace(vault, row.id), value); err != nil {
			return err
		}
		b.Queue(sqlChanged, vault)
		b.Queue(sqlInsertReport, vault, row.id, row.office, row.reported, row.sealed, r.deployment.MAC("death_reports", row.columns()))
		one(b, sqlSetLife, vault, string(Alive), string(DeathReported), c.now)
		if err := c.tell(b, delivery.DeathReported); err != nil {
			return err
		}
		return c.record(b, by, audit.DeathReported, deathReported, ev.Reference)
	})
}

// ConfirmDeath confirms a reported death by an extract of the register (trích lục khai tử) that another office than the reporter holds, [DeathWait] after
// the report: the account locks, every sign-in ends, and contacts registered to the dead are suspended for all who list them. Confirmed again it is done.
// Errors: [ErrSameIssuer]; [ErrTooEarly]; [ErrState] when no report stands; [ErrEvidence]; [ErrNotFound].
func (r *Registry) ConfirmDeath(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, ev Evidence) error {
	if err := ev.check(); err != nil {
		return err
	}
	if ev.Basis != CivilRegister && ev.Basis != CourtDecision {
		return ErrEvidence
	}
	return r.play(ctx, g, by, audit.DeathReported, ev, vault, nil, func(b *pgx.Batch, c *scene) error {
		row, reported := c.report()
		switch {
		case reported && row.state == deathConfirmed:
			return errDone
		case !reported:
			return ErrState
		case row.office == by.Officer.Organisation:
			return ErrSameIssuer
		case c.now.Before(row.reported.Add(DeathWait)):
			return ErrTooEarly
		}
		b.Queue(sqlChanged, vault)
		if err := r.queueMoveReport(b, c, row, deathConfirmed); err != nil {
			return err
		}
		one(b, sqlSetLife, vault, string(DeathReported), string(Dead), c.now)
		b.Queue(sqlEndSessions, vault, c.now)
		delivery.Queue(b, delivery.Task{Kind: KindBereaved, Vault: vault}, c.now)
		return c.record(b, by, audit.DeathReported, deathConfirmed, ev.Reference)
	})
}

// queueMoveReport changes a report that is still as it was read.
func (r *Registry) queueMoveReport(b *pgx.Batch, c *scene, from deathRow, state string) error {
	to := from
	to.state, to.decided = state, &c.now
	one(b, sqlMoveReport, from.vault, from.id, from.mac, state, c.now, r.deployment.MAC("death_reports", to.columns()))
	return nil
}

// queueTellOffice tells the office that reported a death what became of it, under its own name for the person.
func (r *Registry) queueTellOffice(b *pgx.Batch, c *scene, row deathRow, kind string) error {
	value, err := c.keys.OpenMessage(seal.Record, deathPlace(row.vault, row.id), row.sealed)
	if err != nil {
		return fmt.Errorf("report %s: %w", row.id, err)
	}
	var s sealedDeath
	if err := json.Unmarshal(value, &s); err != nil {
		return fmt.Errorf("report %s: %w", row.id, seal.ErrSealed)
	}
	delivery.QueueEvent(b, row.office, kind, struct {
		Person string `json:"person"`
	}{r.Ref(s.Sector, row.vault)}, c.now)
	return nil
}

// Alive is the one thing that somebody who was reported dead can do: the report fails, everything is as it was, and the office that made it is told. g is the
// guard of a session that lets through those who were reported dead, and nobody else. For somebody of whom nothing is reported it does nothing.
// Errors: [ErrState] when the death is confirmed: then it takes two officers.
func (r *Registry) Alive(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID) error {
	return r.play(ctx, g, by, audit.DeathReported, Evidence{}, vault, nil, func(b *pgx.Batch, c *scene) error {
		row, reported := c.report()
		switch {
		case c.person.life == Alive:
			return errDone
		case c.person.life == Dead || !reported:
			return ErrState
		}
		b.Queue(sqlChanged, vault)
		if err := r.queueRevive(b, c, row, deathDenied, EventDeathDenied); err != nil {
			return err
		}
		return c.record(b, by, audit.DeathReported, deathDenied, "")
	})
}

func (r *Registry) queueRevive(b *pgx.Batch, c *scene, row deathRow, state, event string) error {
	if err := r.queueMoveReport(b, c, row, state); err != nil {
		return err
	}
	one(b, sqlSetLife, c.vault, string(c.person.life), string(Alive), c.now)
	return r.queueTellOffice(b, c, row, event)
}

// reviving takes a death back.
type reviving struct {
	Evidence Evidence `json:"evidence"`
}

func (*reviving) kind() ApprovalKind  { return ApproveRevival }
func (*reviving) records() audit.Kind { return audit.DeathReported }
func (a *reviving) ground() Evidence  { return a.Evidence }
func (a *reviving) check() error      { return a.Evidence.check() }

func (a *reviving) may(c *scene, _ audit.Officer) error {
	if _, reported := c.report(); !reported || c.person.life == Alive {
		return ErrState
	}
	return nil
}

func (a *reviving) queue(b *pgx.Batch, c *scene, _ audit.Actor) error {
	row, _ := c.report()
	return c.r.queueRevive(b, c, row, deathReversed, EventDeathReversed)
}

// Revive proposes to take a reported or confirmed death back; a second officer does it. Errors: [ErrState] when no death is reported; [ErrEvidence];
// [ErrNotFound].
func (r *Registry) Revive(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, ev Evidence) (Approval, error) {
	return r.propose(ctx, g, by, vault, &reviving{Evidence: ev})
}
