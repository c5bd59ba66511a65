package person

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

var (
	// ErrSameOfficer reports a second word by the officer who gave the first.
	ErrSameOfficer = errors.New("person: the officer who proposed may not confirm")
	// ErrSameOffice reports a word on a frozen recovery by the office that began it.
	ErrSameOffice = errors.New("person: another office has to decide this")
)

// ApprovalLife is how long a proposal waits for the second officer: both saw the person, or the same papers, on one working day.
const ApprovalLife = 24 * time.Hour

// ApprovalKind is what two officers do together (DESIGN §5). Each needs its own right of both.
type ApprovalKind string

const (
	// ApproveLevel raises the level of an account.
	ApproveLevel ApprovalKind = "level"
	// ApproveRecovery begins to replace the ways into an account that were lost.
	ApproveRecovery ApprovalKind = "recovery"
	// ApproveSettlement overrules an objection to a recovery; both officers are of another office than the one that began it.
	ApproveSettlement ApprovalKind = "settlement"
	// ApproveContact adds or ends a contact.
	ApproveContact ApprovalKind = "contact"
	// ApproveUnblock opens a blocked account.
	ApproveUnblock ApprovalKind = "unblock"
	// ApproveRevival takes a reported or confirmed death back.
	ApproveRevival ApprovalKind = "revival"
)

// ApprovalKinds returns the closed set.
func ApprovalKinds() []ApprovalKind {
	return []ApprovalKind{ApproveLevel, ApproveRecovery, ApproveSettlement, ApproveContact, ApproveUnblock, ApproveRevival}
}

// Approval is a proposal of a first officer, waiting for the word of a second.
type Approval struct {
	ID        identity.ObjectID
	Kind      ApprovalKind
	Officer   audit.Officer // who proposed
	Evidence  Evidence
	Level     int           // of ApproveLevel
	Contact   ContactChange // of ApproveContact
	CreatedAt time.Time
	ExpiresAt time.Time
}

// twofold is an act that two officers do together: it is judged when it is proposed and again when it is carried out.
type twofold interface {
	kind() ApprovalKind
	records() audit.Kind
	ground() Evidence
	check() error
	// may judges the act as things stand.
	may(c *scene, by audit.Officer) error
	// queue carries it out, in the hands of the second officer.
	queue(b *pgx.Batch, c *scene, by audit.Actor) error
}

// blank returns an act of a kind to be read into.
func (k ApprovalKind) blank() twofold {
	switch k {
	case ApproveLevel:
		return new(raising)
	case ApproveRecovery:
		return new(recovering)
	case ApproveSettlement:
		return new(settling)
	case ApproveContact:
		return new(contacting)
	case ApproveUnblock:
		return new(unblocking)
	case ApproveRevival:
		return new(reviving)
	}
	return nil
}

const (
	approvalColumns = `approval_id, kind, state, organisation_id, officer_id, digest, coalesce(second_organisation_id, ''),
    coalesce(second_officer_id, ''), sealed, created_at, expires_at, decided_at, mac`

	sqlApprovals = `select vault_id, ` + approvalColumns + ` from approvals where vault_id = $1 and state = 'open' and expires_at > $2 order by created_at, approval_id`

	sqlApproval = `select vault_id, ` + approvalColumns + ` from approvals where vault_id = $1 and approval_id = $2`

	sqlInsertApproval = `insert into approvals
  (vault_id, approval_id, kind, state, organisation_id, officer_id, digest, sealed, created_at, expires_at, mac)
  values ($1, $2, $3, 'open', $4, $5, $6, $7, $8, $9, $10)`

	sqlDecideApproval = `update approvals set state = 'done', second_organisation_id = $4, second_officer_id = $5, decided_at = $6, mac = $7
  where vault_id = $1 and approval_id = $2 and mac = $3 and state = 'open'`
)

