package localpg

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// serves reports whether pid is a live postmaster of the data directory.
func serves(_ context.Context, pid int, data string) bool {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil { // gone; a dead process that its parent has not buried yet has an empty command line
		return false
	}
	argv := bytes.Split(bytes.TrimRight(raw, "\x00"), []byte{0})
	if filepath.Base(string(argv[0])) != "postgres" {
		return false
	}
	for i, a := range argv[:len(argv)-1] {
		if string(a) == "-D" && string(argv[i+1]) == data {
			return true
		}
	}
	return false
}

// killOrphans ends backends whose postmaster is gone: PostgreSQL programs that work in the data directory.
func killOrphans(data string) {
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		cwd, err := os.Readlink(filepath.Join(p, "cwd"))
		if err != nil || cwd != data {
			continue
		}
		if exe, err := os.Readlink(filepath.Join(p, "exe")); err != nil || filepath.Base(exe) != "postgres" {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(p)); err == nil {
			_ = syscall.Kill(pid, syscall.SIGQUIT) // it may have ended by itself meanwhile
		}
	}
}

// memoryRoom is how much must be free for test data to live in memory.
const memoryRoom = 1 << 30

// memoryHasRoom reports whether dir is a memory file system with room for test data.
func memoryHasRoom(dir string) bool {
	const tmpfs = 0x01021994 // linux/magic.h
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil || int64(st.Type) != tmpfs {
		return false
	}
	return st.Bavail*uint64(st.Bsize) >= memoryRoom
}
