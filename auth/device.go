package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

var (
	// ErrDevice reports a device key that may not be registered, a proof that is not by it, or a message that is not by an active device of
	// the person.
	ErrDevice = errors.New("auth: device not accepted")
	// ErrNoDevice reports a device that is not there, or not this person's; the two are one answer.
	ErrNoDevice = errors.New("auth: no such device")
	// ErrCode reports a one-time activation code that is not right; it does not say why.
	ErrCode = errors.New("auth: the activation code is not right")
)

// Types of what devices sign, and their bounds.
const (
	registrationType = "vidan-device-registration+jwt"
	decisionType     = "vidan-decision+jwt"

	deviceLife   = 5 * time.Minute // of a message of a device
	registerLife = 5 * time.Minute // of the proof at registration, from iat
	freshLevel   = 15 * time.Minute
	maxDevices   = 10
)

// Devices are named to the outside by a sealed reference that carries vault and credential, so that a message that names one is
// found by its vault.
const (
	deviceSector = "api"
	deviceKind   = "device"
)

func (s *Server) deviceRef(vault identity.VaultID, id identity.CredentialID) string {
	v, c := vault.Bytes(), id.Bytes()
	return s.deployment.Ref(deviceSector, deviceKind, append(v[:], c[:]...))
}

func (s *Server) openDeviceRef(ref string) (identity.VaultID, identity.CredentialID, error) {
	raw, err := s.deployment.OpenRef(deviceSector, deviceKind, ref)
	if err != nil || len(raw) != 32 {
		return identity.VaultID{}, identity.CredentialID{}, ErrNoDevice
	}
	return identity.FromBytes[identity.VaultID]([16]byte(raw[:16])), identity.FromBytes[identity.CredentialID]([16]byte(raw[16:])), nil
}

// Device is a registered device key (thiết bị đã đăng ký).
type Device struct {
	ID         string // opaque; sub of what the device signs
	Name       string // given by the person
	Thumbprint string // RFC 7638
	CreatedAt  time.Time
}

func (s *Server) device(r *credentialRow) Device {
	return Device{ID: s.deviceRef(r.Vault, r.ID), Name: r.Name, Thumbprint: r.key.thumb, CreatedAt: r.CreatedAt}
}

// Authority says in which right somebody adds a device. The zero value is none.
type Authority struct {
	vault identity.VaultID
	code  person.Activation
	now   bool // a session of level 2 that was confirmed just now
}

// SessionAuthority is the right of a person who confirmed with another device within the last quarter of an hour. Errors: [ErrLevel].
func (s *Server) SessionAuthority(p *Principal) (Authority, error) {
	if p.Kind != Citizen || p.Level < 2 || s.now().Sub(p.AuthTime) > freshLevel {
		return Authority{}, ErrLevel
	}
	return Authority{vault: p.Vault, now: true}, nil
}

// CodeAuthority is the right of a person with a fresh activation code, which an officer had sent to them. Every try counts. Errors: [ErrCode].
func (s *Server) CodeAuthority(ctx context.Context, number, code identity.Private) (Authority, error) {
	n, err := parseTyped(number)
	if err != nil {
		return Authority{}, ErrCode
	}
	c, err := person.ParseCode(code.Reveal())
	if err != nil {
		return Authority{}, ErrCode
	}
	a, err := s.people.registry.CheckActivation(ctx, person.NumberIdentifier(n), c)
	if errors.Is(err, person.ErrCode) {
		return Authority{}, ErrCode
	}
	return Authority{vault: a.Vault(), code: a}, err
}

// NewDevice is a key that a person wants to register.
type NewDevice struct {
	Name string // 1 to 60 characters, shown in the list of devices
	JWK  []byte // public, ES256
	// Proof is a JWS of type vidan-device-registration+jwt by that key, with its kid (or thumbprint) in the header and aud (the
	// issuer), iat and jti: whoever registers a key holds it.
	Proof string
}

