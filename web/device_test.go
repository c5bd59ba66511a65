package web_test

import (
	"errors"
	"testing"

	"vidan/audit"
	"vidan/auth"
	"vidan/identity"
	"vidan/internal/outside"
)

// A person without a phone registers the first one with the code that was sent to them. Whoever tries the code of another does not even use
// up a try of theirs, and the code works once.
func TestFirstDeviceByCode(t *testing.T) {
	t.Parallel()
	w := build(t)
	vault, du := w.person(duNumber, 2, false)
	other, _ := w.person("099090000002", 2, false)
	code := w.code(vault)
	try := func(key *outside.Key, vault identity.VaultID, number, code string) (auth.Device, *outside.Key, error) {
		right, err := w.auth.CodeAuthority(t.Context(), identity.NewPrivate(number), identity.NewPrivate(code))
		if err != nil {
			return auth.Device{}, nil, err
		}
		now := w.now().Unix()
		proof := must(key.Sign("vidan-device-registration+jwt", map[string]any{"aud": w.server.URL, "iat": now, "jti": w.now().String()}))(t)
		device, err := w.auth.RegisterDevice(t.Context(), open{}, vault, audit.Actor{Vault: vault, Client: appID},
			auth.NewDevice{Name: "Điện thoại", JWK: key.Public(), Proof: proof}, right)
		return device, key, err
	}
	register := func(vault identity.VaultID, number, code string) (auth.Device, *outside.Key, error) {
		return try(must(outside.NewKey("dien-thoai"))(t), vault, number, code)
	}
	for range 6 {
		if _, _, err := register(other, duNumber, code); !errors.Is(err, auth.ErrCode) {
			t.Errorf("somebody else: %v", err)
		}
	}
	if _, _, err := register(vault, duNumber, "00000000"); !errors.Is(err, auth.ErrCode) && code != "00000000" {
		t.Errorf("a wrong code: %v", err)
	}
	if _, _, err := register(vault, "x", code); !errors.Is(err, auth.ErrCode) {
		t.Errorf("no number: %v", err)
	}
	device, key, err := register(vault, duNumber, code)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := register(vault, duNumber, code); !errors.Is(err, auth.ErrCode) {
		t.Errorf("the code again: %v", err)
	}
	if again, _, err := try(key, vault, duNumber, code); err != nil || again.ID != device.ID {
		t.Errorf("the same key again: %v", err) // P3: a retry whose first answer was lost
	}
	du.Device, du.DeviceID = key, device.ID
	if err := w.app().SignIn(t.Context(), du, appBack, "wallet", true); err != nil {
		t.Error(err)
	}
	if n := w.count(`select count(*) from credentials where kind = 'device'`); n != 1 {
		t.Errorf("%d devices", n)
	}
}
