package pg

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

// ErrMigrations: the migration files themselves are wrong.
var ErrMigrations = errors.New("migration files")

// plan is what the migration files say.
type plan struct {
	steps       []step
	roles       string // roles.sql, "" without one
	fingerprint string // of every byte that Migrate would run
}

// step is one file NNNN_name.sql.
type step struct {
	name, sql string
	online    bool
}

// The first line of a migration may say which kind it is.
const (
	kindTransactional = "-- vidan:transactional" // the default: all of it or nothing
	kindOnline        = "-- vidan:online"        // one statement outside a transaction, safe to run again
)

// rolesFile is run after every change.
const rolesFile = "roles.sql"

var fileName = regexp.MustCompile(`^(\d{4})_[a-z0-9_]+\.sql$`)

// readPlan reads the files: NNNN_name.sql numbered from 0001 without gaps, and roles.sql. Other files are not ours to
// judge, but another .sql would be a migration that never runs.
func readPlan(files fs.FS) (plan, error) {
	fail := func(format string, args ...any) (plan, error) {
		return plan{}, fmt.Errorf("pg: %w: "+format, append([]any{ErrMigrations}, args...)...)
	}
	entries, err := fs.ReadDir(files, ".") // sorted by name
	if err != nil {
		return fail("%w", err)
	}
	var p plan
	sum := sha256.New()
	fmt.Fprintf(sum, "vidan schema 1, river %d\n", riverVersion())
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".sql") {
			continue
		}
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return fail("%w", err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(raw), raw)
		if name == rolesFile {
			p.roles = string(raw)
			continue
		}
		m := fileName.FindStringSubmatch(name)
		if m == nil {
			return fail("%s is neither NNNN_name.sql nor %s", name, rolesFile)
		}
		if n, err := strconv.Atoi(m[1]); err != nil || n != len(p.steps)+1 {
			return fail("%s follows number %04d", name, len(p.steps))
		}
		s := step{name: name, sql: string(raw)}
		switch first, _, _ := strings.Cut(s.sql, "\n"); strings.TrimSpace(first) {
		case kindOnline:
			s.online = true
		case kindTransactional:
		default:
			if strings.HasPrefix(first, "-- vidan:") {
				return fail("%s: unknown kind %q", name, first)
			}
		}
		p.steps = append(p.steps, s)
	}
	if len(p.steps) == 0 {
		return fail("there are none")
	}
	p.fingerprint = hex.EncodeToString(sum.Sum(nil))
	return p, nil
}

// Fingerprint identifies the schema that Migrate makes from the files: it changes with any byte of them.
func Fingerprint(files fs.FS) (string, error) {
	p, err := readPlan(files)
	return p.fingerprint, err
}
