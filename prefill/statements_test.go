package prefill_test

import (
	"strings"
	"testing"

	"vidan/internal/pgtest"
	"vidan/prefill"
)

// TestStatementsPrepare: every statement is accepted by the schema as the role that runs it, and none changes data inside a WITH.
func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	tx := pgtest.Rollback(t)
	for name, sql := range prefill.Statements() {
		if _, err := tx.Prepare(t.Context(), name, sql); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if strings.Contains(sql, "with ") || strings.Contains(sql, "*") {
			t.Errorf("%s: a WITH, or columns that are not listed", name)
		}
	}
}
