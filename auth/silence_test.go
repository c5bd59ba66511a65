package auth

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"vidan/internal/pg"
)

// "Never again" is one tap, seen and taken back by its person, recorded both times; of an organisation that does not exist nothing is kept.
func TestSilence(t *testing.T) {
	t.Parallel()
	c := newCounterCase(t)
	c.ask(c.hint())
	if status, body := c.picks("", decisionNever); status != http.StatusOK {
		t.Fatalf("never: %d %v", status, body)
	}
	list, err := c.Silenced(t.Context(), free{}, c.d.vault)
	if err != nil || len(list) != 1 || list[0].Organisation != ward {
		t.Fatalf("silenced: %v %v", list, err)
	}
	c.ask(c.hint())
	if waiting := c.waiting(c.d); len(waiting) != 0 {
		t.Errorf("shown all the same: %v", waiting)
	}
	for range 2 {
		if err := c.Silence(t.Context(), free{}, actorOf(c.d), c.d.vault, ward, false); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := c.Silenced(t.Context(), free{}, c.d.vault); err != nil || len(list) != 0 {
		t.Errorf("taken back: %v %v", list, err)
	}
	c.ask(c.hint())
	if waiting := c.waiting(c.d); len(waiting) != 1 {
		t.Errorf("%d wait after it was taken back", len(waiting))
	}
	if err := c.Silence(t.Context(), free{}, actorOf(c.d), c.d.vault, ward, true); err != nil {
		t.Fatal(err)
	}
	for _, nobody := range []string{"khong-co", "", "a b", nobodyNumber, strings.Repeat("x", 100)} {
		if err := c.Silence(t.Context(), free{}, actorOf(c.d), c.d.vault, nobody, true); pg.Refused(err) != "not_found" {
			t.Errorf("%q: %v", nobody, err)
		}
	}
	history := c.history(c.d.vault)
	for want, n := range map[string]int{"asking_changed done stopped": 2, "asking_changed done resumed": 2, "signin refused never_again": 1} {
		if got := len(slices.DeleteFunc(slices.Clone(history), func(line string) bool { return line != want })); got != n {
			t.Errorf("%s: %d times, want %d in %q", want, got, n, history)
		}
	}
}
