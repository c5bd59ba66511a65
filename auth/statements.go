package auth

// Statements returns every SQL constant of the package by name: each is prepared against the migrated schema by a test.
func Statements() map[string]string {
	return map[string]string{
		"sqlUseProof":           sqlUseProof,
		"sqlUseProofs":          sqlUseProofs,
		"sqlIsUsed":             sqlIsUsed,
		"sqlTryRotation":        sqlTryRotation,
		"sqlLockTimeout":        sqlLockTimeout,
		"sqlInsertSigningKey":   sqlInsertSigningKey,
		"sqlSigningKeys":        sqlSigningKeys,
		"sqlHasSigningKeys":     sqlHasSigningKeys,
		"sqlInsertOrganisation": sqlInsertOrganisation,
		"sqlInsertClient":       sqlInsertClient,
		"sqlLockClient":         sqlLockClient,
		"sqlSetClientState":     sqlSetClientState,
		"sqlInsertClientKey":    sqlInsertClientKey,
		"sqlLockClientKey":      sqlLockClientKey,
		"sqlEndClientKey":       sqlEndClientKey,
		"sqlInsertMandate":      sqlInsertMandate,
		"sqlLockMandate":        sqlLockMandate,
		"sqlEndMandate":         sqlEndMandate,
		"sqlClient":             sqlClient,
		"sqlClientKeys":         sqlClientKeys,
		"sqlGuardMachine":       sqlGuardMachine,
		"sqlGuardCitizen":       sqlGuardCitizen,
		"sqlGuardMandate":       sqlGuardMandate,
		"sqlTokenState":         sqlTokenState,
		"sqlPublicState":        sqlPublicState,
		"sqlInsertSubject":      sqlInsertSubject,
		"sqlSubject":            sqlSubject,
		"sqlSubjectVault":       sqlSubjectVault,
	}
}
