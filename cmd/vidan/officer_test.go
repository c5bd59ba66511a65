package main

import (
	"strings"
	"testing"
)

// The number of an officer is one line of standard input; what is none is refused without being repeated.
func TestReadNumber(t *testing.T) {
	t.Parallel()
	if n, err := readNumber(strings.NewReader(" 099193000003\n")); err != nil || n.Reveal() != "099193000003" {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "\n", "09919300000", "099193000003 099193000003", strings.Repeat("0", 1<<16)} {
		if _, err := readNumber(strings.NewReader(text)); err == nil || strings.Contains(err.Error(), "0991") {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
}
