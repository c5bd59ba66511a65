//go:build linux || darwin || freebsd

package localpg

import "syscall"

// freeBytes is the room that dir's file system has left for ordinary accounts; not ok when it does not say.
func freeBytes(dir string) (free uint64, ok bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil || int64(st.Bavail) < 0 {
		return 0, false
	}
	return uint64(st.Bavail) * uint64(st.Bsize), true
}
