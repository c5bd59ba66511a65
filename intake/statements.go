package intake

// Statements returns every SQL statement of this package by name, to be prepared against the schema by a test.
func Statements() map[string]string {
	return map[string]string{
		"sqlLookFresh":                sqlLookFresh,
		"sqlLookKept":                 sqlLookKept,
		"sqlLeadKeys":                 sqlLeadKeys,
		"sqlPaper":                    sqlPaper,
		"sqlInsertPaper":              sqlInsertPaper,
		"sqlWakePaper":                sqlWakePaper,
		"sqlLockPaper":                sqlLockPaper,
		"sqlPaperUnknown":             sqlPaperUnknown,
		"sqlStillNewest":              sqlStillNewest,
		"sqlInsertReceipt":            sqlInsertReceipt,
		"sqlInsertWaiting":            sqlInsertWaiting,
		"sqlInsertWaitingIdentifiers": sqlInsertWaitingIdentifiers,
		"sqlWaitingPaper":             sqlWaitingPaper,
		"sqlStillWaiting":             sqlStillWaiting,
		"sqlLeave":                    sqlLeave,
		"sqlCopied":                   sqlCopied,
		"sqlWaiting":                  sqlWaiting,
		"sqlOverdue":                  sqlOverdue,
		"sqlInsertQuarantine":         sqlInsertQuarantine,
		"sqlQuarantine":               sqlQuarantine,
		"sqlLate":                     sqlLate,
		"sqlStillLate":                sqlStillLate,
		"sqlTold":                     sqlTold,
		"sqlQuarantined":              sqlQuarantined,
		"sqlStillOpen":                sqlStillOpen,
		"sqlResolve":                  sqlResolve,
		"sqlInsertRefusal":            sqlInsertRefusal,
	}
}
