package openapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/auth"
	"vidan/identity"
)

// Credential is a way into an account.
type Credential struct {
	ID        string    `json:"credential_id"`
	Kind      string    `json:"kind" enum:"passphrase,device,passkey,totp,codecard" doc:"totp: a display of codes; codecard: the printed card from a counter."`
	Name      string    `json:"name,omitempty" doc:"Given by the person."`
	CreatedAt time.Time `json:"created_at"`
	BackedUp  bool      `json:"backed_up,omitempty" doc:"Of a passkey: it is synchronised to other devices."`
	Left      *int      `json:"codes_left,omitempty" doc:"Of a card."`
}

func credentialOf(c auth.Credential) Credential {
	out := Credential{ID: c.ID, Kind: string(c.Kind), Name: c.Name, CreatedAt: c.CreatedAt, BackedUp: c.BackedUp}
	if c.Kind == auth.WayCard {
		out.Left = &c.Left
	}
	return out
}

type credentialOutput struct{ Body Credential }

type credentialsOutput struct {
	Body struct {
		Items []Credential `json:"items"`
	}
}

type endCredentialInput struct {
	ID string `path:"id" maxLength:"200"`
}

type credentialNameInput struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"60" example:"Máy tính ở nhà"`
	}
}

type displayOfferOutput struct {
	Body struct {
		URI   string    `json:"otpauth_uri" doc:"For the code display, as a picture or typed in (RFC 6238). It is not shown again."`
		Offer string    `json:"offer" doc:"Send it back with the first code."`
		Until time.Time `json:"expires_at"`
	}
}

type addDisplayInput struct {
	Body struct {
		Name       string            `json:"name" minLength:"1" maxLength:"60" example:"Đồng hồ mã"`
		Offer      string            `json:"offer" minLength:"16" maxLength:"300"`
		Code       string            `json:"code" minLength:"6" maxLength:"16" doc:"That the display shows now."`
		Activation *DeviceActivation `json:"activation,omitempty" doc:"The code sent by the registrar. Without one the session must have been confirmed by a second factor within 15 minutes."`
	}
}

type passkeyOfferOutput struct {
	Body struct {
		Options map[string]any `json:"options" doc:"For navigator.credentials.create: PublicKeyCredentialCreationOptionsJSON (Web Authentication Level 3, §5.1.8)."`
		Until   time.Time      `json:"expires_at"`
	}
}

type addPasskeyInput struct {
	Body struct {
		Name       string            `json:"name" minLength:"1" maxLength:"60" example:"Máy tính ở nhà"`
		Challenge  string            `json:"challenge" minLength:"40" maxLength:"100" doc:"Of the options, base64url."`
		Response   map[string]any    `json:"response" doc:"RegistrationResponseJSON of the browser."`
		Activation *DeviceActivation `json:"activation,omitempty" doc:"The code sent by the registrar. Without one the session must have been confirmed by a second factor within 15 minutes."`
	}
}

func (a *API) registerCredentials() {
	tags := []string{"citizen"}
	lost := []string{"keys_unavailable", "record_unavailable", "outcome_unknown"}
	adding := append([]string{"insufficient_level", "activation_invalid", "person_blocked"}, lost...)
	operation(a, huma.Operation{OperationID: "list-credentials", Method: http.MethodGet, Path: "/v1/me/credentials", Tags: tags,
		Summary: "Your ways to sign in", Description: "Passphrase, devices, passkeys, code displays and the printed card, oldest first. Nothing secret is told."}, citizen(1), nil, a.listCredentials)
	operation(a, huma.Operation{OperationID: "remove-credential", Method: http.MethodDelete, Path: "/v1/me/credentials/{id}", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "End a way to sign in", Description: "From the next request on nobody signs in by it. The last way into the account stays."},
		citizen(1), append([]string{codeNotFound, "last_credential"}, lost...), a.removeCredential)
	operation(a, huma.Operation{OperationID: "offer-code-display", Method: http.MethodPost, Path: "/v1/me/code-displays/offer", Tags: tags,
		Summary: "Secret for a code display", Description: "Drawn for an app or token that shows codes; nothing is kept until its first code proves that it has it."},
		citizen(1), []string{"code_display_refused"}, a.offerDisplay)
	operation(a, huma.Operation{OperationID: "add-code-display", Method: http.MethodPost, Path: "/v1/me/code-displays", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Add a code display", Description: "With the offer and the code it shows now. Adding the same again is the same display."},
		citizen(1), append([]string{"code_display_refused", "code_wrong"}, adding...), a.addDisplay)
	operation(a, huma.Operation{OperationID: "offer-passkey", Method: http.MethodPost, Path: "/v1/me/passkeys/offer", Tags: tags,
		Summary: "Challenge for a passkey", Description: "What a browser or phone needs to make a passkey that verifies its user. Nothing is kept before it answers."},
		citizen(1), []string{"passkey_refused"}, a.offerPasskey)
	operation(a, huma.Operation{OperationID: "add-passkey", Method: http.MethodPost, Path: "/v1/me/passkeys", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Register a passkey", Description: "By the answer of the authenticator. Registering the same key again is the same passkey."},
		citizen(1), append([]string{"passkey_refused"}, adding...), a.addPasskey)
}

func (a *API) listCredentials(ctx context.Context, _ *struct{}) (*credentialsOutput, error) {
	all, err := a.Auth.Credentials(ctx, guarded(ctx), caller(ctx).Vault)
	if err != nil {
		return nil, err
	}
	out := &credentialsOutput{}
	out.Body.Items = make([]Credential, len(all))
	for i, c := range all {
		out.Body.Items[i] = credentialOf(c)
	}
	return out, nil
}

func (a *API) removeCredential(ctx context.Context, in *endCredentialInput) (*struct{}, error) {
	me := caller(ctx)
	return nil, a.Auth.EndCredential(ctx, guarded(ctx), me.Vault, reading(ctx, me.Vault).Actor, in.ID)
}

// authority is in which right the caller adds a way into their account.
func (a *API) authority(ctx context.Context, code *DeviceActivation) (auth.Authority, error) {
	if code != nil {
		return a.Auth.CodeAuthority(ctx, identity.NewPrivate(code.PersonalNumber), identity.NewPrivate(code.Code))
	}
	return a.Auth.SessionAuthority(caller(ctx))
}

func (a *API) offerDisplay(ctx context.Context, in *credentialNameInput) (*displayOfferOutput, error) {
	offer, err := a.Auth.OfferDisplay(ctx, guarded(ctx), caller(ctx).Vault, in.Body.Name)
	if err != nil {
		return nil, err
	}
	out := &displayOfferOutput{}
	out.Body.URI, out.Body.Offer, out.Body.Until = offer.URI, offer.Offer, offer.Until
	return out, nil
}

func (a *API) addDisplay(ctx context.Context, in *addDisplayInput) (*credentialOutput, error) {
	me := caller(ctx)
	right, err := a.authority(ctx, in.Body.Activation)
	if err != nil {
		return nil, err
	}
	done, err := a.Auth.AddDisplay(ctx, guarded(ctx), me.Vault, reading(ctx, me.Vault).Actor, auth.NewDisplay{
		Name: in.Body.Name, Offer: in.Body.Offer, Code: identity.NewPrivate(in.Body.Code),
	}, right)
	if err != nil {
		return nil, err
	}
	return &credentialOutput{Body: credentialOf(done)}, nil
}

func (a *API) offerPasskey(ctx context.Context, in *credentialNameInput) (*passkeyOfferOutput, error) {
	offer, err := a.Auth.OfferPasskey(ctx, guarded(ctx), caller(ctx).Vault, in.Body.Name)
	if err != nil {
		return nil, err
	}
	out := &passkeyOfferOutput{}
	out.Body.Until = offer.Until
	return out, json.Unmarshal(offer.Options, &out.Body.Options)
}

func (a *API) addPasskey(ctx context.Context, in *addPasskeyInput) (*credentialOutput, error) {
	me := caller(ctx)
	challenge, err := base64.RawURLEncoding.DecodeString(in.Body.Challenge)
	if err != nil {
		return nil, auth.ErrPasskey
	}
	right, err := a.authority(ctx, in.Body.Activation)
	if err != nil {
		return nil, err
	}
	response, err := json.Marshal(in.Body.Response)
	if err != nil {
		return nil, err
	}
	done, err := a.Auth.RegisterPasskey(ctx, guarded(ctx), me.Vault, reading(ctx, me.Vault).Actor, auth.NewPasskey{
		Name: in.Body.Name, Challenge: challenge, Response: response,
	}, right)
	if err != nil {
		return nil, err
	}
	return &credentialOutput{Body: credentialOf(done)}, nil
}
