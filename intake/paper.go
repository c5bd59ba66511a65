package intake

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/consent"
	"vidan/identity"
	"vidan/seal"
)

// paper is where a paper is at home, for ever: the vault that its first stored revision went to. It leads to a person (RESULTS §2 rule 3),
// so that it is believed only under its MAC.
type paper struct {
	id           identity.DocumentID
	vault        identity.VaultID // zero: at home nowhere
	organisation string
	second       identity.DocumentID // keyed name of the second person it is about, zero for none
	created      time.Time
	mac          []byte
}

const (
	// codePaperKnown is the refusal of a batch that took a paper for being at home nowhere.
	codePaperKnown = "paper_known"
	// codeNewer is the refusal of a batch that took its revision for the newest.
	codeNewer = "newer_held"

	sqlPaper = `select vault_id, organisation_id, second, created_at, mac from papers where document_id = $1`

	// sqlInsertPaper gives a paper its home. It takes the lock of the paper, so that no result begins to wait for the paper meanwhile and is
	// missed by sqlWakePaper.
	sqlInsertPaper = `insert into papers (document_id, vault_id, organisation_id, second, created_at, mac)
  select $1, $2, $3, $4, $5, $6 from pg_advisory_xact_lock($7) as locked`

	// sqlWakePaper hands every result of a paper that waits to [Intake.Apply]: it may find its person by the paper now, or names somebody else.
	sqlWakePaper = `insert into outbox (outbox_id, kind, organisation_id, args, created_at, not_before)
  select gen_random_uuid(), 'waiting.apply', w.organisation_id, jsonb_build_object('waiting_id', w.waiting_id), $2, $2
  from waiting_results w where w.document_id = $1 and w.state = 'waiting'`

	sqlLockPaper = `select pg_advisory_xact_lock($1)`

	sqlPaperUnknown = `select vidan_require(not exists (select from papers where document_id = $1), 'paper_known')`

	// sqlStillNewest: $1 paper, $2 revision. The vault is locked by now.
	sqlStillNewest = `select vidan_require(not exists (
  select from papers p join document_revisions d on d.document_id = p.document_id
  where p.document_id = $1 and d.revision > $2 and d.vault_id in ` + shelves + `), 'newer_held')`
)

func (p *paper) columns() *seal.Columns {
	return consent.PaperColumns(p.id, p.vault, p.organisation, p.second, p.created)
}

// believe checks a paper that was found.
func (in *Intake) believe(p paper) error {
	if p.vault.IsZero() {
		return nil
	}
	if err := in.deployment.VerifyMAC("papers", p.columns(), p.mac); err != nil {
		return fmt.Errorf("paper %s: %w", p.id, err)
	}
	return nil
}

// queue reads where a paper is at home.
func (p *paper) queue(b *pgx.Batch) {
	b.Queue(sqlPaper, p.id).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&p.vault, &p.organisation, &p.second, &p.created, &p.mac)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
}

// queuePaper makes the vault the home of the arrival's paper, unless it has one, and wakes what waits for it. A paper that got another home
// meanwhile fails the batch by its key.
func (in *Intake) queuePaper(b *pgx.Batch, a *arrival, w *world, vault identity.VaultID, now time.Time) {
	if !w.paper.vault.IsZero() {
		return
	}
	p := paper{id: a.id, vault: vault, organisation: a.Organisation, second: a.second, created: now}
	b.Queue(sqlInsertPaper, p.id, p.vault, p.organisation, p.second, p.created, in.deployment.MAC("papers", p.columns()), lockOf(p.id))
	b.Queue(sqlWakePaper, p.id, now)
}

// lockOf is the advisory lock of a paper. Papers are named by a keyed function, as digests of identifiers are made, so that the two kinds
// of lock do not meet but by a chance of one in 2⁶⁰.
func lockOf(id identity.DocumentID) int64 {
	b := id.Bytes()
	return int64(binary.BigEndian.Uint64(b[:8]))
}
