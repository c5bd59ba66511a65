package person

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// ErrCursor reports a cursor that this package did not make, or not for this sector.
var ErrCursor = errors.New("person: not a cursor")

const (
	sqlInsertVault = `insert into vaults (vault_id, created_at) values ($1, $2)`

	sqlInsertPerson = `insert into people
  (vault_id, level, kind, preferred_channel, sealed_profile, created_at, changed_at)
  values ($1, $2, $3, $4, $5, $6, $6)`

	// sqlPending walks people_pending and stops at the limit, however many wait.
	sqlPending = `select p.vault_id, p.created_at,
    (select array_agg(n.organisation_id order by n.created_at) from number_proposals n where n.vault_id = p.vault_id and n.state = 'open')
  from people p
  where p.kind = 'pending' and (p.created_at, p.vault_id) > ($1, $2)
    and exists (select from vaults v where v.vault_id = p.vault_id and v.state = 'open')
  order by p.created_at, p.vault_id limit $3`
)

// NewPending is a newborn whose birth certificate came before their number (docs/RESULTS.md §2, rule 4).
type NewPending struct {
	Keys        *seal.Keys        // of seal.NewVault
	Rows        []seal.WrappedKey // likewise
	Identifiers []Identifier      // birth notice, register entry; at least one, no personal number (N3)
	Profile     Profile           // Name, BirthDate, Sex, Mother, Notice as the certificate has them
	Evidence    string            // reference of the delivery, for the seal
}

// QueueOpenPending opens a vault in a batch of the caller's, which also stores and records the paper that opens it. The batch fails with [CodeKnown] when
// somebody was faster with one of the identifiers. Results that wait under them are woken. Errors: [ErrRegistrarOnly], [ErrIdentifier].
func (r *Registry) QueueOpenPending(b *pgx.Batch, p NewPending, now time.Time) error {
	if len(p.Identifiers) == 0 {
		return ErrIdentifier
	}
	if err := r.queueNotices(b, p.Identifiers); err != nil {
		return err
	}
	p.Profile.Level = 0
	sealed, err := sealProfile(p.Keys, p.Profile)
	if err != nil {
		return fmt.Errorf("open a pending vault: %w", err)
	}
	vault := p.Keys.Vault()
	b.Queue(sqlInsertVault, vault, now)
	seal.QueueVaultKeys(b, p.Rows, now)
	b.Queue(sqlInsertPerson, vault, 0, string(Pending), string(NoChannel), sealed, now)
	return r.queueAll(b, vault, p.Identifiers, Evidence{SignedResult, p.Evidence}, now)
}

// QueueIdentifiers makes further notices or register entries lead to a vault whose paper names them; the caller has locked that vault. The batch fails
// with [CodeKnown] when one of them leads to somebody. Errors: [ErrRegistrarOnly], [ErrIdentifier].
func (r *Registry) QueueIdentifiers(b *pgx.Batch, vault identity.VaultID, ids []Identifier, reference string, now time.Time) error {
	if err := r.queueNotices(b, ids); err != nil {
		return err
	}
	return r.queueAll(b, vault, ids, Evidence{SignedResult, reference}, now)
}

// queueNotices checks and locks identifiers that are about to become known by a paper.
func (r *Registry) queueNotices(b *pgx.Batch, ids []Identifier) error {
	for _, id := range ids {
		switch {
		case id.IsZero():
			return ErrIdentifier
		case id.kind == seal.PersonalNumber:
			return ErrRegistrarOnly
		}
	}
	r.QueueStillUnknown(b, ids)
	return nil
}

func (r *Registry) queueAll(b *pgx.Batch, vault identity.VaultID, ids []Identifier, ev Evidence, now time.Time) error {
	for _, id := range ids {
		if err := r.queueIdentifier(b, vault, id, ev, now); err != nil {
			return fmt.Errorf("identifier of vault %s: %w", vault, err)
		}
	}
	return nil
}

// PendingPerson is somebody whose number is pending, as the registrar's work list shows them: nothing of it is personal.
type PendingPerson struct {
	Vault     identity.VaultID
	Since     time.Time
	Proposers []string // organisations with an open proposal, oldest first
}

// MaxPending is the largest page of the work list.
const MaxPending = 100

// Pending lists people whose number is pending, oldest first, and the cursor of the next page, empty behind the last. Cursors belong to one sector.
func (r *Registry) Pending(ctx context.Context, g pg.Guard, sector, cursor string, limit int) (page []PendingPerson, next string, err error) {
	since, vault, err := r.openCursor(sector, cursor)
	if err != nil {
		return nil, "", err
	}
	limit = min(max(limit, 1), MaxPending)
	b := new(pgx.Batch)
	g.Queue(b)
	b.Queue(sqlPending, since, vault, limit).Query(func(rows pgx.Rows) (err error) {
		page, err = pgx.CollectRows(rows, pgx.RowToStructByPos[PendingPerson])
		return err
	})
	if err := pg.Pipeline(ctx, r.pool, b); err != nil {
		return nil, "", fmt.Errorf("list pending people: %w", err)
	}
	if err := g.Check(); err != nil {
		return nil, "", err
	}
	if len(page) == limit {
		next = r.cursor(sector, page[limit-1])
	}
	return page, next, nil
}

// The cursor is the last row's place in the order, sealed for its sector: a vault id never leaves as it is.
const cursorKind = "pending-page"

func (r *Registry) cursor(sector string, last PendingPerson) string {
	vault := last.Vault.Bytes()
	return r.deployment.Ref(sector, cursorKind, append(binary.BigEndian.AppendUint64(nil, uint64(last.Since.UnixMicro())), vault[:]...))
}

func (r *Registry) openCursor(sector, cursor string) (time.Time, identity.VaultID, error) {
	if cursor == "" {
		// Before everybody: no vault has this id, and the zero one would be sent as null.
		return time.Unix(0, 0), identity.FromBytes[identity.VaultID]([16]byte{15: 1}), nil
	}
	raw, err := r.deployment.OpenRef(sector, cursorKind, cursor)
	if err != nil || len(raw) != 24 {
		return time.Time{}, identity.VaultID{}, ErrCursor
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(raw))), identity.FromBytes[identity.VaultID]([16]byte(raw[8:])), nil
}
