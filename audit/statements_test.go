package audit_test

import (
	"testing"

	"vidan/audit"
	"vidan/internal/pgtest"
)

// TestStatementsPrepare prepares every statement against the schema, as the service's role.
func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	tx := pgtest.Rollback(t)
	for name, sql := range audit.Statements() {
		if _, err := tx.Prepare(t.Context(), name, sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
