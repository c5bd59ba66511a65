package floor

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// copied are the server's statements, letter by letter: the floor may not import the packages that own them (F1). Each stands between a line
// with the package and constant it comes from and a line with a semicolon. `go test ./bench/floor -update` copies them anew.
//
//go:embed statements.sql
var copied string

const (
	fromLine = "-- from: "
	endLine  = "\n;\n"
)

// Origins returns each copied statement by the package and constant it comes from.
func Origins() (map[string]string, error) {
	origins := map[string]string{}
	for part := range strings.SplitAfterSeq(copied, endLine) {
		head, text, ok := strings.Cut(strings.TrimSuffix(part, endLine), "\n")
		from, named := strings.CutPrefix(head, fromLine)
		if part == "" {
			continue
		}
		if !ok || !named {
			return nil, fmt.Errorf("floor: statements.sql: %q", head)
		}
		origins[from] = text
	}
	return origins, nil
}

// queue adds the statement of that origin.
func (f *Floor) queue(b *pgx.Batch, origin string, args ...any) {
	sql, ok := f.statements[origin]
	if !ok {
		panic("floor: statements.sql lacks " + origin) // the operations of this package name what it has
	}
	b.Queue(sql, args...)
}
