package wallet_test

import (
	"strings"
	"testing"

	"vidan/internal/pgtest"
	"vidan/wallet"
)

// TestStatementsPrepare: every statement is accepted by the schema as the role that runs it, and none changes data inside a WITH.
func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	tx := pgtest.Rollback(t)
	for name, sql := range wallet.Statements() {
		if _, err := tx.Prepare(t.Context(), name, sql); err != nil {
			t.Errorf("%s: %v", name, err)
			return // the transaction is broken
		}
		if strings.Contains(sql, "with ") || strings.Contains(sql, "*") {
			t.Errorf("%s: a WITH, or columns that are not listed", name)
		}
	}
}
