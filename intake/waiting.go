package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/procedure"
	"vidan/seal"
	"vidan/wallet"
)

// Periods of the waiting room.
const (
	// waitingFor is how long a result may wait for its number before a person looks at it.
	waitingFor = 30 * 24 * time.Hour
	// sharesWait is how many years a share may wait for its person: nothing about it is ambiguous, and the paper is stored.
	sharesWait = 100
)

const (
	sqlInsertWaiting = `insert into waiting_results
  (waiting_id, organisation_id, client_id, result_id, document_id, revision, sealed, received_at, deadline)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	sqlInsertWaitingIdentifiers = `insert into waiting_identifiers (prf_key_id, digest, waiting_id)
  select k.key_id, k.digest, $3 from unnest($1::int[], $2::bytea[]) as k(key_id, digest)`

	// sqlWaitingPaper finds a waiting result of a paper: who names a person by that paper means whomever it waits for.
	sqlWaitingPaper = `select waiting_id, sealed from waiting_results
  where document_id = $1 and state = 'waiting' order by received_at, waiting_id limit 1`

	// sqlStillWaiting lets one of several who take the same result out go on.
	sqlStillWaiting = `select vidan_require((select state from waiting_results where waiting_id = $1 for update) = 'waiting', 'applied_already')`

	// sqlLeave empties what has left: its message is no longer kept here.
	sqlLeave = `update waiting_results set state = $2, sealed = ''::bytea where waiting_id = $1`
)

// codeApplied is the refusal of whoever comes second.
const codeApplied = "applied_already"

// errStillUnknown: a waiting result was woken, and its person is still not known.
var errStillUnknown = errors.New("intake: still unknown")

// kept is what lies sealed in the waiting room and in quarantine: a message with what its mandate allowed when it came, or a share.
type kept struct {
	Message string   `json:"message,omitempty"`
	OpenBy  bool     `json:"open_vault,omitempty"`
	Covers  []string `json:"relations,omitempty"`
	Under   []lead   `json:"under,omitempty"` // what leads to its person
	Share   *share   `json:"share,omitempty"` // Under is then the number of whom it is for
}

func waitingPlace(id identity.ObjectID) seal.Place {
	return seal.Place{Table: "waiting_results", Column: "sealed", Object: id.Bytes()}
}

func (a *arrival) kept(leads []lead) kept {
	return kept{Message: string(a.message), OpenBy: a.openBy, Covers: a.covers, Under: leads}
}

func (in *Intake) sealKept(at seal.Place, k kept) ([]byte, error) {
	value, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	return in.deployment.SealMessage(seal.Waiting, at, value)
}

func (in *Intake) openKept(at seal.Place, sealed []byte) (kept, error) {
	var k kept
	value, err := in.deployment.OpenMessage(seal.Waiting, at, sealed)
	if err == nil && json.Unmarshal(value, &k) != nil {
		err = seal.ErrSealed
	}
	return k, err
}

// arrivalOf reads a kept message again.
func (in *Intake) arrivalOf(k kept, client string, received time.Time) (*arrival, error) {
	parts := strings.Split(k.Message, ".")
	if len(parts) != 3 {
		return nil, seal.ErrSealed
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, seal.ErrSealed
	}
	a, err := in.readAgain(payload, received)
	if err != nil {
		return nil, err
	}
	a.message, a.sha, a.client = []byte(k.Message), sha256.Sum256(payload), client
	a.openBy, a.covers, a.under = k.OpenBy, k.Covers, k.Under
	return a, nil
}

// wait puts an arrival into the waiting room, under everything that may lead to its person, and under the number of a second person it is about,
// who gets their copy without waiting for the first. The batch fails when one of them, or the paper, became known (R8); whatever makes one
// known from then on wakes what waits for it, in the same transaction.
func (in *Intake) wait(ctx context.Context, a *arrival, w *world, now time.Time) (Answer, error) {
	if !a.waiting.IsZero() {
		return Answer{}, in.copyWaiting(ctx, a, w, now)
	}
	if len(w.leads) == 0 {
		return Answer{}, refUnknown() // its paper waits for nobody in particular
	}
	answer, err := in.sign(a, w, nil, now)
	if err != nil {
		return Answer{}, err
	}
	ids := identifiers(w.leads)
	var known bool
	for _, r := range w.relatives {
		if r.reason != procedure.ReasonCoSubject {
			continue
		}
		if r.found.Vault.IsZero() {
			ids = append(ids, person.NumberIdentifier(r.number))
		}
		known = known || !r.found.Vault.IsZero()
	}
	b := new(pgx.Batch)
	in.people.QueueStillUnknown(b, ids)
	b.Queue(sqlLockPaper, lockOf(a.id))
	b.Queue(sqlPaperUnknown, a.id)
	queueInsertReceipt(b, a, answer, now)
	id, err := in.queueWaiting(b, a, a.kept(w.leads), ids, now.Add(waitingFor), now)
	if err != nil {
		return Answer{}, err
	}
	if known {
		delivery.Queue(b, delivery.Task{Kind: KindApply, Organisation: a.Organisation, Args: applyArgs(id)}, now)
	}
	return answer, pg.Pipeline(ctx, in.pool, b)
}

// queueWaiting adds a row to the waiting room under identifiers that the batch knows to be unknown.
func (in *Intake) queueWaiting(b *pgx.Batch, a *arrival, k kept, ids []person.Identifier, deadline, now time.Time) (identity.ObjectID, error) {
	id := identity.NewID[identity.ObjectID]()
	sealed, err := in.sealKept(waitingPlace(id), k)
	if err != nil {
		return id, err
	}
	b.Queue(sqlInsertWaiting, id, a.Organisation, a.client, a.ResultID, a.id, a.Revision, sealed, now, deadline)
	keys, sums := digestArgs(in.people.Digests(ids))
	b.Queue(sqlInsertWaitingIdentifiers, keys, sums, id)
	return id, nil
}

// digestArgs are digests as two arrays, each once.
func digestArgs(digests []seal.Digest) (keys []int32, sums [][]byte) {
	for i, digest := range digests {
		if !slices.Contains(digests[:i], digest) {
			keys, sums = append(keys, digest.KeyID), append(sums, digests[i].Sum[:])
		}
	}
	return keys, sums
}

func (in *Intake) queueWaitingShare(b *pgx.Batch, a *arrival, s share, number identity.PersonalNumber, now time.Time) error {
	k := kept{Share: &s, Under: []lead{{number: number}}}
	_, err := in.queueWaiting(b, a, k, identifiers(k.Under), now.AddDate(sharesWait, 0, 0), now)
	return err
}

// queueLeave takes a row out of the waiting room, once.
func queueLeave(b *pgx.Batch, id identity.ObjectID, state string) {
	b.Queue(sqlStillWaiting, id)
	b.Queue(sqlLeave, id, state)
}

// waitingPaper is a waiting result of a paper.
type waitingPaper struct {
	id     identity.ObjectID
	sealed []byte
}

func queueWaitingPaper(b *pgx.Batch, paper identity.DocumentID) *waitingPaper {
	found := new(waitingPaper)
	b.Queue(sqlWaitingPaper, paper).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&found.id, &found.sealed)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return found
}

// copyWaiting seals a paper that still waits for its first person into the vault of the second, who is known. It may run again, and
// after it the result still waits.
func (in *Intake) copyWaiting(ctx context.Context, a *arrival, w *world, now time.Time) error {
	i := slices.IndexFunc(w.relatives, func(r relative) bool {
		return r.reason == procedure.ReasonCoSubject && !r.found.Vault.IsZero()
	})
	if i < 0 {
		return errStillUnknown
	}
	second := w.relatives[i]
	keys, err := in.vaults.OpenOne(ctx, in.pool, second.found.Vault)
	if err != nil {
		return err
	}
	b := new(pgx.Batch)
	in.wallet.QueueLock(b, keys.Vault())
	if err := in.wallet.QueueRevise(b, keys, a.revision(keys.Vault(), second.role), now); err != nil {
		return err
	}
	if err := in.queueStored(b, a, keys, now); err != nil {
		return err
	}
	if err := pg.Pipeline(ctx, in.pool, b); err != nil {
		return in.sameCopy(ctx, a, keys.Vault(), err)
	}
	return errStillUnknown
}

const sqlCopied = `select payload_sha256 from document_revisions where vault_id = $1 and document_id = $2 and revision = $3`

// sameCopy accepts that the second person has this very revision already.
func (in *Intake) sameCopy(ctx context.Context, a *arrival, vault identity.VaultID, cause error) error {
	var twice *pg.Duplicate
	if !errors.As(cause, &twice) || twice.Constraint != wallet.KeyRevision {
		return cause
	}
	var sha []byte
	if err := in.pool.QueryRow(ctx, sqlCopied, vault, a.id, a.Revision).Scan(&sha); err != nil {
		return pg.Classify(err)
	}
	if !bytes.Equal(sha, a.sha[:]) {
		return fmt.Errorf("copy of paper %s: another revision of this number is there", a.id)
	}
	return errStillUnknown
}
