package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
)

// Hints (CIBA Core §7.1, login_hint_token): who is to be asked on the back channel. A client may not name people by what it knows of them. Either the
// person's own phone made the hint, for one organisation, which the person showed at the counter; or the officer says that the person of a role in the
// dossier stands there. Both work once and five minutes.
const (
	hintType        = "vidan-hint+jwt"         // signed by the device
	counterHintType = "vidan-counter-hint+jwt" // signed by a key of the client
	hintLife        = 5 * time.Minute
)

type hintClaims struct {
	window
	Nonce        string `json:"nonce"`
	Issuer       string `json:"iss"` // of a counter's: the client
	Subject      string `json:"sub"` // the device, as it names itself; of a counter's: the officer
	Audience     string `json:"aud"`
	ID           string `json:"jti"`
	Organisation string `json:"organisation"`
	Role         string `json:"role"` // of a counter's: of the person who stands there, in the dossier
}

// hint is a hint whose signature and claims were verified. Whether it is new is decided by the batch that uses it up.
type hint struct {
	vault identity.VaultID
	alive bool // the device that made it may still sign
	id    proofID
}

var (
	errHint    = &tokenError{http.StatusBadRequest, "unknown_user_id", "login_hint_token is not a hint for this organisation"}
	errHintOld = &tokenError{http.StatusBadRequest, "expired_login_hint_token", "login_hint_token is over or was used"}
)

// openHint verifies a hint of either kind.
func (s *Server) openHint(ctx context.Context, x *exchange, a *asking, organisation string, plan consent.Plan) (hint, error) {
	message := x.form.Get("login_hint_token")
	if len(message) > maxAssertion {
		return hint{}, errHint
	}
	if vault, device, err := s.openDeviceRef(claimedSubject(message)); err == nil {
		return s.openDeviceHint(ctx, message, organisation, vault, device)
	}
	payload, key, err := s.verifier.verify(message, expected{typs: []string{counterHintType}, keys: a.principal.Keys(ctx)})
	if err != nil {
		return hint{}, messageFault(err, errHint)
	}
	c, until, err := s.hintClaims(payload, organisation)
	if err != nil {
		return hint{}, err
	}
	vault, named := plan.Roles()[c.Role]
	if c.Issuer != x.client.ID || c.Subject != a.officer.ID || !named {
		return hint{}, errHint
	}
	return hint{vault: vault, alive: true, id: newProofID("hint", x.client.ID+" "+key.kid, c.ID, until)}, nil
}

// openDeviceHint verifies what a phone signed. A phone that was ended since, or whose person may not act, makes a hint that nobody will answer: that is
// told to nobody (S1).
func (s *Server) openDeviceHint(ctx context.Context, message, organisation string, vault identity.VaultID, device identity.CredentialID) (hint, error) {
	rows, err := s.pool.Query(ctx, sqlCredential, vault, device)
	if err != nil {
		return hint{}, fmt.Errorf("hint: %w", pg.Classify(err))
	}
	row, err := pgx.CollectExactlyOneRow(rows, scanCredential)
	if errors.Is(err, pgx.ErrNoRows) {
		return hint{}, errHint
	}
	if err != nil {
		return hint{}, fmt.Errorf("hint: %w", pg.Classify(err))
	}
	if err := row.verify(s.deployment); err != nil {
		return hint{}, err
	}
	if row.Kind != WayDevice {
		return hint{}, errHint
	}
	payload, _, err := s.verifier.verify(message, expected{typs: []string{hintType}, keys: func(kid string) (*Key, error) {
		if s.names(&row, kid) {
			return row.key, nil
		}
		return nil, ErrUnknownKey
	}})
	if err != nil {
		return hint{}, messageFault(err, errHint)
	}
	c, until, err := s.hintClaims(payload, organisation)
	if err != nil {
		return hint{}, err
	}
	return hint{vault: vault, alive: row.State == stateActive, id: newProofID("hint", row.ID.String(), c.ID, until)}, nil
}

// hintClaims reads the claims that both kinds share, and until when the hint is good.
func (s *Server) hintClaims(payload []byte, organisation string) (c hintClaims, until time.Time, err error) {
	if decodeClaims(payload, &c) != nil || c.Audience != s.issuer || c.Organisation != organisation || c.ID == "" || len(c.ID) > maxID {
		return c, until, errHint
	}
	until, err = s.nonces.message(c.window, c.Nonce, hintLife, s.now())
	switch {
	case errors.Is(err, ErrNonce):
		return c, until, errHintOld
	case err != nil:
		return c, until, errHint
	}
	return c, until, nil
}
