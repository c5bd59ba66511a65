package auth

import (
	"encoding/csv"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The level table, row by row.
func TestLevelTable(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/levels.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	read := csv.NewReader(file)
	read.Comment = '#'
	rows, err := read.ReadAll()
	if err != nil || len(rows) < 20 || strings.Join(rows[0], " ") != "enrolment ways acr factors amr why" {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		t.Run(row[0]+" "+row[1], func(t *testing.T) {
			t.Parallel()
			enrolment, err := strconv.Atoi(row[0])
			if err != nil {
				t.Fatal(err)
			}
			var ways []Way
			for _, name := range strings.Fields(row[1]) {
				if methods[Way(name)] == nil {
					t.Fatalf("no way %q", name)
				}
				ways = append(ways, Way(name))
			}
			got := reach(enrolment, ways...)
			acr := "none"
			if got.level > 0 {
				acr = strconv.Itoa(got.level)
			}
			if acr != row[2] || strconv.Itoa(FactorsLevel(got.amr)) != row[3] || strings.Join(got.amr, " ") != row[4] {
				t.Errorf("acr %s factors %d amr %q: %s", acr, FactorsLevel(got.amr), got.amr, row[5])
			}
			if got.level > enrolment {
				t.Error("above the level of the account")
			}
		})
	}
}