// RegisterDevice adds a device key to a person's account. Registering the same key again is the same device. g is the guard of the session
// that asks, by is who acts.
//
// Errors: [ErrLevel] without an authority for this person, [ErrCode] when its code was used meanwhile, [ErrDevice], [ErrReplay], those of g.
func (s *Server) RegisterDevice(ctx context.Context, g pg.Guard, vault identity.VaultID, by audit.Actor, in NewDevice, right Authority) (Device, error) {
	if right.vault != vault || vault.IsZero() {
		return Device{}, ErrLevel
	}
	key, err := newDeviceKey(in.JWK, in.Name)
	if err != nil {
		return Device{}, err
	}
	id, err := s.registrationProof(key, in.Proof)
	if err != nil {
		return Device{}, err
	}
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, vault)
	if err != nil {
		return Device{}, fmt.Errorf("register a device: %w", err)
	}
	now := s.calendar()
	var held *credentials
	var done Device
	err = pg.Exchange(ctx, s.pool,
		func(b *pgx.Batch) error {
			g.Queue(b)
			b.Queue(sqlLockVault, vault)
			held = queueCredentials(b, vault)
			return nil
		},
		func(b *pgx.Batch) error {
			if err := g.Check(); err != nil {
				return err
			}
			var again bool
			row, again, err := s.newDeviceRow(held, vault, key, in.Name, now)
			if err != nil {
				return err
			}
			done = s.device(row)
			if again {
				return nil
			}
			queueProofs(b, id)
			if !right.now {
				if err := s.people.registry.QueueActivation(b, keys, right.code, by, now); err != nil {
					return err
				}
			}
			row.queueInsert(b, s.deployment)
			_, err = s.people.audit.Queue(b, keys, audit.Entry{Vault: vault, Kind: audit.DeviceAdded, Actor: by}, now)
			return err
		})
	if err != nil {
		if pg.Refused(err) == person.CodeUsed {
			return Device{}, ErrCode
		}
		return Device{}, fmt.Errorf("register a device: %w", Refused(err))
	}
	return done, nil
}

// AddDevice gives a person a device. It asks nobody and records nothing: it is for a deployment that is being set up with people in it.
func (s *Server) AddDevice(ctx context.Context, vault identity.VaultID, name string, jwk []byte) (Device, error) {
	key, err := newDeviceKey(jwk, name)
	if err != nil {
		return Device{}, err
	}
	var held *credentials
	var done Device
	err = pg.Exchange(ctx, s.pool,
		func(b *pgx.Batch) error {
			b.Queue(sqlLockVault, vault)
			held = queueCredentials(b, vault)
			return nil
		},
		func(b *pgx.Batch) error {
			row, again, err := s.newDeviceRow(held, vault, key, name, s.calendar())
			if err != nil {
				return err
			}
			if done = s.device(row); !again {
				row.queueInsert(b, s.deployment)
			}
			return nil
		})
	if err != nil {
		return Device{}, fmt.Errorf("add a device: %w", Refused(err))
	}
	return done, nil
}

// newDeviceKey reads a key that may become a device's: ES256 alone, which the secure hardware of phones makes.
func newDeviceKey(jwk []byte, name string) (*Key, error) {
	key, err := ParseKey(jwk)
	if err != nil || key.Algorithm() != "ES256" || key.kid != "" && !printable(key.kid, maxID) {
		return nil, ErrDevice
	}
	if !title(name) || utf8.RuneCountInString(name) > 60 {
		return nil, ErrDevice
	}
	return key, nil
}

// newDeviceRow returns the row to insert, or the one that has the key already.
func (s *Server) newDeviceRow(held *credentials, vault identity.VaultID, key *Key, name string, now time.Time) (row *credentialRow, again bool, err error) {
	if err := held.verify(s.deployment); err != nil {
		return nil, false, err
	}
	devices := held.devices()
	for _, d := range devices {
		if d.key.thumb == key.thumb {
			return d, true, nil
		}
		if key.kid != "" && d.key.kid == key.kid {
			return nil, false, ErrDevice // two keys of one name: a signature would not say which
		}
	}
	if len(devices) >= maxDevices {
		return nil, false, ErrDevice
	}
	jwk, err := key.JWK()
	if err != nil {
		return nil, false, err
	}
	return &credentialRow{
		Vault: vault, ID: identity.NewID[identity.CredentialID](), Kind: kindDevice, State: stateActive, Name: name, JWK: jwk, CreatedAt: now, key: key,
	}, false, nil
}

