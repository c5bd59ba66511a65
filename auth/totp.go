package auth

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/auth/codes"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// ErrDisplay reports a code display that may not be added: another's, too old an offer, a name that is none, one too many.
var ErrDisplay = errors.New("auth: code display not accepted")

// ErrWrongCode reports a code that the display does not show now.
var ErrWrongCode = errors.New("auth: the code is not right")

const (
	maxDisplays = 3
	offerLife   = 15 * time.Minute
	offerKind   = "totp-offer"
)

// DisplayOffer is a secret on its way into a code display (an app or a token that shows codes). The address is shown once: nothing of it is kept
// until a code proves that the display has it, and then only sealed.
type DisplayOffer struct {
	URI   string // otpauth://…, as a display reads it (codes.Secret.URI)
	Offer string // sealed; comes back with the first code
	Until time.Time
}

// OfferDisplay draws a secret for a code display of a person. It changes nothing.
func (s *Server) OfferDisplay(ctx context.Context, g pg.Guard, vault identity.VaultID, name string) (DisplayOffer, error) {
	if !credentialName(name) {
		return DisplayOffer{}, ErrDisplay
	}
	b := new(pgx.Batch)
	g.Queue(b)
	if err := pg.Pipeline(ctx, s.pool, b); err != nil {
		return DisplayOffer{}, fmt.Errorf("offer a code display: %w", Refused(err))
	}
	if err := g.Check(); err != nil {
		return DisplayOffer{}, err
	}
	secret, until := codes.NewSecret(), s.now().Add(offerLife).Truncate(time.Second)
	of := vault.Bytes()
	sealed := binary.BigEndian.AppendUint64(append([]byte(nil), of[:]...), uint64(until.Unix()))
	return DisplayOffer{
		URI: secret.URI("Ví dân", name), Offer: s.deployment.Ref(deviceSector, offerKind, append(sealed, secret.Bytes()...)), Until: until,
	}, nil
}

func (s *Server) openOffer(offer string, vault identity.VaultID) (codes.Secret, error) {
	raw, err := s.deployment.OpenRef(deviceSector, offerKind, offer)
	of := vault.Bytes()
	if err != nil || len(raw) != 16+8+codes.SecretLength || !bytes.Equal(raw[:16], of[:]) {
		return codes.Secret{}, ErrDisplay
	}
	if until := time.Unix(int64(binary.BigEndian.Uint64(raw[16:24])), 0); !s.now().Before(until) {
		return codes.Secret{}, ErrDisplay
	}
	return codes.ReadSecret(raw[24:])
}

// NewDisplay is a code display that a person wants to add.
type NewDisplay struct {
	Name  string           // 1 to 60 characters
	Offer string           // of [Server.OfferDisplay]
	Code  identity.Private // that the display shows now, as typed
}

// AddDisplay adds a code display that shows the right code. Adding the same offer again is the same display.
//
// Errors: [ErrDisplay], [ErrWrongCode], [ErrLevel] without an authority for this person, [ErrCode] when its code is not right, those of g.
func (s *Server) AddDisplay(ctx context.Context, g pg.Guard, vault identity.VaultID, by audit.Actor, in NewDisplay, right Authority) (Credential, error) {
	secret, err := s.openOffer(in.Offer, vault)
	if err != nil || !credentialName(in.Name) {
		return Credential{}, ErrDisplay
	}
	typed, err := codes.Parse(in.Code.Reveal())
	if err != nil {
		return Credential{}, ErrWrongCode
	}
	step, ok := secret.Match(typed, s.now(), 0)
	if !ok {
		return Credential{}, ErrWrongCode
	}
	row, err := s.add(ctx, g, vault, adding{
		right: right, by: by, kind: audit.CredentialAdded, reason: string(WayTOTP), notice: delivery.CredentialAdded,
		make: func(keys *seal.Keys, held *credentials, now time.Time) (*credentialRow, bool, error) {
			displays := held.of(WayTOTP)
			for _, row := range displays {
				known, err := row.openTOTP(keys)
				if err != nil {
					return nil, false, err
				}
				if known.Equal(secret) {
					return row, true, nil
				}
			}
			if len(displays) >= maxDisplays {
				return nil, false, ErrDisplay
			}
			row := &credentialRow{
				Vault: vault, ID: identity.NewID[identity.CredentialID](), Kind: WayTOTP, State: stateActive, Name: in.Name, Counter: step, CreatedAt: now,
			}
			var err error
			row.Sealed, err = keys.Seal(seal.Content, row.place(), secret.Bytes())
			return row, false, err
		},
	})
	if err != nil {
		return Credential{}, fmt.Errorf("add a code display: %w", err)
	}
	return s.credential(row), nil
}

// place is where the secret of a code display is sealed.
func (r *credentialRow) place() seal.Place {
	return seal.Place{Table: "credentials", Column: "sealed", Vault: r.Vault, Object: r.ID.Bytes()}
}

func (r *credentialRow) openTOTP(keys *seal.Keys) (codes.Secret, error) {
	raw, err := keys.Open(seal.Content, r.place(), r.Sealed)
	if err != nil {
		return codes.Secret{}, fmt.Errorf("credential %s: %w", r.ID, err)
	}
	return codes.ReadSecret(raw)
}

// matchTOTP finds the display that shows a code now, and returns what uses its time step up; nil when none does.
func (s *Server) matchTOTP(who *candidate, typed codes.Code, now time.Time) (use func(*pgx.Batch) error, err error) {
	for _, row := range who.held.of(WayTOTP) {
		secret, err := row.openTOTP(who.keys)
		if err != nil {
			return nil, err
		}
		if step, ok := secret.Match(typed, now, row.Counter); ok {
			use = func(b *pgx.Batch) error {
				row.queueUse(b, s.deployment, step, row.Flags)
				return nil
			}
		}
	}
	return use, nil
}

// credentialName accepts what a person may call a credential: 1 to 60 characters in one line.
func credentialName(name string) bool { return title(name) && utf8.RuneCountInString(name) <= 60 }
