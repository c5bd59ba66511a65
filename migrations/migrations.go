// Package migrations holds the numbered, forward-only SQL of the database and the rights of its roles, embedded
// so that one binary can migrate any server it meets.
//
// A file's first line says its kind: "vidan:transactional" (the default) or "vidan:online" (one statement, no
// transaction, safe to repeat). roles.sql is run after every migration and may be repeated.
package migrations

import "embed"

// FS contains NNNN_name.sql in order, and roles.sql.
//
//go:embed *.sql
var FS embed.FS
