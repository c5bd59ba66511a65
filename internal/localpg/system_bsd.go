//go:build darwin || freebsd

package localpg

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
)

// serves reports whether pid is a live postmaster of the data directory.
func serves(ctx context.Context, pid int, data string) bool {
	out, err := exec.CommandContext(ctx, "ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return false
	}
	program, rest, _ := strings.Cut(strings.TrimSpace(string(out)), " -D ")
	return strings.HasSuffix(program, "postgres") && strings.HasPrefix(rest, data+" ")
}

// killOrphans does nothing: without /proc a busy backend of a killed server ends by itself or is ended by hand.
func killOrphans(string) {}

// memoryHasRoom is false: there is no memory file system that is always mounted.
func memoryHasRoom(string) bool { return false }
