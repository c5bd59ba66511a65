package floor

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/audit"
	"vidan/auth"
	"vidan/consent"
	"vidan/delivery"
	"vidan/intake"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/prefill"
	"vidan/seal"
	"vidan/wallet"
)

var update = flag.Bool("update", false, "copy the server's statements anew")

// owners are the packages whose statements the floor runs.
func owners() map[string]map[string]string {
	return map[string]map[string]string{
		"audit": audit.Statements(), "auth": auth.Statements(), "consent": consent.Statements(), "delivery": delivery.Statements(),
		"intake": intake.Statements(), "person": person.Statements(), "prefill": prefill.Statements(), "seal": seal.Statements(),
		"wallet": wallet.Statements(), "pg": pg.Statements(),
	}
}

// TestF3_StatementsAreTheServers: every statement of the floor is the constant it was copied from.
func TestF3_StatementsAreTheServers(t *testing.T) {
	t.Parallel()
	owners := owners()
	theirs := func(origin string) string {
		owner, name, _ := strings.Cut(origin, ".")
		if sql, ok := owners[owner][origin]; ok {
			return sql
		}
		return owners[owner][name]
	}
	var anew strings.Builder
	for line := range strings.Lines(copied) {
		if from, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), fromLine); ok {
			anew.WriteString(line + theirs(from) + endLine)
		}
	}
	if *update {
		if err := os.WriteFile("statements.sql", []byte(anew.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	origins, err := Origins()
	if err != nil {
		t.Fatal(err)
	}
	for origin, copied := range origins {
		switch sql := theirs(origin); {
		case sql == "":
			t.Errorf("%s is no statement of its package any more", origin)
		case sql != copied:
			t.Errorf("%s was changed; go test ./bench/floor -update copies it anew, then its arguments are to be looked at (-theirs +copied):\n%s", origin, cmp.Diff(sql, copied))
		}
	}
}

// TestF1_NothingOfOurs: the floor shares no code with what it stands beside.
func TestF1_NothingOfOurs(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "vidan/bench/floor").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		if strings.HasPrefix(dep, "vidan/") && dep != "vidan/bench/floor" || strings.Contains(dep, "jose") {
			t.Errorf("the floor stands on %s", dep)
		}
	}
}

// TestF2_WorkIsWhatTheDocumentSays reads the table of docs/FLOOR.md.
func TestF2_WorkIsWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/FLOOR.md")
	if err != nil {
		t.Fatal(err)
	}
	f := open(t)
	for _, o := range f.operations {
		w := o.Work
		row, statements := []string{"`" + o.Name + "`"}, 0
		for _, list := range f.Statements(o.Name) {
			statements += len(list)
		}
		for _, n := range []int{
			len(w.Verify), len(w.Sign), len(w.Seal), len(w.Open), w.Compress, w.Expand, w.Unwrap, w.MAC, w.PRF, w.Reference, w.Schema, statements, len(o.rounds),
		} {
			row = append(row, strconv.Itoa(n))
		}
		want := fmt.Sprintf("| %s |", strings.Join(row, " | "))
		if !slices.Contains(strings.Split(string(raw), "\n"), want) {
			t.Errorf("docs/FLOOR.md lacks the row\n%s", want)
		}
	}
}