type approvalRow struct {
	vault                           identity.VaultID
	id                              identity.ObjectID
	kind                            ApprovalKind
	state                           string
	organisation, officer           string
	digest                          []byte
	secondOrganisation, secondAgent string
	sealed                          []byte
	created, expires                time.Time
	decided                         *time.Time
	mac                             []byte
}

func scanApproval(row pgx.CollectableRow) (approvalRow, error) {
	var a approvalRow
	err := row.Scan(&a.vault, &a.id, &a.kind, &a.state, &a.organisation, &a.officer, &a.digest, &a.secondOrganisation, &a.secondAgent,
		&a.sealed, &a.created, &a.expires, &a.decided, &a.mac)
	return a, err
}

func (a approvalRow) columns() *seal.Columns {
	c := new(seal.Columns).UUID(a.vault.Bytes()).UUID(a.id.Bytes()).Text(string(a.kind)).Text(a.state).Text(a.organisation).Text(a.officer).
		Bytes(a.digest).Text(a.secondOrganisation).Text(a.secondAgent).Time(a.created).Time(a.expires)
	if a.decided == nil {
		return c.Null()
	}
	return c.Time(*a.decided)
}

func (r *Registry) believeApproval(a approvalRow) error {
	if err := r.deployment.VerifyMAC("approvals", a.columns(), a.mac); err != nil {
		return fmt.Errorf("approval %s: %w", a.id, err)
	}
	return nil
}

func approvalPlace(vault identity.VaultID, id identity.ObjectID) seal.Place {
	return seal.Place{Table: "approvals", Column: "sealed", Vault: vault, Object: id.Bytes()}
}

// sealedApproval is what lies in approvals.sealed: who proposed, and what.
type sealedApproval struct {
	Name      string          `json:"name"`
	Post      string          `json:"post,omitempty"`
	Unit      string          `json:"unit,omitempty"`
	Assurance audit.Assurance `json:"assurance"`
	Act       json.RawMessage `json:"act"`
}

func collectApprovals(b *pgx.Batch, into *[]approvalRow, sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, scanApproval)
		return err
	})
}

// propose keeps what a first officer wants until a second one agrees. Proposed again by the same officer it is the same proposal.
func (r *Registry) propose(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, act twofold) (Approval, error) {
	if err := act.check(); err != nil {
		return Approval{}, err
	}
	raw, err := json.Marshal(act)
	if err != nil {
		return Approval{}, err
	}
	what := new(seal.Columns).UUID(vault.Bytes()).Text(string(act.kind())).Bytes(raw)
	var done approvalRow
	err = r.play(ctx, g, by, act.records(), act.ground(), vault,
		func(b *pgx.Batch, c *scene) { collectApprovals(b, &c.approvals, sqlApprovals, vault, r.now()) },
		func(b *pgx.Batch, c *scene) error {
			if err := act.may(c, by.Officer); err != nil {
				return err
			}
			i := slices.IndexFunc(c.approvals, func(a approvalRow) bool {
				return a.kind == act.kind() && a.by(by.Officer) && r.deployment.VerifyMAC("approvals.act", what, a.digest) == nil
			})
			if i >= 0 {
				done = c.approvals[i]
				return errDone
			}
			done = approvalRow{
				vault: vault, id: identity.NewID[identity.ObjectID](), kind: act.kind(), state: "open", organisation: by.Officer.Organisation, officer: by.Officer.ID,
				digest: r.deployment.MAC("approvals.act", what), created: c.now, expires: c.now.Add(ApprovalLife),
			}
			if err := r.queueApproval(b, c, by.Officer, done, raw); err != nil {
				return err
			}
			_, err := r.audit.Queue(b, c.keys, audit.Entry{
				Vault: vault, Kind: audit.ActProposed, Organisation: by.Officer.Organisation, Actor: by, Dossier: act.ground().Reference, Reason: string(act.kind()),
			}, c.now)
			return err
		})
	if err != nil {
		return Approval{}, err
	}
	return Approval{ID: done.id, Kind: done.kind, Officer: by.Officer, Evidence: act.ground(), CreatedAt: done.created, ExpiresAt: done.expires}, nil
}