// registrationProof verifies that whoever registers a key holds it, now.
func (s *Server) registrationProof(key *Key, proof string) (proofID, error) {
	if len(proof) > maxAssertion {
		return proofID{}, ErrDevice
	}
	payload, _, err := s.verifier.verify(proof, expected{typs: []string{registrationType}, keys: func(kid string) (*Key, error) {
		if kid == key.thumb || kid == key.kid {
			return key, nil
		}
		return nil, ErrUnknownKey
	}})
	if err != nil {
		return proofID{}, messageFault(err, ErrDevice)
	}
	var c deviceClaims
	now := s.now()
	if decodeClaims(payload, &c) != nil || c.Audience != s.issuer || c.ID == "" || len(c.ID) > maxID || c.IssuedAt == 0 || !c.begun(now) {
		return proofID{}, ErrDevice
	}
	until := c.IssuedAt.time().Add(registerLife)
	if !now.Before(until) || c.Expires != 0 && !now.Before(c.Expires.time()) {
		return proofID{}, ErrDevice
	}
	return newProofID("device-registration", key.thumb, c.ID, until), nil
}

// Devices lists the registered devices of a person, oldest first.
func (s *Server) Devices(ctx context.Context, g pg.Guard, vault identity.VaultID) ([]Device, error) {
	b := new(pgx.Batch)
	g.Queue(b)
	held := queueCredentials(b, vault)
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return nil, fmt.Errorf("devices of vault %s: %w", vault, Refused(err))
	}
	if err := g.Check(); err != nil {
		return nil, err
	}
	if err := held.verify(s.deployment); err != nil {
		return nil, err
	}
	devices := []Device{}
	for _, row := range held.devices() {
		devices = append(devices, s.device(row))
	}
	return devices, nil
}

// EndDevice ends a device of the person: what it signs is refused from the next request on. Errors: [ErrNoDevice], those of g.
func (s *Server) EndDevice(ctx context.Context, g pg.Guard, vault identity.VaultID, by audit.Actor, device string) error {
	owner, id, refErr := s.openDeviceRef(device)
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, vault)
	if err != nil {
		return fmt.Errorf("end a device: %w", err)
	}
	now := s.calendar()
	var held *credentials
	err = pg.Exchange(ctx, s.pool,
		func(b *pgx.Batch) error {
			g.Queue(b)
			b.Queue(sqlLockVault, vault)
			held = queueCredentials(b, vault)
			return nil
		},
		func(b *pgx.Batch) error {
			if err := g.Check(); err != nil {
				return err
			}
			if err := held.verify(s.deployment); err != nil {
				return err
			}
			for _, row := range held.devices() {
				if refErr == nil && owner == vault && row.ID == id {
					row.queueEnd(b, s.deployment, now)
					_, err := s.people.audit.Queue(b, keys, audit.Entry{Vault: vault, Kind: audit.DeviceRemoved, Actor: by}, now)
					return err
				}
			}
			return ErrNoDevice
		})
	if err != nil {
		return fmt.Errorf("end a device: %w", Refused(err))
	}
	return nil
}

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
	person.QueueGoodStanding(b, c.row.Vault)
	queueProofs(b, c.id)
}

// openDeviceCall verifies a message of a registered device. Errors: [ErrDevice].
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
	if call.row.Kind != kindDevice || call.row.State != stateActive {
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
	if decodeClaims(payload, c) != nil || c.Audience != s.issuer || c.IssuedAt == 0 || !c.holds(s.now(), deviceLife) || c.ID == "" || len(c.ID) > maxID {
		return nil, ErrDevice
	}
	call.id = newProofID("device", call.row.ID.String(), c.ID, c.Expires.time())
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
