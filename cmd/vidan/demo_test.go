package main

import (
	"os"
	"strings"
	"testing"
)

// TestDemo plays the story end to end: the first test that everything stands together.
func TestDemo(t *testing.T) {
	t.Parallel()
	cmd := command(t, folder(t), nil, "demo")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "demo: ok (") {
		t.Fatalf("%v\n%s", err, out)
	}
	if os.Getenv("CI") != "" || testing.Verbose() {
		t.Logf("%s", out)
	}
}
