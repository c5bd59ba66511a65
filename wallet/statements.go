package wallet

import "vidan/audit"

// Statements returns every SQL statement of this package by name, to be prepared against the schema by a test.
func Statements() map[string]string {
	return map[string]string{
		"wallet.sqlLock":           sqlLock,
		"wallet.sqlLockLiving":     sqlLockLiving,
		"wallet.sqlInsertRevision": sqlInsertRevision,
		"wallet.sqlMoveHead":       sqlMoveHead,
		"wallet.sqlCurrent":        sqlCurrent,
		"wallet.sqlAt":             sqlAt,
		"wallet.sqlOne":            sqlOne,
		"wallet.sqlHistory":        sqlHistory,
		"wallet.sqlHeads":          sqlHeads,
		"wallet.sqlHeadsOf":        sqlHeadsOf,
		"wallet.sqlMirrors":        sqlMirrors,
		"wallet.sqlMirrorsOf":      sqlMirrorsOf,
		"wallet.sqlHeld":           sqlHeld,
		"wallet.sqlInsertHolding":  sqlInsertHolding,
		"wallet.sqlHomeHolding":    sqlHomeHolding,
		"wallet.sqlHomeHoldings":   sqlHomeHoldings,
		"wallet.sqlEndHolding":     sqlEndHolding,
		"wallet.sqlMirror":         sqlMirror,
		"wallet.sqlUnmirror":       sqlUnmirror,
		"wallet.sqlFacts":          sqlFacts,
		"wallet.sqlInsertHead":     sqlInsertHead,
		"wallet.sqlSetHead":        sqlSetHead,
		"wallet.sqlPapers":         sqlPapers,
		"wallet.sqlHolders":        sqlHolders,
		"wallet.recordIfHas":       audit.InsertIf(condHas, 3),
		"wallet.recordIfNew":       audit.InsertIf(condNoHolding, 2),
		"wallet.recordIfHolding":   audit.InsertIf(condHolding, 3),
		"wallet.recordIfMirrored":  audit.InsertIf(condMirrored, 2),
	}
}
