package openapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/auth"
	"vidan/identity"
)

// Device is a registered device key.
type Device struct {
	ID         string    `json:"device_id" doc:"sub of what the device signs; may be its kid."`
	Name       string    `json:"name"`
	Thumbprint string    `json:"jkt" doc:"SHA-256 thumbprint of its key (RFC 7638), base64url."`
	CreatedAt  time.Time `json:"created_at"`
}

// DeviceBody is a key that a person wants to register.
type DeviceBody struct {
	Name  string         `json:"name" minLength:"1" maxLength:"60" example:"Điện thoại của tôi"`
	JWK   map[string]any `json:"jwk" doc:"Public key as JSON Web Key (RFC 7517), ES256."`
	Proof string         `json:"proof" minLength:"16" maxLength:"8192" doc:"JWS (typ vidan-device-registration+jwt) by that key, its kid or thumbprint in the header, with aud (the issuer), iat and jti."`
	// Activation lets somebody register their first device.
	Activation *DeviceActivation `json:"activation,omitempty" doc:"For a first device: the code sent by the registrar. Otherwise the session must have been confirmed by a device within 15 minutes."`
}

// DeviceActivation is a code that the registrar had sent to a person.
type DeviceActivation struct {
	PersonalNumber string `json:"personal_number" pattern:"^[0-9]{12}$"`
	Code           string `json:"code" minLength:"8" maxLength:"16"`
}

type addDeviceInput struct{ Body DeviceBody }
type deviceOutput struct{ Body Device }
type devicesOutput struct {
	Body struct {
		Items []Device `json:"items"`
	}
}
type endDeviceInput struct {
	ID string `path:"id" maxLength:"200"`
}

func (a *API) registerDevices() {
	tags := []string{"citizen"}
	operation(a, huma.Operation{OperationID: "add-device", Method: http.MethodPost, Path: "/v1/me/devices", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Register a device", Description: "Its key may then confirm sign-ins and sign decisions. Registering the same key again is the same device."},
		citizen(1), []string{"insufficient_level", "activation_invalid", "device_refused", "person_blocked", "keys_unavailable", "record_unavailable", "outcome_unknown"}, a.addDevice)
	operation(a, huma.Operation{OperationID: "list-devices", Method: http.MethodGet, Path: "/v1/me/devices", Tags: tags,
		Summary: "Your devices", Description: "Registered devices, oldest first."}, citizen(1), nil, a.listDevices)
	operation(a, huma.Operation{OperationID: "remove-device", Method: http.MethodDelete, Path: "/v1/me/devices/{id}", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Remove a device", Description: "What it signs is refused from the next request on."},
		citizen(1), []string{codeNotFound, "keys_unavailable", "record_unavailable", "outcome_unknown"}, a.removeDevice)
	operation(a, huma.Operation{OperationID: "sign-out", Method: http.MethodPost, Path: "/v1/me/sign-out", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Sign out", Description: "Ends this session: no token of it works from the next request on."},
		citizen(1), []string{"keys_unavailable", "record_unavailable", "outcome_unknown"}, a.signOut)
}

func (a *API) addDevice(ctx context.Context, in *addDeviceInput) (*deviceOutput, error) {
	me := caller(ctx)
	var right auth.Authority
	var err error
	if code := in.Body.Activation; code != nil {
		right, err = a.Auth.CodeAuthority(ctx, identity.NewPrivate(code.PersonalNumber), identity.NewPrivate(code.Code))
	} else {
		right, err = a.Auth.SessionAuthority(me)
	}
	if err != nil {
		return nil, err
	}
	jwk, err := json.Marshal(in.Body.JWK)
	if err != nil {
		return nil, err
	}
	device, err := a.Auth.RegisterDevice(ctx, guarded(ctx), me.Vault, reading(ctx, me.Vault).Actor, auth.NewDevice{Name: in.Body.Name, JWK: jwk, Proof: in.Body.Proof}, right)
	if err != nil {
		return nil, as(ctx, err, auth.ErrDevice, "device_refused")
	}
	return &deviceOutput{Body: Device(device)}, nil
}

func (a *API) listDevices(ctx context.Context, _ *struct{}) (*devicesOutput, error) {
	devices, err := a.Auth.Devices(ctx, guarded(ctx), caller(ctx).Vault)
	if err != nil {
		return nil, err
	}
	out := &devicesOutput{}
	out.Body.Items = make([]Device, len(devices))
	for i, d := range devices {
		out.Body.Items[i] = Device(d)
	}
	return out, nil
}

func (a *API) removeDevice(ctx context.Context, in *endDeviceInput) (*struct{}, error) {
	me := caller(ctx)
	return nil, a.Auth.EndDevice(ctx, guarded(ctx), me.Vault, reading(ctx, me.Vault).Actor, in.ID)
}

func (a *API) signOut(ctx context.Context, _ *struct{}) (*struct{}, error) {
	me := caller(ctx)
	return nil, a.Auth.EndSession(ctx, guarded(ctx), reading(ctx, me.Vault).Actor, me.Vault, me.Session)
}
