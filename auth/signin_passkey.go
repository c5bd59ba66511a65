package auth

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"vidan/auth/passkey"
	"vidan/identity"
	"vidan/seal"
)

// wayCopied is how the record names a passkey of which somebody has a copy.
const wayCopied Way = "passkey_copied"

// challenge is what an authenticator signs: it follows from the sign-in and the id drawn for this try, and only this service can tell it.
// Neither a dump nor a browser has it before it was asked, and a try that was answered draws another.
func (x *SignIn) challenge() []byte {
	mac := x.server.deployment.MAC("signins", new(seal.Columns).Text("passkey").Bytes(x.row.Hash).UUID(x.row.Challenge.Bytes()))
	return mac[len(mac)-32:]
}

// PasskeyOptions is what the browser needs to ask an authenticator, as JSON, in the passkey step. Errors: [ErrMoved].
func (x *SignIn) PasskeyOptions() ([]byte, error) {
	if x.row.Step != StepPasskey || !x.Passkeys() {
		return nil, ErrMoved
	}
	return x.server.people.passkeys.RequestOptions(x.challenge())
}

// Passkey tries the answer of an authenticator. It is not throttled: it stands on a signature, which is not guessed. A passkey of nobody, of
// somebody else than the passphrase was of, and a wrong signature are one answer; each try uses its challenge up.
//
// Errors: [ErrMoved], those of the database.
func (x *SignIn) Passkey(ctx context.Context, response identity.Private) (Verdict, error) {
	s := x.server
	if x.row.Step != StepPasskey || !x.Passkeys() {
		return 0, ErrMoved
	}
	answer, err := s.people.passkeys.Read([]byte(response.Reveal()))
	if err != nil {
		return Malformed, nil
	}
	vault, known := s.openHandle(answer.Handle)
	if !known || x.Proven() && vault != x.row.Vault {
		vault = identity.NewVaultID()
	}
	who, err := s.candidate(ctx, vault)
	if err != nil {
		return 0, err
	}
	c := conclusion{who: who, verdict: Wrong, way: WayPasskey}
	row, key, err := s.matchPasskey(who, answer, x.challenge())
	switch {
	case errors.Is(err, passkey.ErrCopied):
		c.way = wayCopied
	case err != nil:
		return 0, err
	}
	if row != nil {
		c.verdict = x.judge(who)
		c.also = func(b *pgx.Batch) error {
			row.queueUse(b, s.deployment, int64(key.Counter), flagsOf(key))
			return nil
		}
	}
	if c.verdict == Accepted {
		ways := []Way{WayPasskey}
		if x.Proven() {
			ways = []Way{WayPassphrase, WayPasskey}
		}
		c.to = x.done(who, ways...)
	} else {
		again := x.row
		again.Challenge = identity.NewID[identity.ObjectID]()
		c.to = &again
	}
	switch err := x.conclude(ctx, c); {
	case errors.Is(err, errCredentialUsed):
		return Wrong, nil // a copy of the key was faster
	case err != nil:
		return 0, err
	}
	return c.verdict, nil
}

// matchPasskey verifies an answer by the passkey that it names; nil when the person has none of that id or it is not good.
// Errors: [passkey.ErrCopied].
func (s *Server) matchPasskey(who *candidate, a passkey.Answer, challenge []byte) (*credentialRow, passkey.Credential, error) {
	all := who.held.of(WayPasskey)
	at := slices.IndexFunc(all, func(r *credentialRow) bool { return slices.Equal(r.Handle, a.ID) })
	if at < 0 {
		return nil, passkey.Credential{}, nil
	}
	key, err := s.people.passkeys.Verify(a, challenge, s.handle(who.vault), all[at].passkey())
	switch {
	case errors.Is(err, passkey.ErrRefused):
		return nil, passkey.Credential{}, nil
	case err != nil:
		return nil, passkey.Credential{}, err
	}
	return all[at], key, nil
}
