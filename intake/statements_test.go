package intake_test

import (
	"strings"
	"testing"

	"vidan/intake"
	"vidan/internal/pgtest"
)

// TestStatementsPrepare: every statement is accepted by the schema as the role that runs it, and none changes data inside a WITH.
func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	tx := pgtest.Rollback(t)
	for name, sql := range intake.Statements() {
		if _, err := tx.Prepare(t.Context(), name, sql); err != nil {
			t.Errorf("%s: %v", name, err)
			return // the transaction is broken
		}
		if strings.Contains(sql, "with ") || strings.Contains(sql, "*") {
			t.Errorf("%s: a WITH, or columns that are not listed", name)
		}
	}
}
