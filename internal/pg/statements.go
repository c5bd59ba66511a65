package pg

// Statements returns every statement of this package by name, so that a test can prepare them all.
func Statements() map[string]string {
	return map[string]string{
		"version": sqlVersion, "min schema": sqlMinSchema, "try lock": sqlTryLock,
		"migration lock": sqlLock, "current": sqlCurrent, "remember": sqlRemember, "invalid indexes": sqlInvalidIndexes,
	}
}
