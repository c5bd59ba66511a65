// Package webauthn stands behind [passkey.Party] with go-webauthn: it promises what that package promises (Y1 to Y5) and lets nothing of the
// library through, neither its types nor its words.
package webauthn

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"vidan/auth/passkey"
)

// prompt is for how many milliseconds a browser waits for its user: generous (WCAG 2.2.1).
const prompt = 300_000

type party struct{ web *webauthn.WebAuthn }

// New makes the party of an issuer (scheme and host, no path) with the name that authenticators show. Errors: [passkey.ErrIssuer].
func New(issuer, name string) (passkey.Party, error) {
	u, err := url.Parse(issuer)
	if err != nil || protocol.ValidateRPID(u.Hostname()) != nil {
		return nil, passkey.ErrIssuer
	}
	web, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: name, RPOrigins: []string{issuer},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: protocol.ResidentKeyRequired(), ResidentKey: protocol.ResidentKeyRequirementRequired,
			UserVerification: protocol.VerificationRequired,
		},
		// Some password managers answer extensions that nobody asked for. None is read here.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", passkey.ErrIssuer, err)
	}
	return &party{web}, nil
}

// parameters are the algorithms of keys: ES256 and EdDSA; RS256 because the authenticators of many office computers make no other.
func parameters() []protocol.CredentialParameter {
	all := make([]protocol.CredentialParameter, 0, 3)
	for _, algorithm := range []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256} {
		all = append(all, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: algorithm})
	}
	return all
}

// user is whom a key is made for or belongs to.
type user struct {
	handle []byte
	name   string
	keys   []webauthn.Credential
}

func (u user) WebAuthnID() []byte                         { return u.handle }
func (u user) WebAuthnName() string                       { return u.name }
func (u user) WebAuthnDisplayName() string                { return u.name }
func (u user) WebAuthnCredentials() []webauthn.Credential { return u.keys }

// CreationOptions implements [passkey.Party].
func (p *party) CreationOptions(challenge, handle []byte, name string, held [][]byte) ([]byte, error) {
	exclude := make([]protocol.CredentialDescriptor, len(held))
	for i, id := range held {
		exclude[i] = protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: id}
	}
	options, _, err := p.web.BeginRegistration(user{handle: handle, name: name}, webauthn.WithExclusions(exclude),
		webauthn.WithCredentialParameters(parameters()), func(o *protocol.PublicKeyCredentialCreationOptions) error {
			o.Challenge, o.Timeout = challenge, prompt
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", passkey.ErrRefused, err)
	}
	return json.Marshal(options.Response)
}

// RequestOptions implements [passkey.Party].
func (p *party) RequestOptions(challenge []byte) ([]byte, error) {
	options, _, err := p.web.BeginDiscoverableLogin(webauthn.WithChallenge(challenge), webauthn.WithUserVerification(protocol.VerificationRequired),
		func(o *protocol.PublicKeyCredentialRequestOptions) error { o.Timeout = prompt; return nil })
	if err != nil {
		return nil, fmt.Errorf("%w: %w", passkey.ErrRefused, err)
	}
	return json.Marshal(options.Response)
}

func (p *party) session(challenge []byte) webauthn.SessionData {
	return webauthn.SessionData{
		Challenge: base64.RawURLEncoding.EncodeToString(challenge), RelyingPartyID: p.web.Config.RPID,
		UserVerification: protocol.VerificationRequired, CredParams: parameters(),
	}
}

// Register implements [passkey.Party].
func (p *party) Register(challenge, handle, response []byte) (passkey.Credential, error) {
	if len(response) > passkey.MaxResponse || len(handle) == 0 {
		return passkey.Credential{}, passkey.ErrResponse
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return passkey.Credential{}, passkey.ErrResponse
	}
	session := p.session(challenge)
	session.UserID = handle
	made, err := p.web.CreateCredential(user{handle: handle}, session, parsed)
	if err != nil || len(made.ID) == 0 || len(made.ID) > passkey.MaxID {
		return passkey.Credential{}, passkey.ErrRefused
	}
	return credential(made), nil
}

func credential(c *webauthn.Credential) passkey.Credential {
	return passkey.Credential{
		ID: c.ID, PublicKey: c.PublicKey, Counter: c.Authenticator.SignCount,
		BackupEligible: c.Flags.BackupEligible, BackedUp: c.Flags.BackupState,
	}
}

func parse(response []byte) (*protocol.ParsedCredentialAssertionData, error) {
	if len(response) > passkey.MaxResponse {
		return nil, passkey.ErrResponse
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil || len(parsed.RawID) == 0 || len(parsed.RawID) > passkey.MaxID {
		return nil, passkey.ErrResponse
	}
	if handle := parsed.Response.UserHandle; len(handle) == 0 || len(handle) > passkey.MaxHandle {
		return nil, passkey.ErrResponse
	}
	return parsed, nil
}

// Read implements [passkey.Party].
func (p *party) Read(response []byte) (passkey.Answer, error) {
	parsed, err := parse(response)
	if err != nil {
		return passkey.Answer{}, err
	}
	return passkey.Answer{ID: parsed.RawID, Handle: parsed.Response.UserHandle, Raw: response}, nil
}

// Verify implements [passkey.Party].
func (p *party) Verify(a passkey.Answer, challenge, handle []byte, key passkey.Credential) (passkey.Credential, error) {
	parsed, err := parse(a.Raw)
	if err != nil || len(handle) == 0 || len(key.ID) == 0 {
		return passkey.Credential{}, passkey.ErrRefused
	}
	registered := webauthn.Credential{ID: key.ID, PublicKey: key.PublicKey}
	registered.Flags.UserPresent, registered.Flags.UserVerified = true, true
	registered.Flags.BackupEligible, registered.Flags.BackupState = key.BackupEligible, key.BackedUp
	registered.Authenticator.SignCount = key.Counter
	_, used, err := p.web.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) {
		return user{handle: handle, keys: []webauthn.Credential{registered}}, nil
	}, p.session(challenge), parsed)
	switch {
	case err != nil:
		return passkey.Credential{}, passkey.ErrRefused
	case used.Authenticator.CloneWarning:
		return passkey.Credential{}, passkey.ErrCopied
	}
	return credential(used), nil
}
