package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// Authority says in which right somebody adds a device. The zero value is none.
type Authority struct {
	vault  identity.VaultID // by a session of level 2 that was confirmed just now
	number identity.PersonalNumber
	code   person.Code // by an activation code, tried when the device is registered
}

// SessionAuthority is the right of a person who confirmed with another device within the last quarter of an hour. Errors: [ErrLevel].
func (s *Server) SessionAuthority(p *Principal) (Authority, error) {
	if p.Kind != Citizen || p.Level < 2 || s.now().Sub(p.AuthTime) > freshLevel {
		return Authority{}, ErrLevel
	}
	return Authority{vault: p.Vault}, nil
}

// CodeAuthority is the right of a person with a fresh activation code, which an officer had sent to them. The code is tried by
// [Server.RegisterDevice], and only when the number is that of the person who is signed in: nobody uses up another's tries.
// Errors: [ErrCode] for what cannot be a number or a code.
func (s *Server) CodeAuthority(_ context.Context, number, code identity.Private) (Authority, error) {
	n, err := parseTyped(number)
	if err != nil {
		return Authority{}, ErrCode
	}
	c, err := person.ParseCode(code.Reveal())
	if err != nil {
		return Authority{}, ErrCode
	}
	return Authority{number: n, code: c}, nil
}

// holds reports whether an authority is for this person; by a code, it tries the code, unless the key is a device of theirs already: then
// nothing is to be done, and a retry whose first answer was lost has used the code.
func (s *Server) holds(ctx context.Context, right Authority, vault identity.VaultID, key *Key) (person.Activation, error) {
	if right.number.IsZero() {
		if right.vault != vault || vault.IsZero() {
			return person.Activation{}, ErrLevel
		}
		return person.Activation{}, nil
	}
	id := person.NumberIdentifier(right.number)
	b := new(pgx.Batch)
	finding := s.people.registry.QueueFind(b, []person.Identifier{id})
	held := queueCredentials(b, vault)
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return person.Activation{}, fmt.Errorf("register a device: %w", err)
	}
	found, err := finding.Result()
	if err != nil {
		return person.Activation{}, fmt.Errorf("register a device: %w", err)
	}
	if found[0].Vault != vault || vault.IsZero() {
		return person.Activation{}, ErrCode
	}
	if err := held.verify(s.deployment); err != nil {
		return person.Activation{}, err
	}
	if slices.ContainsFunc(held.devices(), func(d *credentialRow) bool { return d.key.thumb == key.thumb }) {
		return person.Activation{}, nil
	}
	activation, err := s.people.registry.CheckActivation(ctx, id, right.code)
	if errors.Is(err, person.ErrCode) {
		return person.Activation{}, ErrCode
	}
	return activation, err
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
	activation, err := s.holds(ctx, right, vault, key)
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
			if !right.number.IsZero() {
				if err := s.people.registry.QueueActivation(b, keys, activation, by, now); err != nil {
					return err
				}
			}
			row.queueInsert(b, s.deployment)
			_, err = s.people.audit.Queue(b, keys, audit.Entry{Vault: vault, Kind: audit.DeviceAdded, Actor: by}, now)
			return err
		})
	if err != nil {
		if pg.Refused(err) == person.CodeUsed || errors.Is(err, person.ErrCode) {
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
