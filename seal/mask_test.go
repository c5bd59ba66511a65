package seal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vidan/seal"
)

func TestC9_NothingWithAKeyPrints(t *testing.T) {
	t.Parallel()
	b := setup(t)
	vaults := must(seal.NewVaults(b.Deployment, seal.CacheConfig{}, time.Now))(t)
	defer vaults.Close()
	columns := new(seal.Columns).Text("argon2id of a passphrase")
	for _, v := range []any{b.Deployment, b.ofAn, *b.ofAn, vaults, *vaults, columns, *columns} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			if got := fmt.Sprintf(verb, v); got != "seal(masked)" {
				t.Errorf("%T %s: %q", v, verb, got)
			}
		}
		var out bytes.Buffer
		for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
			slog.New(h).Info("m", "v", v, "in", []any{v})
		}
		j, err := json.Marshal(map[string]any{"v": v})
		if err != nil || string(j) != `{"v":"seal(masked)"}` {
			t.Errorf("%T as JSON: %s, %v", v, j, err)
		}
		if n := strings.Count(out.String(), "seal(masked)"); n != 4 || strings.Contains(out.String(), "argon") {
			t.Errorf("%T in logs: %s", v, out.String())
		}
	}
}
