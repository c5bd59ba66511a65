package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/auth"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/wallet"
)

// ResultType is the typ of a result (docs/RESULTS.md §1.1).
const ResultType = "vidan-result+jwt"

// Call is who delivers, and whether the proof of the request is still to be used up: the first of several results in one request
// does that.
type Call struct {
	Principal *auth.Principal
	First     bool
	Trace     string
}

// visit is a call under way. The first of its batches that commits uses up the proof; a batch that is refused uses nothing up.
type visit struct {
	Call
	used bool
}

// guard is the guard of the visit's next batch, with whatever else has to be asked.
func (v *visit) guard(more ...pg.Guard) pg.Guard {
	g := v.Principal.Standing()
	if v.First && !v.used {
		g = v.Principal.Guard()
	}
	return passing{pg.All(append([]pg.Guard{g}, more...)...), v}
}

type passing struct {
	pg.Guard
	v *visit
}

// Check is called after a batch that committed.
func (p passing) Check() error {
	p.v.used = true
	return p.Guard.Check()
}

// races is how often an arrival that lost a race looks again before it gives up.
const races = 5

// Accept takes one result. Errors: [ErrSignature]; *[Invalid]; [ErrResultIDReused]; [auth.ErrMandate] and what the guards of the principal
// refuse; [ErrBusy]; audit.ErrRecord, seal.ErrKeysUnavailable and those of the database, after which the same bytes may be sent again.
// A refusal after the signature verified is recorded. It costs two round trips: look and store.
func (in *Intake) Accept(ctx context.Context, call Call, compact string) (Answer, error) {
	v := &visit{Call: call}
	payload, _, err := in.auth.Verifier().Verify(compact, call.Principal.Keys(ctx), ResultType)
	if err != nil {
		return Answer{}, in.unsigned(ctx, v, err)
	}
	sha := sha256.Sum256(payload)
	a, err := in.read(payload, in.now())
	if err != nil {
		return Answer{}, in.refuse(ctx, v, "", sha, err)
	}
	a.message, a.sha, a.client, a.trace = []byte(compact), sha, call.Principal.ClientID, call.Trace
	answer, err := in.accept(ctx, v, a)
	if err != nil {
		return Answer{}, in.refuse(ctx, v, a.Organisation, sha, fmt.Errorf("result %s: %w", a.ResultID, err))
	}
	return answer, nil
}

// unsigned is what a message is answered that does not verify. An unknown key may be one that has ended: then the guard says so.
func (in *Intake) unsigned(ctx context.Context, v *visit, err error) error {
	switch {
	case errors.Is(err, auth.ErrUnknownKey):
		b, g := new(pgx.Batch), v.guard()
		g.Queue(b)
		if err := pg.Pipeline(ctx, in.pool, b); err != nil {
			return auth.Refused(err)
		}
		if err := g.Check(); err != nil {
			return err
		}
	case errors.Is(err, auth.ErrMalformed), errors.Is(err, auth.ErrType), errors.Is(err, auth.ErrSignature):
	default:
		return err
	}
	return fmt.Errorf("%w: %w", ErrSignature, err)
}

func (in *Intake) accept(ctx context.Context, v *visit, a *arrival) (Answer, error) {
	need := auth.Need{
		Organisation: a.Organisation, Unit: a.Unit, DocumentType: a.DocumentType, Procedure: a.Procedure, Right: auth.RightDeliver,
	}
	for range races {
		mandate := in.auth.Mandate(a.client, need)
		w, err := in.look(ctx, a, v.guard(mandate))
		if err != nil {
			return Answer{}, auth.Refused(err)
		}
		granted := mandate.Mandate()
		a.openBy, a.covers = granted.Allows(auth.RightOpenVault), granted.Relations
		if w.same != nil {
			if !bytes.Equal(w.same.sha, a.sha[:]) {
				return Answer{}, ErrResultIDReused
			}
			return repeat(w.same.stored)
		}
		answer, err := in.settle(ctx, a, w, in.now())
		if !lost(err) {
			return answer, err
		}
	}
	return Answer{}, ErrBusy
}

// settle carries out the one outcome of an arrival in one transaction.
func (in *Intake) settle(ctx context.Context, a *arrival, w *world, now time.Time) (Answer, error) {
	p := a.decide(w)
	switch {
	case p.quarantine != "":
		return in.quarantine(ctx, a, w, p.quarantine, now)
	case p.wait:
		return in.wait(ctx, a, w, now)
	}
	return in.store(ctx, a, w, p, now)
}

// lost reports an error of somebody else's being faster (R8): looked at again, the world is another.
func lost(err error) bool {
	var twice *pg.Duplicate
	if errors.As(err, &twice) {
		return true
	}
	return slices.Contains([]string{person.CodeKnown, wallet.CodeVaultClosed, codePaperKnown, codeNewer}, pg.Refused(err))
}
