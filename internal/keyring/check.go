package keyring

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrCheck reports that this KEK is not the one that the deployment was made with, or that the check was altered.
var ErrCheck = errors.New("keyring: not the key-encryption key of this deployment")

// The check is 0x01, the epoch in big endian, and the known value wrapped under it.
const (
	checkVersion = 0x01
	checkHeader  = 5
	checkValue   = "vidan key check 1"
)

// NewCheck wraps a known value under the newest epoch for the deployment row (deployment.kek_check). It must be made
// anew, by the role that migrates, before its epoch is destroyed.
func NewCheck(ctx context.Context, kek KEK, deployment [16]byte) ([]byte, error) {
	epoch := kek.Epoch()
	wrapped, err := kek.Wrap(ctx, epoch, []byte(checkValue), checkData(deployment, epoch))
	if err != nil {
		return nil, fmt.Errorf("wrap key check: %w", err)
	}
	check := binary.BigEndian.AppendUint32([]byte{checkVersion}, uint32(epoch))
	return append(check, wrapped...), nil
}

// Check proves at start that the KEK opens what this deployment wrapped. A wrong key, a lost epoch, an altered check
// or one of another deployment is ErrCheck; ErrUnavailable and ctx.Err() pass through, for they say nothing of it.
func Check(ctx context.Context, kek KEK, deployment [16]byte, check []byte) error {
	if len(check) < checkHeader || check[0] != checkVersion {
		return fmt.Errorf("unknown form: %w", ErrCheck)
	}
	epoch := int32(binary.BigEndian.Uint32(check[1:checkHeader]))
	value, err := kek.Unwrap(ctx, epoch, check[checkHeader:], checkData(deployment, epoch))
	switch {
	case errors.Is(err, ErrEpoch):
		return fmt.Errorf("it has no epoch %d: %w", epoch, ErrCheck)
	case errors.Is(err, ErrRefused):
		return fmt.Errorf("epoch %d does not open the check: %w", epoch, ErrCheck)
	case err != nil:
		return fmt.Errorf("key check: %w", err)
	case subtle.ConstantTimeCompare(value, []byte(checkValue)) != 1:
		return fmt.Errorf("unknown value: %w", ErrCheck)
	}
	return nil
}

// checkData is ("kek-check", deployment, epoch), each with its length in four bytes before it.
func checkData(deployment [16]byte, epoch int32) []byte {
	const label = "kek-check"
	ad := binary.BigEndian.AppendUint32(nil, uint32(len(label)))
	ad = append(ad, label...)
	ad = binary.BigEndian.AppendUint32(ad, uint32(len(deployment)))
	ad = append(ad, deployment[:]...)
	ad = binary.BigEndian.AppendUint32(ad, 4)
	return binary.BigEndian.AppendUint32(ad, uint32(epoch))
}
