package bench

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Results writes the lines of one benchmark as the page that is kept: a table to read and the lines themselves. The machine is named by its
// cores only; command is what printed them.
func Results(lines []Line, command string, cores int, at time.Time) ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Last results\n\n%s, %d cores, client, server, floor and PostgreSQL on the same machine. Printed by `%s`, which rewrites this page.\n"+
		"What is counted, how, and what is left out: docs/FLOOR.md.\n\n", at.UTC().Format(time.DateOnly), cores, command)
	b.WriteString("| operation | at once | Go µs | floor | ratio | PostgreSQL µs | floor | what follows: Go µs | PostgreSQL µs | round trips | per second | p50 ms | p99 ms | allocations | WAL bytes |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	named := map[string]map[int]Line{}
	for _, l := range lines {
		if named[l.Name] == nil {
			named[l.Name] = map[int]Line{}
		}
		named[l.Name][l.C] = l
	}
	for _, l := range lines {
		name, ok := strings.CutSuffix(l.Name, ".cpu_us")
		if !ok || l.Floor == 0 {
			continue
		}
		rate, allocs, wal := named[name+".rps"][l.C], named[name+".allocs"][l.C], named[name+".wal_bytes"][l.C]
		fmt.Fprintf(&b, "| %s | %d |", name, l.C)
		for _, v := range []float64{
			l.Value, l.Floor, l.Ratio, l.Postgres, l.FloorPostgres, l.After, l.AfterPostgres, float64(l.RoundTrips), rate.Value, rate.P50, rate.P99,
			allocs.Value, wal.Value,
		} {
			fmt.Fprintf(&b, " %v |", round(v))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for _, l := range lines {
		if l.Name == "load.before" && l.Value > float64(cores)/2 {
			b.WriteString("The machine had other work: what is measured in time is too high here, and ratios are uncertain.\n\n")
		}
	}
	for _, l := range lines {
		if group, _, _ := strings.Cut(l.Name, "."); slices.Contains([]string{"load", "rss", "http"}, group) {
			at := ""
			if l.C > 0 {
				at = fmt.Sprintf(" at %d", l.C)
			}
			fmt.Fprintf(&b, "- `%s`%s: %v %s\n", l.Name, at, round(l.Value), l.Unit)
		}
	}
	b.WriteString("\n```json\n")
	for _, l := range lines {
		raw, err := json.Marshal(l)
		if err != nil {
			return nil, err
		}
		b.Write(append(raw, '\n'))
	}
	b.WriteString("```\n")
	return []byte(b.String()), nil
}
