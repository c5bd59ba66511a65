package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

type listed struct {
	ImportPath  string
	Imports     []string
	TestImports []string
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports", "vidan/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var pkgs []listed
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// TestHouse holds the code to H1–H3.
func TestHouse(t *testing.T) {
	t.Parallel()
	imports := map[string][]string{}
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, "vidan/")
		imports[name] = []string{}
		for _, dep := range p.Imports {
			if rest, ok := strings.CutPrefix(dep, "vidan/"); ok {
				imports[name] = append(imports[name], rest)
			}
		}
	}
	if len(imports) < 10 {
		t.Fatalf("go list found %d packages", len(imports))
	}
	for _, sentence := range Check(imports) {
		t.Error(sentence)
	}
	for row := range House {
		if _, ok := imports[row]; !ok {
			t.Errorf("the house has a row for %s, which does not exist", row)
		}
	}
}

// TestOnlyTwoPackagesTouchKeys: key-encryption keys are opened by seal and the commands alone.
func TestOnlyTwoPackagesTouchKeys(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, "vidan/")
		if name != "seal" && name != "internal/keyring/keyringtest" && !command(name) && slices.Contains(p.Imports, "vidan/internal/keyring") {
			t.Errorf("%s touches key-encryption keys", name)
		}
	}
}

// TestCheckSpeaks spoils the picture in each way it must notice.
func TestCheckSpeaks(t *testing.T) {
	t.Parallel()
	for want, imports := range map[string]map[string][]string{
		"no row":    {"nowhere": nil},
		"may not":   {"identity": {"wallet"}},
		"test-only": {"cmd/vidan": {"internal/pgtest"}},
	} {
		got := Check(imports)
		if len(got) == 0 || !strings.Contains(got[0], want) {
			t.Errorf("want a sentence with %q, got %q", want, got)
		}
	}
	for name, room := range House {
		for _, dep := range room.May {
			if House[dep].Level >= room.Level {
				t.Errorf("the row of %s names %s, which is not below", name, dep)
			}
		}
	}
}
