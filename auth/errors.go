package auth

import (
	"errors"
	"fmt"

	"vidan/internal/pg"
)

// Why a request was refused. [Code] gives the problem code of each.
var (
	// ErrToken reports a missing, malformed, expired or foreign access token.
	ErrToken = errors.New("auth: access token not valid")
	// ErrProof reports a DPoP proof that is missing, malformed, too old, or for another request, token or key.
	ErrProof = errors.New("auth: DPoP proof not valid")
	// ErrNonce reports a proof in which nothing is wrong but its time: it has to be made again with the nonce of [Server.Nonce]. It is an
	// [ErrProof] too.
	ErrNonce = fmt.Errorf("auth: DPoP proof needs a fresh nonce: %w", ErrProof)
	// ErrReplay reports a proof or assertion that was used before.
	ErrReplay = errors.New("auth: used before")
	// ErrTokenRevoked reports a token whose session or client key has ended since.
	ErrTokenRevoked = errors.New("auth: token revoked")
	// ErrClientBlocked reports a client that was blocked or has ended.
	ErrClientBlocked = errors.New("auth: client blocked")
	// ErrPersonBlocked reports a person whose account is blocked, or who is reported dead.
	ErrPersonBlocked = errors.New("auth: person blocked")
	// ErrMandate reports a client without a mandate for what it wants to do.
	ErrMandate = errors.New("auth: no mandate")
	// ErrScope reports a token without the scope of the operation.
	ErrScope = errors.New("auth: scope missing")
	// ErrOfficer reports an officer assertion that is missing, malformed, expired or not by a key of the client.
	ErrOfficer = errors.New("auth: officer assertion not valid")
)

// Codes of refusals, as vidan_require raises them and as problems carry them.
const (
	codeToken         = "invalid_token"
	codeProof         = "invalid_dpop_proof"
	codeTokenRevoked  = "token_revoked"
	codeClientBlocked = "client_blocked"
	codePersonBlocked = "person_blocked"
	codeMandate       = "mandate_missing"
	codeScope         = "insufficient_scope"
	codeOfficer       = "officer_assertion_required"
)

// problemCodes is in the order in which errors are tried.
var problemCodes = []struct {
	err  error
	code string
}{
	{ErrReplay, codeProof}, {ErrNonce, codeNonce}, {ErrProof, codeProof}, {ErrToken, codeToken}, {ErrTokenRevoked, codeTokenRevoked},
	{ErrClientBlocked, codeClientBlocked}, {ErrPersonBlocked, codePersonBlocked}, {ErrMandate, codeMandate},
	{ErrScope, codeScope}, {ErrOfficer, codeOfficer},
}

// Code returns the problem code of an error of this package, or "".
func Code(err error) string {
	for _, row := range problemCodes {
		if errors.Is(err, row.err) {
			return row.code
		}
	}
	return ""
}

// Refused turns what the database said to a batch with a guard of this package into its sentinel: a refusal by its code, a
// second use of a proof into [ErrReplay]. Every other error, and nil, is returned as it is.
func Refused(err error) error {
	if replayed(err) {
		return ErrReplay
	}
	code := pg.Refused(err)
	for _, row := range problemCodes {
		if row.code == code {
			return row.err
		}
	}
	return err
}

// Challenge returns the WWW-Authenticate value for a 401 because of err (RFC 9449 §7.1, RFC 9470 §3).
func Challenge(err error) string {
	const algs = `algs="ES256 EdDSA PS256"`
	var step *StepUp
	if errors.As(err, &step) {
		return step.challenge() + ", " + algs
	}
	switch Code(err) {
	case codeProof:
		return `DPoP error="invalid_dpop_proof", ` + algs
	case codeNonce:
		return `DPoP error="use_dpop_nonce", ` + algs
	case codeScope:
		return `DPoP error="insufficient_scope", ` + algs
	case "":
		return `DPoP ` + algs
	}
	return `DPoP error="invalid_token", ` + algs
}
