package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// A device confirms a sign-in: it asks which wait for its person, shows three numbers for each, and signs the one the person picked. A sign-in
// that is refused, or for which other digits were picked, is dead: who is asked on the phone answers once.
const (
	challengeType    = "vidan-device+jwt"
	confirmationType = "vidan-confirmation+jwt"

	pathChallenges = "/oauth/device/challenges"
	pathConfirm    = "/oauth/device/confirm"

	decisionAllow = "allow"
	decisionDeny  = "deny"
)

// challenge is a sign-in or a question that waits, as a device sees it.
type challenge struct {
	Kind   string `json:"kind"` // sign_in, or ciba: a question at a counter
	ID     string `json:"challenge_id"`
	Client string `json:"client"` // the name of the program that asked
	// Of a question: who asks, and the request that waits in the wallet.
	Organisation string    `json:"organisation,omitempty"`
	Request      string    `json:"request_id,omitempty"`
	At           time.Time `json:"at"`
	Expires      time.Time `json:"expires_at"`
	Numbers      []string  `json:"numbers"` // three of two digits; one is on the page
}

// deviceError is an error answer of the device endpoints.
type deviceError struct {
	status int
	code   string
}

func (e *deviceError) Error() string { return "auth: device call: " + e.code }

var (
	errDeviceRefused = &deviceError{http.StatusUnauthorized, "invalid_device"}
	errDeviceNonce   = &deviceError{http.StatusUnauthorized, codeNonce} // to be signed again with the nonce of DPoP-Nonce
	errNoChallenge   = &deviceError{http.StatusNotFound, "not_found"}
	errWrongNumber   = &deviceError{http.StatusConflict, "wrong_number"}
)

// routePeople registers the endpoints of devices.
func (s *Server) routePeople(mux *http.ServeMux) {
	mux.HandleFunc("POST "+pathChallenges, s.serveDevice(challengeType, s.challenges))
	mux.HandleFunc("POST "+pathConfirm, s.serveDevice(confirmationType, s.confirm))
}

// serveDevice reads {"assertion": JWS}, verifies it and answers with what act returns.
func (s *Server) serveDevice(typ string, act func(context.Context, *deviceCall) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		message, err := readAssertion(w, r)
		if err == nil {
			var call *deviceCall
			if call, err = s.openDeviceCall(r.Context(), message, typ); err == nil {
				var answer any
				if answer, err = act(r.Context(), call); err == nil {
					writeJSON(w, http.StatusOK, answer)
					return
				}
			}
		}
		s.writeDeviceError(w, r, err)
	}
}

func readAssertion(w http.ResponseWriter, r *http.Request) (string, error) {
	invalid := &deviceError{http.StatusBadRequest, "invalid_request"}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return "", &deviceError{http.StatusUnsupportedMediaType, "unsupported_media_type"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return "", &deviceError{http.StatusRequestEntityTooLarge, "too_large"}
		}
		return "", invalid
	}
	var in map[string]string
	if json.Unmarshal(body, &in) != nil || len(in) != 1 || in["assertion"] == "" {
		return "", invalid
	}
	return in["assertion"], nil
}

// challenges lists what waits for the person of a device, newest first.
func (s *Server) challenges(ctx context.Context, call *deviceCall) (any, error) {
	var waiting []signInRow
	var questions []backchannelRow
	b := new(pgx.Batch)
	call.queue(b)
	if s.consent != nil {
		s.queueQuestions(b, call.row.Vault, &questions)
	}
	b.Queue(sqlChallenges, call.row.Vault, s.now()).Query(func(rows pgx.Rows) (err error) {
		waiting, err = pgx.CollectRows(rows, scanSignIn)
		return err
	})
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return nil, fmt.Errorf("challenges: %w", err)
	}
	list := []challenge{}
	for i := range waiting {
		row := &waiting[i]
		if err := s.deployment.VerifyMAC("signins", row.columns(), row.MAC); err != nil {
			return nil, err
		}
		c, err := s.clientOf(ctx, row.Client)
		if err != nil {
			return nil, err
		}
		list = append(list, challenge{
			Kind: kindSignIn, ID: row.Challenge.String(), Client: c.Name, At: row.CreatedAt.UTC(), Expires: row.ExpiresAt.UTC(),
			Numbers: s.numbers(row.Challenge, *row.Number),
		})
	}
	for i := range questions {
		row := &questions[i]
		if err := row.verify(s.deployment); err != nil {
			return nil, err
		}
		c, err := s.clientOf(ctx, row.Client)
		if err != nil {
			return nil, err
		}
		list = append(list, s.shownQuestion(row, c.Name))
	}
	return map[string]any{"challenges": list}, nil
}