func (r *Registry) queueApproval(b *pgx.Batch, c *scene, by audit.Officer, a approvalRow, act json.RawMessage) error {
	value, err := json.Marshal(sealedApproval{Name: by.Name.Reveal(), Post: by.Post, Unit: by.Unit, Assurance: by.Assurance, Act: act})
	if err != nil {
		return err
	}
	if a.sealed, err = c.keys.SealMessage(seal.Content, approvalPlace(a.vault, a.id), value); err != nil {
		return err
	}
	b.Queue(sqlInsertApproval, a.vault, a.id, string(a.kind), a.organisation, a.officer, a.digest, a.sealed, a.created, a.expires,
		r.deployment.MAC("approvals", a.columns()))
	return nil
}

// by reports whether an officer is the one who proposed. Two spellings of an id are one officer.
func (a approvalRow) by(o audit.Officer) bool {
	return a.organisation == o.Organisation && strings.EqualFold(a.officer, o.ID)
}

// open reads what was proposed and by whom.
func (a approvalRow) open(keys *seal.Keys) (twofold, audit.Officer, error) {
	value, err := keys.OpenMessage(seal.Content, approvalPlace(a.vault, a.id), a.sealed)
	if err != nil {
		return nil, audit.Officer{}, fmt.Errorf("approval %s: %w", a.id, err)
	}
	var s sealedApproval
	act := a.kind.blank()
	if act == nil || json.Unmarshal(value, &s) != nil || json.Unmarshal(s.Act, act) != nil {
		return nil, audit.Officer{}, fmt.Errorf("approval %s: %w", a.id, seal.ErrSealed)
	}
	name, err := identity.ParseName(s.Name)
	if err != nil {
		return nil, audit.Officer{}, fmt.Errorf("approval %s: %w", a.id, seal.ErrSealed)
	}
	return act, audit.Officer{ID: a.officer, Name: name, Post: s.Post, Organisation: a.organisation, Unit: s.Unit, Assurance: s.Assurance}, nil
}

// Approve is the second officer's word: it carries out what the first one proposed, in one transaction, once. g is the guard of the right for kind.
// Said again by the same officer it is done already. Errors: [ErrNotFound] for a proposal that is not there, is of another kind, over, or was confirmed by
// somebody else; [ErrSameOfficer]; those of the act itself.
func (r *Registry) Approve(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID, kind ApprovalKind, id identity.ObjectID) error {
	blank := kind.blank()
	if blank == nil {
		return ErrNotFound
	}
	return r.play(ctx, g, by, blank.records(), Evidence{}, vault,
		func(b *pgx.Batch, c *scene) { collectApprovals(b, &c.approvals, sqlApproval, vault, id) },
		func(b *pgx.Batch, c *scene) error {
			if len(c.approvals) == 0 || c.approvals[0].kind != kind || by.Officer.ID == "" {
				return ErrNotFound
			}
			a := c.approvals[0]
			switch second := by.Officer; {
			case a.state == "done" && a.secondOrganisation == second.Organisation && strings.EqualFold(a.secondAgent, second.ID):
				return errDone
			case a.state != "open" || !c.now.Before(a.expires):
				return ErrNotFound
			case a.by(second):
				return ErrSameOfficer
			}
			act, _, err := a.open(c.keys)
			if err != nil {
				return err
			}
			if err := act.may(c, by.Officer); err != nil {
				return err
			}
			to := a
			to.state, to.secondOrganisation, to.secondAgent, to.decided = "done", by.Officer.Organisation, by.Officer.ID, &c.now
			one(b, sqlDecideApproval, vault, a.id, a.mac, to.secondOrganisation, to.secondAgent, c.now, r.deployment.MAC("approvals", to.columns()))
			b.Queue(sqlChanged, vault)
			if err := act.queue(b, c, by); err != nil {
				return err
			}
			return r.note(b, c.keys, by, act.records(), act.ground(), nil, c.now)
		})
}
