package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/auth"
	"vidan/identity"
	"vidan/internal/pg"
)

// sqlInsertRefusal names the organisation only if there is one: until then the name is no more than what somebody wrote.
const sqlInsertRefusal = `insert into refusals
  (refusal_id, organisation_id, client_id, at, status, code, faults, payload_sha256)
  values ($1, (select organisation_id from organisations where organisation_id = $2), $3, $4, $5, $6, $7, $8)`

// refusedFault is a fault as it is kept.
type refusedFault struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
}

// refuse records why a signed result was refused: pointers and codes, never a value. It returns cause, or why the refusal could not be recorded.
// Errors that say nothing about the result are not refusals.
func (in *Intake) refuse(ctx context.Context, v *visit, organisation string, sha [32]byte, cause error) error {
	status, code, faults := 0, "", []refusedFault{}
	var wrong *Invalid
	switch {
	case errors.As(cause, &wrong):
		status, code = 422, wrong.Code
		for _, f := range wrong.Faults {
			faults = append(faults, refusedFault{f.Pointer, string(f.Code)})
		}
	case errors.Is(cause, auth.ErrMandate):
		status, code = 403, "mandate_missing"
	case errors.Is(cause, ErrResultIDReused):
		status, code = 409, "result_id_reused"
	default:
		return cause
	}
	list, err := json.Marshal(faults)
	if err != nil {
		return err
	}
	b, guard := new(pgx.Batch), v.guard()
	guard.Queue(b)
	b.Queue(sqlInsertRefusal, identity.NewID[identity.ObjectID](), organisation, v.Principal.ClientID, in.now(), status, code, list, sha[:])
	if err := pg.Pipeline(ctx, in.pool, b); err != nil {
		return fmt.Errorf("record a refusal: %w", auth.Refused(err))
	}
	if err := guard.Check(); err != nil {
		return err
	}
	return cause
}
