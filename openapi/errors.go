package openapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"vidan/audit"
	"vidan/auth"
	"vidan/consent"
	"vidan/intake"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/prefill"
	"vidan/procedure"
	"vidan/seal"
	"vidan/wallet"
)

// codes maps domain errors to problem codes, first match wins. A test holds it to every exported Err… of the domain packages.
var codes = []struct {
	err  error
	code string
}{
	{auth.ErrReplay, "invalid_dpop_proof"}, {auth.ErrNonce, "use_dpop_nonce"}, {auth.ErrProof, "invalid_dpop_proof"}, {auth.ErrToken, "invalid_token"},
	{auth.ErrTokenRevoked, "token_revoked"}, {auth.ErrClientBlocked, "client_blocked"}, {auth.ErrPersonBlocked, "person_blocked"},
	{auth.ErrMandate, "mandate_missing"}, {auth.ErrScope, "insufficient_scope"}, {auth.ErrOfficer, "officer_assertion_required"},
	{auth.ErrLevel, "insufficient_level"}, {auth.ErrCode, "activation_invalid"}, {auth.ErrNoDevice, codeNotFound}, {auth.ErrNoSession, codeNotFound}, {auth.ErrDisplay, "code_display_refused"}, {auth.ErrWrongCode, "code_wrong"},
	{auth.ErrPasskey, "passkey_refused"}, {auth.ErrLastWay, "last_credential"}, {auth.ErrBusy, "unavailable"},

	{intake.ErrSignature, "signature_invalid"}, {intake.ErrResultIDReused, "result_id_reused"}, {intake.ErrBusy, "busy"},
	{intake.ErrNotFound, codeNotFound}, {intake.ErrResolved, "already_resolved"}, {intake.ErrResolution, codeInvalidRequest},

	{prefill.ErrIdempotency, "idempotency_conflict"},

	{consent.ErrNotFound, codeNotFound}, {consent.ErrCursor, codeInvalidRequest}, {consent.ErrRequest, codeInvalidRequest},
	{consent.ErrIdempotency, "idempotency_conflict"}, {consent.ErrTooMany, "too_many_open"},
	{consent.ErrAlreadyDecided, "already_decided"}, {consent.ErrRepresentative, "representative_needed"}, {consent.ErrDecision, "decision_mismatch"},
	{consent.ErrSignatureRequired, "signature_required"}, {consent.ErrNotGranted, "not_granted"}, {consent.ErrWithdrawn, "grant_withdrawn"},
	{consent.ErrConsumed, "grant_consumed"}, {consent.ErrExpired, "request_expired"}, {consent.ErrState, "state_conflict"},
	{consent.ErrSameOfficer, "second_officer_needed"}, {consent.ErrRelation, codeInvalidRequest},

	{wallet.ErrNotFound, codeNotFound}, {wallet.ErrCursor, codeInvalidRequest}, {wallet.ErrDamaged, codeInternal},

	// What a device signed or a key of the client did not verify; on its own paths each of them has been told apart above.
	{auth.ErrDevice, "signature_invalid"}, {auth.ErrMalformed, "signature_invalid"}, {auth.ErrType, "signature_invalid"},
	{auth.ErrUnknownKey, "signature_invalid"}, {auth.ErrSignature, "signature_invalid"},

	{person.ErrNotFound, codeNotFound}, {person.ErrCursor, codeInvalidRequest}, {person.ErrIdempotency, "idempotency_conflict"},
	{person.ErrNumberTaken, "number_taken"}, {person.ErrOtherNumber, "other_number"}, {person.ErrEnrolled, "already_enrolled"},
	{person.ErrJoined, "not_joinable"}, {person.ErrTwoNumbers, "not_joinable"}, {person.ErrSameVault, "not_joinable"}, {person.ErrWrongWay, "not_joinable"},
	{person.ErrProfile, codeInvalidRequest}, {person.ErrLevel, "level_not_allowed"}, {person.ErrChannel, codeInvalidRequest},
	{person.ErrContact, codeInvalidRequest}, {person.ErrEvidence, codeInvalidRequest}, {person.ErrIdentifier, codeInvalidRequest},
	{person.ErrRegistrarOnly, codeInvalidRequest}, {person.ErrCode, "activation_invalid"},
	{person.ErrHasAccount, "recovery_needed"}, {person.ErrRepresentative, "representative_needed"}, {person.ErrNotAlive, "death_reported"},
	{person.ErrBlocked, "account_blocked"}, {person.ErrState, "state_conflict"}, {person.ErrSameOfficer, "second_officer_needed"},
	{person.ErrSameOffice, "other_office_needed"}, {person.ErrSameIssuer, "other_issuer_needed"}, {person.ErrTooEarly, "too_early"},
	{person.ErrTooManyContacts, "too_many_contacts"}, {person.ErrAccounts, codeInternal},

	{audit.ErrRecord, "record_unavailable"}, {audit.ErrCursor, codeInvalidRequest}, {audit.ErrDamaged, codeInternal},
	{seal.ErrKeysUnavailable, "keys_unavailable"}, {seal.ErrNotRef, codeNotFound}, {seal.ErrNoKeys, codeNotFound},
	{seal.ErrTampered, codeInternal}, {seal.ErrSealed, codeInternal},

	{pg.ErrOutcomeUnknown, "outcome_unknown"}, {pg.ErrBusy, "unavailable"},
}

