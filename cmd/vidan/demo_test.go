package main

import (
	"bytes"
	"strings"
	"testing"

	"vidan/procedure/examples"
)

// TestDemo plays the story end to end, and then looks through every log line that the server wrote meanwhile: no number, name or address
// of anybody is in one (S5).
func TestDemo(t *testing.T) {
	t.Parallel()
	cmd := command(t, folder(t), []string{"VIDAN_LOG_LEVEL=debug"}, "demo", "--logs")
	var logs bytes.Buffer
	cmd.Stderr = &logs
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "demo: ok (") {
		t.Fatalf("%v\n%s\n%s", err, out, logs.String())
	}
	t.Logf("%s", out)
	cast, err := examples.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range cast.People {
		for _, canary := range []string{p.PersonalNumber, p.BirthNoticeNumber, p.FullName} {
			if canary != "" && strings.Contains(logs.String(), canary) {
				t.Errorf("a log line holds something of %s", p.ID)
			}
		}
	}
}
