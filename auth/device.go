package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
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
	return s.endCredential(ctx, g, vault, by, func(r *credentialRow) bool {
		return refErr == nil && owner == vault && r.ID == id && r.Kind == WayDevice
	})
}
