package openapi_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"vidan/internal/outside"
)

// RFC 9470, end to end: an act for which the sign-in is too weak is told what is needed; a sign-in made with exactly that does it.
func TestStepUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.citizen("dan", 2)
	key := must(outside.NewKey("second"))(t)
	body := func() map[string]any {
		var jwk map[string]any
		if err := json.Unmarshal(key.Public(), &jwk); err != nil {
			t.Fatal(err)
		}
		proof := must(key.Sign("vidan-device-registration+jwt", map[string]any{"aud": issuer, "iat": w.now().Unix(), "jti": uuid.NewString()}))(t)
		return map[string]any{"name": "Máy tính bảng", "jwk": jwk, "proof": proof}
	}
	// challenged calls and returns the level and age that the answer asks for.
	challenged := func(name string) int {
		t.Helper()
		answer := w.call(c.Client, http.StatusUnauthorized, http.MethodPost, "/v1/me/devices", body())
		asked, ok := answer.StepUp()
		level, err := strconv.Atoi(strings.TrimPrefix(asked.Get("acr_values"), "urn:vidan:level:"))
		if !ok || err != nil || asked.Get("max_age") != "900" || answer.Problem().Code != "insufficient_level" || answer.Header.Get("DPoP-Nonce") == "" {
			t.Fatalf("%s: %v %s", name, answer.Header, answer.Body)
		}
		return level
	}
	c.signIn(1)
	c.signIn(challenged("too weak"))
	w.call(c.Client, http.StatusCreated, http.MethodPost, "/v1/me/devices", body())
}
