package consent_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"vidan/consent"
	"vidan/internal/pgtest"
)

// TestStatementsPrepare prepares every statement against the schema, with the rights of the service.
func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	conn := must(pgtest.New(t).Pool.Acquire(t.Context()))(t)
	defer conn.Release()
	for name, sql := range consent.Statements() {
		if _, err := conn.Conn().Prepare(t.Context(), name, sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStatementsAreAll: a statement that is not listed would never be prepared by a test.
func TestStatementsAreAll(t *testing.T) {
	t.Parallel()
	listed := consent.Statements()
	for _, entry := range must(os.ReadDir("."))(t) {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file := must(parser.ParseFile(token.NewFileSet(), entry.Name(), nil, 0))(t)
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "sql") && listed["consent."+spec.Names[0].Name] == "" {
				t.Errorf("%s is not among Statements", spec.Names[0].Name)
			}
			return true
		})
	}
}