// numbers returns the right number among two others. They follow from the challenge, so that asking again tells nothing.
func (s *Server) numbers(challenge identity.ObjectID, right int16) []string {
	drawn := s.deployment.MAC("signins", new(seal.Columns).Text("numbers").UUID(challenge.Bytes()))
	drawn = drawn[len(drawn)-16:]
	picked := []int16{right}
	for i := 0; len(picked) < 3; i++ {
		n := 10 + (int16(drawn[i%12])+int16(i/12)*7)%90
		if !slices.Contains(picked, n) {
			picked = append(picked, n)
		}
	}
	at := int(drawn[15]) % 3
	picked[0], picked[at] = picked[at], picked[0]
	all := make([]string, 0, 3)
	for _, n := range picked {
		all = append(all, twoDigits(n))
	}
	return all
}

func twoDigits(n int16) string { return fmt.Sprintf("%02d", n) }

// confirm carries out what a person decided on their device.
func (s *Server) confirm(ctx context.Context, call *deviceCall) (any, error) {
	id, err := identity.Parse[identity.ObjectID](call.claims.Challenge)
	if err != nil || !slices.Contains([]string{decisionAllow, decisionDeny, decisionNever}, call.claims.Decision) {
		return nil, &deviceError{http.StatusBadRequest, "invalid_request"}
	}
	row, err := s.readSignIn(ctx, sqlChallenge, id, call.row.Vault, s.now())
	if errors.Is(err, ErrNoSignIn) {
		return s.confirmQuestion(ctx, call, id)
	}
	if err != nil {
		return nil, err
	}
	if call.claims.Decision == decisionNever {
		return nil, &deviceError{http.StatusBadRequest, "invalid_request"} // a sign-in that nobody begins asks nobody
	}
	x := &SignIn{server: s, row: row}
	to := row
	to.Challenge, to.Number = identity.ObjectID{}, nil
	reason := ""
	switch {
	case call.claims.Decision == decisionDeny:
		reason = "denied"
	case row.Number == nil || call.claims.Number != twoDigits(*row.Number):
		reason = errWrongNumber.code
	}
	b := new(pgx.Batch)
	call.queue(b)
	if reason == "" {
		worth := reach(2, WayPassphrase, WayDevice) // only such an account is asked, and the level must still stand when the code is issued
		to.Step, to.Level, to.AMR = StepDone, worth.level, worth.amr
	} else {
		to.Step, to.Level, to.AMR = StepDead, 0, []string{}
		if err := s.queueRefusal(ctx, b, &row, reason); err != nil {
			return nil, err
		}
	}
	x.queueMove(b, &to)
	return call.answered(pg.Pipeline(ctx, s.pool, b), codeMoved, reason)
}

// answered is what a device is told of its answer: err is how the batch ended, moved the refusal of one that somebody else was faster with.
func (c *deviceCall) answered(err error, moved, reason string) (any, error) {
	switch {
	case pg.Refused(err) == moved:
		return nil, errNoChallenge
	case err != nil:
		return nil, fmt.Errorf("confirm: %w", err)
	case reason == errWrongNumber.code:
		return nil, errWrongNumber
	}
	return map[string]string{"challenge_id": c.claims.Challenge, "decision": c.claims.Decision}, nil
}

// queueRefusal records a sign-in that a device did not confirm.
func (s *Server) queueRefusal(ctx context.Context, b *pgx.Batch, row *signInRow, reason string) error {
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, row.Vault)
	if err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	_, err = s.people.audit.Queue(b, keys, audit.Entry{
		Vault: row.Vault, Kind: audit.SignIn, Actor: audit.Actor{Client: row.Client}, Outcome: audit.Refused, Reason: reason,
	}, s.calendar())
	return err
}

// writeDeviceError answers err. What is not a fault of the request is logged and told as such, without detail.
func (s *Server) writeDeviceError(w http.ResponseWriter, r *http.Request, err error) {
	var known *deviceError
	switch {
	case errors.As(err, &known):
	case errors.Is(err, ErrNonce):
		known = errDeviceNonce
	case errors.Is(err, ErrDevice), pg.Refused(err) == codeDeviceEnded:
		known = errDeviceRefused
	case replayed(err):
		known = &deviceError{http.StatusUnauthorized, "replayed"}
	case pg.Refused(err) == person.CodeBlocked:
		known = &deviceError{http.StatusForbidden, codePersonBlocked}
	case pg.Transient(err), errors.Is(err, pg.ErrOutcomeUnknown):
		s.log.WarnContext(r.Context(), "device call not served", "error", err)
		w.Header().Set("Retry-After", "1")
		known = &deviceError{http.StatusServiceUnavailable, "unavailable"}
	default:
		s.log.ErrorContext(r.Context(), "device call failed", "error", err)
		known = &deviceError{http.StatusInternalServerError, "internal"}
	}
	s.offerNonce(w.Header())
	writeJSON(w, known.status, map[string]string{"error": known.code})
}
