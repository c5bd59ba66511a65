package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/auth/passkey"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// ErrPasskey reports a passkey that may not be registered: an answer that is not good, a name that is none, one too many, or none is offered here.
var ErrPasskey = errors.New("auth: passkey not accepted")

const (
	maxPasskeys = 10

	passkeyKind  = "passkey" // of the user handle, by which an answer of an authenticator finds its vault
	passkeyLife  = 5 * time.Minute
	passkeyNonce = 16

	flagBackupEligible int16 = 1
	flagBackedUp       int16 = 2
)

// handle is by which name authenticators know a person: it follows from the vault and nothing follows from it.
func (s *Server) handle(vault identity.VaultID) []byte {
	of := vault.Bytes()
	return []byte(s.deployment.Ref(browserSector, passkeyKind, of[:]))
}

func (s *Server) openHandle(handle []byte) (identity.VaultID, bool) {
	raw, err := s.deployment.OpenRef(browserSector, passkeyKind, string(handle))
	if err != nil || len(raw) != 16 {
		return identity.VaultID{}, false
	}
	return identity.FromBytes[identity.VaultID]([16]byte(raw)), true
}

func (r *credentialRow) passkey() passkey.Credential {
	return passkey.Credential{
		ID: r.Handle, PublicKey: r.COSE, Counter: uint32(r.Counter),
		BackupEligible: r.Flags&flagBackupEligible != 0, BackedUp: r.Flags&flagBackedUp != 0,
	}
}

func flagsOf(c passkey.Credential) (flags int16) {
	if c.BackupEligible {
		flags |= flagBackupEligible
	}
	if c.BackedUp {
		flags |= flagBackedUp
	}
	return flags
}

// PasskeyOffer is what a browser needs to make a passkey.
type PasskeyOffer struct {
	Options []byte // JSON: PublicKeyCredentialCreationOptions
	Until   time.Time
}

// registrationChallenge is 48 bytes: a nonce, until when it is good and a MAC over both and the person. Nothing is stored before a key answers it,
// and then it is used up like a proof of possession: once, in every process.
func (s *Server) registrationChallenge(vault identity.VaultID, nonce []byte, until time.Time) []byte {
	head := binary.BigEndian.AppendUint64(append([]byte(nil), nonce...), uint64(until.Unix()))
	mac := s.deployment.MAC("credentials", new(seal.Columns).Text("passkey challenge").UUID(vault.Bytes()).Bytes(head))
	return append(head, mac[len(mac)-24:]...)
}

// OfferPasskey asks for a passkey of a person. It changes nothing. Errors: [ErrPasskey], those of g.
func (s *Server) OfferPasskey(ctx context.Context, g pg.Guard, vault identity.VaultID, name string) (PasskeyOffer, error) {
	if s.people.passkeys == nil || !credentialName(name) {
		return PasskeyOffer{}, ErrPasskey
	}
	b := new(pgx.Batch)
	g.Queue(b)
	held := queueCredentials(b, vault)
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return PasskeyOffer{}, fmt.Errorf("offer a passkey: %w", Refused(err))
	}
	if err := g.Check(); err != nil {
		return PasskeyOffer{}, err
	}
	if err := held.verify(s.deployment); err != nil {
		return PasskeyOffer{}, err
	}
	var ids [][]byte
	for _, row := range held.of(WayPasskey) {
		ids = append(ids, row.Handle)
	}
	var nonce [passkeyNonce]byte
	_, _ = rand.Read(nonce[:]) // never fails (crypto/rand)
	until := s.now().Add(passkeyLife).Truncate(time.Second)
	options, err := s.people.passkeys.CreationOptions(s.registrationChallenge(vault, nonce[:], until), s.handle(vault), name, ids)
	return PasskeyOffer{Options: options, Until: until}, err
}

// NewPasskey is a passkey that a person wants to register.
type NewPasskey struct {
	Name      string // 1 to 60 characters
	Challenge []byte // of the offer
	Response  []byte // JSON: RegistrationResponseJSON of the browser
}

// RegisterPasskey adds a passkey to a person's account. Registering the same key again is the same passkey.
//
// Errors: [ErrPasskey], [ErrReplay], [ErrLevel] without an authority for this person, [ErrCode] when its code is not right, those of g.
func (s *Server) RegisterPasskey(ctx context.Context, g pg.Guard, vault identity.VaultID, by audit.Actor, in NewPasskey, right Authority) (Credential, error) {
	if s.people.passkeys == nil || !credentialName(in.Name) || len(in.Challenge) < passkeyNonce+8 {
		return Credential{}, ErrPasskey
	}
	until := time.Unix(int64(binary.BigEndian.Uint64(in.Challenge[passkeyNonce:])), 0)
	if now := s.now(); !now.Before(until) || until.Sub(now) > passkeyLife ||
		!bytes.Equal(in.Challenge, s.registrationChallenge(vault, in.Challenge[:passkeyNonce], until)) {
		return Credential{}, ErrPasskey
	}
	key, err := s.people.passkeys.Register(in.Challenge, s.handle(vault), in.Response)
	if err != nil {
		return Credential{}, ErrPasskey
	}
	row, err := s.add(ctx, g, vault, adding{
		right: right, by: by, kind: audit.CredentialAdded, reason: string(WayPasskey), notice: delivery.CredentialAdded,
		proofs: []proofID{newProofID("passkey-registration", vault.String(), string(in.Challenge), until)},
		make: func(_ *seal.Keys, held *credentials, now time.Time) (*credentialRow, bool, error) {
			passkeys := held.of(WayPasskey)
			for _, row := range passkeys {
				if bytes.Equal(row.Handle, key.ID) {
					if !bytes.Equal(row.COSE, key.PublicKey) {
						return nil, false, ErrPasskey
					}
					return row, true, nil
				}
			}
			if len(passkeys) >= maxPasskeys {
				return nil, false, ErrPasskey
			}
			return &credentialRow{
				Vault: vault, ID: identity.NewID[identity.CredentialID](), Kind: WayPasskey, State: stateActive, Name: in.Name,
				Handle: key.ID, COSE: key.PublicKey, Counter: int64(key.Counter), Flags: flagsOf(key), CreatedAt: now,
			}, false, nil
		},
	})
	if err != nil {
		return Credential{}, fmt.Errorf("register a passkey: %w", err)
	}
	return s.credential(row), nil
}
