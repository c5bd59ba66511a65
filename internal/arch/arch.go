// Package arch holds the picture of the house as a table and compares it with the imports that are really there.
//
// The table is the rule: a package may import what stands below it and is named in its row, nothing beside it and
// nothing above. A package without a row fails, so that a new room is a decision and not an accident.
//
//	H1  every package of the module has exactly one row
//	H2  every import between packages of the module is named in the importer's row, and goes downwards
//	H3  test-only packages are never reached from a binary
package arch

import (
	"fmt"
	"slices"
	"strings"
)

// Room is one package: its level (0 lowest), what it may import, and why where that is not plain.
type Room struct {
	Level int
	May   []string
	Why   string
}

// TestOnly names packages that no binary may reach.
var TestOnly = []string{"internal/pgtest", "internal/arch", "internal/keyring/keyringtest", "auth/passkey/passkeytest"}

// House is DESIGN's picture. audit and delivery stand below person, because every act on a person is recorded
// and followed up in the transaction that does it.
var House = map[string]Room{
	"identity":                     {Level: 1, May: []string{"internal/viettext"}},
	"place":                        {Level: 1, May: []string{"internal/viettext"}},
	"migrations":                   {Level: 0},
	"internal/viettext":            {Level: 0, Why: "text folding shared by names and places"},
	"internal/pg":                  {Level: 0},
	"internal/keyring":             {Level: 0},
	"internal/egress":              {Level: 0, Why: "the only outbound HTTP: delivery, auth and cmd alone may use it"},
	"internal/localpg":             {Level: 0},
	"internal/outside":             {Level: 0, Why: "a stranger's client: nothing of the server"},
	"internal/keyring/keyringtest": {Level: 1, May: []string{"internal/keyring"}, Why: "the conformance suite every key-encryption key passes"},
	"internal/arch":                {Level: 0},
	"auth/passkey":                 {Level: 0, Why: "WebAuthn behind an interface of our own: words and no code"},
	"auth/passkey/webauthn":        {Level: 1, May: []string{"auth/passkey"}, Why: "go-webauthn behind auth/passkey"},
	"auth/passkey/passkeytest":     {Level: 0, Why: "a phone's authenticator, for tests"},
	"auth/codes":                   {Level: 2, May: []string{"identity"}, Why: "the arithmetic of codes: pure, no database"},
	"internal/pgtest":              {Level: 1, May: []string{"internal/pg", "internal/localpg", "migrations"}},
	"seal":                         {Level: 2, May: []string{"identity", "internal/keyring"}},
	"procedure":                    {Level: 3, May: []string{"place", "internal/viettext"}, Why: "pure data and functions: no database"},
	"procedure/examples":           {Level: 3, Why: "the fictional cast, for the sandbox and tests"},
	"audit":                        {Level: 3, May: []string{"identity", "seal", "internal/pg"}},
	"delivery":                     {Level: 3, May: []string{"identity", "seal", "internal/pg", "internal/egress"}, Why: "egress for gateways"},
	"person":                       {Level: 4, May: []string{"identity", "seal", "audit", "delivery", "internal/pg"}},
	"consent":                      {Level: 5, May: []string{"identity", "seal", "audit", "delivery", "person", "procedure", "internal/pg"}},
	"wallet":                       {Level: 6, May: []string{"identity", "seal", "audit", "delivery", "consent", "procedure", "internal/pg"}, Why: "consent only for Permit and the guard of a representative"},
	"auth":                         {Level: 6, May: []string{"auth/codes", "auth/passkey", "identity", "seal", "audit", "delivery", "person", "consent", "internal/pg"}, Why: "consent because authorization_details (RFC 9396) and CIBA make the same request and read the same answer as the edge does"},
	"prefill":                      {Level: 7, May: []string{"identity", "seal", "audit", "delivery", "consent", "wallet", "procedure", "place", "person", "internal/pg"}},
	"intake":                       {Level: 8, May: []string{"identity", "seal", "audit", "delivery", "person", "consent", "wallet", "auth", "procedure", "internal/pg"}},
	"openapi":                      {Level: 9, May: []string{"identity", "place", "audit", "delivery", "person", "consent", "wallet", "auth", "prefill", "intake", "procedure", "seal", "internal/pg"}},
	"web":                          {Level: 9, May: []string{"identity", "audit", "delivery", "person", "consent", "wallet", "auth", "auth/codes", "prefill", "procedure", "seal", "internal/pg"}},
}

// Check returns a sentence for every breach of H1 and H2. imports maps each package of the module, without the module
// path, to the packages of the module it imports. Commands (cmd/…, bench/…) may import everything that is not test-only.
func Check(imports map[string][]string) []string {
	var wrong []string
	for _, pkg := range slices.Sorted(keys(imports)) {
		if command(pkg) {
			for _, dep := range imports[pkg] {
				if slices.Contains(TestOnly, dep) {
					wrong = append(wrong, fmt.Sprintf("%s imports the test-only package %s", pkg, dep))
				}
			}
			continue
		}
		room, ok := House[pkg]
		if !ok {
			wrong = append(wrong, pkg+" has no row in the house")
			continue
		}
		for _, dep := range imports[pkg] {
			if !slices.Contains(room.May, dep) {
				wrong = append(wrong, fmt.Sprintf("%s may not import %s", pkg, dep))
			} else if House[dep].Level >= room.Level {
				wrong = append(wrong, fmt.Sprintf("%s (level %d) imports %s (level %d): not downwards", pkg, room.Level, dep, House[dep].Level))
			}
			if slices.Contains(TestOnly, dep) {
				wrong = append(wrong, fmt.Sprintf("%s imports the test-only package %s", pkg, dep))
			}
		}
	}
	return wrong
}

func command(pkg string) bool {
	return strings.HasPrefix(pkg, "cmd/") || strings.HasPrefix(pkg, "bench") || strings.HasPrefix(pkg, "clients/")
}

func keys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
