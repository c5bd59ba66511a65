package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vidan/delivery"
)

// A gateway over the network needs its host on the list and a secret; mistakes are told without the URI, which may hold one.
func TestOpenGateway(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("x", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const uri = "https://tin-nhan.example/khoa-kin"
	if _, err := openGateway(config{GatewaySecret: secret, Egress: []string{"tin-nhan.example"}}, uri, nil); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]config{
		"no list":       {GatewaySecret: secret},
		"another host":  {GatewaySecret: secret, Egress: []string{"khac.example"}},
		"no secret":     {Egress: []string{"tin-nhan.example"}},
		"a list of all": {GatewaySecret: secret, Egress: []string{"*"}},
	} {
		if _, err := openGateway(c, uri, nil); err == nil || strings.Contains(err.Error(), "khoa-kin") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := openGateway(config{}, "http://tin-nhan.example/", nil); !errors.Is(err, delivery.ErrGateway) {
		t.Errorf("http: %v", err)
	}
}
