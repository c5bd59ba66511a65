package person

import "vidan/audit"

// Statements returns the SQL of this package by name, to be prepared against the schema by a test.
func Statements() map[string]string {
	return map[string]string{
		"person.sqlLockIdentifiers":  sqlLockIdentifiers,
		"person.sqlUnknown":          sqlUnknown,
		"person.sqlInsertIdentifier": sqlInsertIdentifier,
		"person.sqlEndNumber":        sqlEndNumber,
		"person.sqlMoveIdentifier":   sqlMoveIdentifier,
		"person.sqlWakeWaiting":      sqlWakeWaiting,
		"person.sqlFind":             sqlFind,
		"person.sqlLockVaults":       sqlLockVaults,
		"person.sqlPeople":           sqlPeople,
		"person.sqlSight":            sqlSight,
		"person.sqlChanged":          sqlChanged,
		"person.sqlNumbered":         sqlNumbered,
		"person.sqlWakeRelations":    sqlWakeRelations,
		"person.sqlAliases":          sqlAliases,
		"person.sqlMain":             sqlMain,
		"person.sqlInsertAlias":      sqlInsertAlias,
		"person.sqlAliasesOf":        sqlAliasesOf,
		"person.sqlJoined":           sqlJoined,
		"person.sqlLeftNothing":      sqlLeftNothing,
		"person.sqlPerson":           sqlPerson,
		"person.sqlNumber":           sqlNumber,
		"person.sqlGoodStanding":     sqlGoodStanding,
		"person.sqlStanding":         sqlStanding,
		"person.sqlInsertVault":      sqlInsertVault,
		"person.sqlInsertPerson":     sqlInsertPerson,
		"person.sqlUpdatePerson":     sqlUpdatePerson,
		"person.sqlPending":          sqlPending,
		"person.sqlInsertContact":    sqlInsertContact,
		"person.sqlContacts":         sqlContacts,
		"person.sqlInsertProposal":   sqlInsertProposal,
		"person.sqlProposed":         audit.InsertIf(proposed, 2),
		"person.sqlBindProposals":    sqlBindProposals,
		"person.sqlProposals":        sqlProposals,
		"person.sqlInsertCode":       sqlInsertCode,
		"person.sqlChargeCodes":      sqlChargeCodes,
		"person.sqlLockVault":        sqlLockVault,
		"person.sqlCodeUnused":       sqlCodeUnused,
		"person.sqlUseCode":          sqlUseCode,
		"person.sqlIdempotent":       sqlIdempotent,
		"person.sqlInsertIdempotent": sqlInsertIdempotent,
	}
}
