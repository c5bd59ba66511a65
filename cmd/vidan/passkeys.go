package main

import (
	"errors"

	"vidan/auth/passkey"
	"vidan/auth/passkey/webauthn"
)

// passkeys returns the relying party of an issuer; nil where browsers make no passkeys, under an address without a name.
func passkeys(issuer string) (passkey.Party, error) {
	party, err := webauthn.New(issuer, "Ví dân")
	if errors.Is(err, passkey.ErrIssuer) {
		return nil, nil
	}
	return party, err
}
