package delivery_test

import (
	"testing"

	"vidan/delivery"
	"vidan/internal/pgtest"
)

// TestStatementsPrepare prepares every statement against the schema, as the service's role.
func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	tx := pgtest.Rollback(t)
	for name, sql := range delivery.Statements() {
		if _, err := tx.Prepare(t.Context(), name, sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
