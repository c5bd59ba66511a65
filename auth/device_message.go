package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// VerifyDecision checks a JWS of type vidan-decision+jwt by an active device of the person and returns its payload. The header's kid is the
// device's id, its key's thumbprint or its key's own kid. Errors: [ErrDevice], those of the database.
func (s *Server) VerifyDecision(ctx context.Context, vault identity.VaultID, jws string) ([]byte, identity.CredentialID, error) {
	b := new(pgx.Batch)
	held := queueCredentials(b, vault)
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return nil, identity.CredentialID{}, fmt.Errorf("decision: %w", err)
	}
	if err := held.verify(s.deployment); err != nil {
		return nil, identity.CredentialID{}, fmt.Errorf("decision: %w", err)
	}
	var signed identity.CredentialID
	payload, _, err := s.verifier.verify(jws, expected{typs: []string{decisionType}, keys: func(kid string) (*Key, error) {
		for _, row := range held.devices() {
			if s.names(row, kid) {
				signed = row.ID
				return row.key, nil
			}
		}
		return nil, ErrUnknownKey
	}})
	if err != nil {
		return nil, identity.CredentialID{}, messageFault(err, ErrDevice)
	}
	return payload, signed, nil
}

// names reports whether a kid names a device.
func (s *Server) names(row *credentialRow, kid string) bool {
	return kid == row.key.thumb || row.key.kid != "" && kid == row.key.kid || kid == s.deviceRef(row.Vault, row.ID)
}

// deviceClaims are the claims of what devices sign.
type deviceClaims struct {
	window
	Nonce     string `json:"nonce"`
	Subject   string `json:"sub"`
	Audience  string `json:"aud"`
	ID        string `json:"jti"`
	Challenge string `json:"challenge_id"`
	Number    string `json:"number"`
	Decision  string `json:"decision"`
}

// deviceCall is a message of a device whose signature and claims were verified. Whether the device is still active and the message new is
// decided by the batch that begins with queue.
type deviceCall struct {
	row    credentialRow
	claims deviceClaims
	id     proofID
}

const codeDeviceEnded = "device_ended"

const sqlDeviceStands = `select vidan_require(exists (
  select from credentials where vault_id = $1 and credential_id = $2 and state = 'active' and mac = $3), 'device_ended')`

func (c *deviceCall) queue(b *pgx.Batch) {
	b.Queue(sqlDeviceStands, c.row.Vault, c.row.ID, c.row.MAC)
	person.QueueMaySignIn(b, c.row.Vault)
	queueProofs(b, c.id)
}

// openDeviceCall verifies a message of a registered device. Errors: [ErrDevice]; [ErrNonce] for one that is right but for its time.
func (s *Server) openDeviceCall(ctx context.Context, message, typ string) (*deviceCall, error) {
	call := new(deviceCall)
	vault, id, err := s.openDeviceRef(claimedSubject(message))
	if err != nil || len(message) > maxAssertion {
		return nil, ErrDevice
	}
	rows, err := s.pool.Query(ctx, sqlCredential, vault, id)
	if err != nil {
		return nil, fmt.Errorf("device: %w", pg.Classify(err))
	}
	if call.row, err = pgx.CollectExactlyOneRow(rows, scanCredential); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, ErrDevice
		}
		return nil, fmt.Errorf("device: %w", pg.Classify(err))
	}
	if err := call.row.verify(s.deployment); err != nil {
		return nil, err
	}
	if call.row.Kind != WayDevice || call.row.State != stateActive {
		return nil, ErrDevice
	}
	payload, _, err := s.verifier.verify(message, expected{typs: []string{typ}, keys: func(kid string) (*Key, error) {
		if s.names(&call.row, kid) {
			return call.row.key, nil
		}
		return nil, ErrUnknownKey
	}})
	if err != nil {
		return nil, messageFault(err, ErrDevice)
	}
	c := &call.claims
	if decodeClaims(payload, c) != nil || c.Audience != s.issuer || c.ID == "" || len(c.ID) > maxID {
		return nil, ErrDevice
	}
	until, err := s.nonces.message(c.window, c.Nonce, deviceLife, s.now())
	if err != nil {
		return nil, err
	}
	call.id = newProofID("device", call.row.ID.String(), c.ID, until)
	return call, nil
}

// claimedSubject reads sub of a message before it is verified: only to know whose key to try.
func claimedSubject(message string) string {
	parts := strings.SplitN(message, ".", 3)
	if len(parts) != 3 || len(message) > maxAssertion {
		return ""
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	var c struct {
		Subject string `json:"sub"`
	}
	if err != nil || !utf8.Valid(payload) || decodeClaims(payload, &c) != nil {
		return ""
	}
	return c.Subject
}
