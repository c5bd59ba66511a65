package consent

import (
	"encoding/csv"
	"os"
	"strconv"
	"testing"
	"time"
)

// table reads a CSV of testdata without its head.
func table(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// TestRelationRule holds the rule to its table, with a clock that moves to the day of each line.
func TestRelationRule(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for _, row := range table(t, "relations.csv") {
		is := func(column int, word string) bool { return row[column] == word }
		day, err := strconv.Atoi(row[11])
		if err != nil {
			t.Fatal(err)
		}
		c := circumstances{
			state: State(row[1]), reason: Reason(row[2]), restricted: is(3, "yes"), revoked: is(4, "revoked"), same: is(5, "yes"), other: is(6, "yes"),
			mandate: is(7, "yes"), childKnown: is(8, "bound"), actorKnown: is(9, "found"), confirmed: is(10, "yes"), decideAfter: start.Add(Waiting),
		}
		state, reason := c.judge(start.AddDate(0, 0, day))
		if string(state) != row[12] || string(reason) != row[13] {
			t.Errorf("case %s: %s because of %q, want %s because of %q", row[0], state, reason, row[12], row[13])
		}
		if state != c.state && !c.state.May(state) {
			t.Errorf("case %s: the graph has no way from %s to %s", row[0], c.state, state)
		}
		again := c
		again.state, again.reason = state, reason
		if s, r := again.judge(start.AddDate(0, 0, day)); s != state || r != reason {
			t.Errorf("case %s: judged again %s because of %q", row[0], s, r)
		}
	}
}

// TestRelationGraph holds the graph in Go to its table, in which every pair of states stands once.
func TestRelationGraph(t *testing.T) {
	t.Parallel()
	seen := map[[2]string]bool{}
	for _, row := range table(t, "relation_states.csv") {
		seen[[2]string{row[0], row[1]}] = true
		if got := State(row[0]).May(State(row[1])); got != (row[2] == "yes") {
			t.Errorf("%s to %s: %v", row[0], row[1], got)
		}
	}
	for _, from := range States() {
		for _, to := range States() {
			if from != to && !seen[[2]string{string(from), string(to)}] {
				t.Errorf("%s to %s is not in the table", from, to)
			}
		}
	}
}
