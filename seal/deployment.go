package seal

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"

	"vidan/internal/keyring"
)

// DeploymentKey is one row of deployment_keys: a keyset of the deployment itself, wrapped like those of vaults.
type DeploymentKey struct {
	Purpose  Purpose
	KeysetID [16]byte
	Epoch    int32
	State    State
	Wrapped  []byte
}

func (w DeploymentKey) stored() stored {
	return stored{purpose: w.Purpose, id: w.KeysetID, epoch: w.Epoch, state: w.State, wrapped: w.Wrapped}
}

// Deployment holds the key-encryption key and the opened keysets of one deployment. It is opened once at start, is
// immutable and safe for concurrent use.
type Deployment struct {
	masked
	id          [16]byte
	kek         keyring.KEK
	waiting     *sealer
	signing     *sealer
	identifiers []numberedPRF // the first computes new digests
	naming      prf.PRF
	macs        []tink.MAC               // the first computes
	references  []tink.DeterministicAEAD // the first seals
	scratch     scratch
}

func deploymentPurposes() []Purpose {
	return []Purpose{Identifier, DocumentNaming, RowMAC, Waiting, Signing, Reference}
}

// NewDeployment draws the keysets of a new deployment and returns it opened, with the rows to store. Only the command
// that creates a deployment calls it.
func NewDeployment(ctx context.Context, kek keyring.KEK, id [16]byte) (*Deployment, []DeploymentKey, error) {
	if id == [16]byte{} {
		return nil, nil, fmt.Errorf("new deployment: %w", ErrPlace)
	}
	d := &Deployment{id: id, kek: kek}
	var rows []DeploymentKey
	for _, p := range deploymentPurposes() {
		row, err := d.newRow(ctx, p, d.binding)
		if err != nil {
			return nil, nil, fmt.Errorf("new %s keyset of the deployment: %w", p, err)
		}
		rows = append(rows, DeploymentKey{Purpose: p, KeysetID: row.id, Epoch: row.epoch, State: row.state, Wrapped: row.wrapped})
	}
	d, err := OpenDeployment(ctx, kek, id, rows)
	if err != nil {
		return nil, nil, err
	}
	return d, rows, nil
}

// OpenDeployment opens all keysets of the deployment. Errors: ErrKeyset, also for another deployment's rows or
// another key; ErrKeysUnavailable.
func OpenDeployment(ctx context.Context, kek keyring.KEK, id [16]byte, rows []DeploymentKey) (*Deployment, error) {
	d := &Deployment{id: id, kek: kek}
	all := make([]stored, len(rows))
	for i, row := range rows {
		all[i] = row.stored()
	}
	sets, err := openRows(ctx, kek, deploymentPurposes(), all, d.binding)
	if err != nil {
		return nil, fmt.Errorf("open deployment: %w", err)
	}
	for p, set := range sets {
		if set.active == nil {
			return nil, fmt.Errorf("open deployment: %s destroyed: %w", p, ErrKeyset)
		}
		if err := d.use(p, set); err != nil {
			return nil, fmt.Errorf("open deployment: %s: %w", p, err)
		}
	}
	return d, nil
}

// use builds the primitives of one purpose.
func (d *Deployment) use(p Purpose, set *opened) (err error) {
	switch p {
	case Waiting:
		d.waiting, err = newSealer(set)
	case Signing:
		d.signing, err = newSealer(set)
	case Identifier:
		d.identifiers, err = newNumberedPRFs(set)
	case DocumentNaming:
		d.naming, err = newPRF(set)
	case RowMAC:
		d.macs, err = newMACs(set)
	case Reference:
		d.references, err = newReferences(set)
	}
	return err
}

// RewrapDeployment is Rewrap for a row of the deployment.
func (d *Deployment) RewrapDeployment(ctx context.Context, row DeploymentKey) (DeploymentKey, error) {
	again, err := d.rewrap(ctx, row.stored(), d.binding)
	if err != nil {
		return DeploymentKey{}, fmt.Errorf("rewrap keyset %s of the deployment: %w", uuid.UUID(row.KeysetID), err)
	}
	row.Epoch, row.Wrapped = again.epoch, again.wrapped
	return row, nil
}

// ID returns the deployment's id, as in the deployment row.
func (d *Deployment) ID() [16]byte { return d.id }

// Seal seals a plain value that belongs to no vault, under Waiting or Signing. Place.Vault must be zero.
func (d *Deployment) Seal(p Purpose, at Place, plaintext []byte) ([]byte, error) {
	s, err := d.sealer(p, at)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", at, err)
	}
	return s.seal(d, at, formPlain, plaintext)
}

// Open returns what Seal was given. Whatever else it is shown is ErrSealed.
func (d *Deployment) Open(p Purpose, at Place, sealed []byte) ([]byte, error) {
	s, err := d.sealer(p, at)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", at, err)
	}
	return s.open(d, at, formPlain, sealed)
}

// SealMessage seals a message of up to MaxMessage bytes, compressed and padded inside the seal.
func (d *Deployment) SealMessage(p Purpose, at Place, message []byte) ([]byte, error) {
	s, err := d.sealer(p, at)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", at, err)
	}
	return s.sealMessage(d, at, message)
}

// OpenMessage returns what SealMessage was given, never more than MaxMessage bytes.
func (d *Deployment) OpenMessage(p Purpose, at Place, sealed []byte) ([]byte, error) {
	s, err := d.sealer(p, at)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", at, err)
	}
	return s.openMessage(d, at, sealed)
}

func (d *Deployment) sealer(p Purpose, at Place) (*sealer, error) {
	if !at.named() || !at.Vault.IsZero() {
		return nil, ErrPlace
	}
	switch p {
	case Waiting:
		return d.waiting, nil
	case Signing:
		return d.signing, nil
	default:
		return nil, ErrPurpose
	}
}

// binding is (deployment, "deployment-key", purpose, keyset id, epoch): C3.
func (d *Deployment) binding(row stored) []byte {
	b := bytesField(make([]byte, 0, 96), d.id[:])
	b = textField(b, "deployment-key")
	b = textField(b, string(row.purpose))
	b = bytesField(b, row.id[:])
	return uint32Field(b, uint32(row.epoch))
}

// newRow draws a keyset and wraps it under the newest epoch.
func (d *Deployment) newRow(ctx context.Context, p Purpose, binding func(stored) []byte) (stored, error) {
	handle, err := newKeyset(p)
	if err != nil {
		return stored{}, err
	}
	row := stored{purpose: p, id: uuid.New(), epoch: d.kek.Epoch(), state: Active}
	row.wrapped, err = wrap(ctx, d.kek, row.epoch, handle, binding(row))
	return row, err
}

// rewrap moves one keyset to the newest epoch.
func (d *Deployment) rewrap(ctx context.Context, row stored, binding func(stored) []byte) (stored, error) {
	if row.state == Destroyed {
		return stored{}, ErrNoKeys
	}
	handle, err := unwrap(ctx, d.kek, row.epoch, row.purpose, row.wrapped, binding(row))
	if err != nil {
		return stored{}, err
	}
	row.epoch = d.kek.Epoch()
	row.wrapped, err = wrap(ctx, d.kek, row.epoch, handle, binding(row))
	return row, err
}