// problem turns any error into what the caller is told (E2). What is our own failure, in the table or not, is logged by its opaque
// text, which carries ids only.
func (a *API) problem(ctx context.Context, err error) *Problem {
	var done *Problem
	if errors.As(err, &done) {
		if done.RequestID != "" {
			return done
		}
		return a.logged(ctx, newProblem(ctx, done.Code, done.Errors...), done) // made without its request
	}
	err = auth.Refused(err)
	var wrong *intake.Invalid
	if errors.As(err, &wrong) {
		return newProblem(ctx, wrong.Code, faultsOf(ctx, wrong.Faults)...)
	}
	p := newProblem(ctx, codeOf(err))
	var wait *auth.Throttled
	if errors.As(err, &wait) {
		p.With("Retry-After", strconv.Itoa(int(wait.RetryAfter.Seconds())+1))
	}
	return a.challenged(a.logged(ctx, p, err), err)
}

func (a *API) logged(ctx context.Context, p *Problem, err error) *Problem {
	if p.Status >= http.StatusInternalServerError {
		a.Log.ErrorContext(ctx, "request failed", "request_id", p.RequestID, "code", p.Code, "error", err.Error())
	}
	return p
}

// codeOf finds the code of an error: in the table, then by what the SQL itself refused, then by whether trying again may help.
func codeOf(err error) string {
	for _, row := range codes {
		if errors.Is(err, row.err) {
			return row.code
		}
	}
	code := pg.Refused(err)
	if _, known := problems[code]; known {
		return code
	}
	if slices.Contains(races, code) {
		return "busy"
	}
	var wait *auth.Throttled
	switch {
	case errors.As(err, &wait):
		return "rate_limited"
	case pg.Transient(err), errors.Is(err, context.DeadlineExceeded):
		return "unavailable"
	}
	return codeInternal
}

// races are refusals of the SQL that say that somebody else was faster and everything has to be looked at again: most packages do so themselves.
var races = []string{
	person.CodeKnown, wallet.CodeVaultClosed, "decision_changed", "grant_changed", "identifier_left", "relation_changed",
}

// as gives an error that means several things the code it has here.
func as(ctx context.Context, err, sentinel error, code string) error {
	if errors.Is(err, sentinel) {
		return newProblem(ctx, code)
	}
	return err
}

// challenged adds the WWW-Authenticate that a 401 must carry (RFC 9110 §15.5.2), and the nonce for the next proof (RFC 9449 §9).
func (a *API) challenged(p *Problem, err error) *Problem {
	if p.Status == http.StatusUnauthorized && a.Auth != nil {
		p.With("DPoP-Nonce", a.Auth.Nonce())
	}
	if p.Status == http.StatusUnauthorized || p.Code == "insufficient_scope" {
		p.With("WWW-Authenticate", auth.Challenge(err))
	}
	return p
}

func faultsOf(ctx context.Context, found []procedure.Fault) []Fault {
	faults := make([]Fault, len(found))
	for i, f := range found {
		detail := f.RuleVI
		if requestOf(ctx).language == "en" {
			detail = f.RuleEN
		}
		faults[i] = Fault{Pointer: f.Pointer, Code: string(f.Code), Title: f.TitleVI, Detail: detail}
	}
	return faults
}

// writeProblem answers outside huma's handlers.
func writeProblem(w http.ResponseWriter, _ *http.Request, p *Problem) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone: nobody is left to tell
}

// Problems that operations can answer without naming them.
var (
	common        = []string{"invalid_request", "unavailable", "internal"}
	bodyCommon    = []string{"too_large", "unsupported_media_type", "request_timeout"}
	guardedCommon = []string{"invalid_token", "invalid_dpop_proof", "use_dpop_nonce", "token_revoked", "client_blocked", "insufficient_scope"}
)

// codesOf returns every problem of an operation: its own, and what its body and its policy bring.
func codesOf(own []string, p policy, body bool) []string {
	all := slices.Concat(own, common)
	if body {
		all = slices.Concat(all, bodyCommon)
	}
	if !p.public {
		all = slices.Concat(all, guardedCommon)
	}
	if p.kind == auth.Citizen {
		all = append(all, "person_blocked")
		if p.level > 1 {
			all = append(all, "insufficient_level")
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func statusesOf(codes []string) []int {
	var statuses []int
	for _, code := range codes {
		statuses = append(statuses, problems[code].status)
	}
	slices.Sort(statuses)
	return slices.Compact(statuses)
}
