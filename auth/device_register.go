package auth

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

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
// Errors: [ErrLevel] without an authority for this person, [ErrCode] when its code is not right, [ErrDevice], [ErrReplay], those of g.
func (s *Server) RegisterDevice(ctx context.Context, g pg.Guard, vault identity.VaultID, by audit.Actor, in NewDevice, right Authority) (Device, error) {
	key, err := newDeviceKey(in.JWK, in.Name)
	if err != nil {
		return Device{}, err
	}
	id, err := s.registrationProof(key, in.Proof)
	if err != nil {
		return Device{}, err
	}
	row, err := s.add(ctx, g, vault, adding{
		right: right, by: by, kind: audit.DeviceAdded, notice: delivery.DeviceAdded, proofs: []proofID{id},
		make: func(_ *seal.Keys, held *credentials, now time.Time) (*credentialRow, bool, error) {
			return s.newDeviceRow(held, vault, key, in.Name, now)
		},
	})
	if err != nil {
		return Device{}, fmt.Errorf("register a device: %w", err)
	}
	return s.device(row), nil
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
		Vault: vault, ID: identity.NewID[identity.CredentialID](), Kind: WayDevice, State: stateActive, Name: name, JWK: jwk, CreatedAt: now, key: key,
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
