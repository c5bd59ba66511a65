//go:build linux || darwin || freebsd

package localpg

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// site is where a cluster lives.
type site struct {
	dir    string
	key    string // names what belongs to this cluster in shared places
	memory bool   // dir is in a memory file system
}

// locate finds or makes the directory of the cluster: in memory for tests, else under the project, else, when the
// server's account cannot reach the project or nobody can write there, in the temporary area that survives a restart.
// Where data already is wins over where it would go today.
func locate(o Options, h host, a account) (site, error) {
	project, err := filepath.Abs(o.Project)
	if err == nil {
		project, err = filepath.EvalSymlinks(project)
	}
	if err != nil {
		return site{}, fmt.Errorf("project folder: %w", err)
	}
	uid := uint32(os.Geteuid())
	sum := sha256.Sum256([]byte(project + "\x00" + o.Name))
	s := site{key: strconv.Itoa(int(uid)) + "-" + hex.EncodeToString(sum[:6])}
	mode := fs.FileMode(0o700)
	if a.cred != nil {
		mode = 0o711 // the server's account passes through to the data, and can do nothing else
	}
	at := func(dir string) (site, error) {
		s.dir = dir
		if err := ownDir(dir, uid, mode); err != nil {
			return site{}, fmt.Errorf("cluster directory: %w", err)
		}
		return s, nil
	}

	if memory := filepath.Join(h.memory, "vidan-"+s.key); o.Test && h.memory != "" {
		if _, err := os.Lstat(memory); err == nil || memoryHasRoom(h.memory) {
			s.memory = true
			return at(memory)
		}
	}
	inside := filepath.Join(project, ".vidan", o.Name)
	outside := filepath.Join("/var/tmp", "vidan-"+s.key)
	reachable := a.canReach(project)
	if _, err := os.Lstat(inside); err == nil && reachable {
		return at(inside)
	}
	if _, err := os.Lstat(outside); err == nil || !reachable {
		return at(outside)
	}
	switch err := makeHidden(filepath.Dir(inside)); {
	case err == nil:
		return at(inside)
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		return at(outside)
	default:
		return site{}, fmt.Errorf("cluster directory: %w", err)
	}
}

// makeHidden makes the project's .vidan, which keeps itself out of version control.
func makeHidden(dir string) error {
	switch err := os.Mkdir(dir, 0o755); {
	case errors.Is(err, fs.ErrExist):
		return syscall.Access(dir, 2 /* W_OK */)
	case err != nil:
		return err
	}
	return os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o644)
}

// socketPathMax keeps the longest file name in a socket directory within sun_path of every supported system (macOS: 104
// bytes with the final zero).
const socketPathMax = 103 - len("/.s.PGSQL."+port)

// sockets lists, best first, the directories that could hold the server's socket: the cluster's own, then the places
// where only we can write, then /tmp, under several names because there anybody can have taken one.
func (s site) sockets(h host) []string {
	var dirs []string
	add := func(dir string) {
		if len(dir) <= socketPathMax && plainPath(dir) {
			dirs = append(dirs, dir)
		}
	}
	add(filepath.Join(s.dir, "s"))
	name := "vidan-" + s.key
	for _, private := range []string{h.getenv("XDG_RUNTIME_DIR"), "/run"} {
		if private != "" && onlyOursToWrite(private) {
			add(filepath.Join(private, name))
		}
	}
	add(filepath.Join("/tmp", name))
	for i := range 8 {
		add(filepath.Join("/tmp", name+"-"+strconv.Itoa(i)))
	}
	return dirs
}

// plainPath reports whether dir needs no quoting in unix_socket_directories and in addresses, both of which split at
// commas.
func plainPath(dir string) bool {
	return strings.HasPrefix(dir, "/") && strings.Trim(dir, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-") == ""
}

func onlyOursToWrite(dir string) bool {
	st, err := os.Stat(dir)
	if err != nil || !st.IsDir() || st.Mode().Perm()&0o022 != 0 {
		return false
	}
	return st.Sys().(*syscall.Stat_t).Uid == uint32(os.Geteuid())
}

// makeSocketDir makes or checks dir as a directory that only the server's account, and root, can enter.
func makeSocketDir(dir string, a account) error {
	st, err := os.Lstat(dir)
	if err != nil || a.cred != nil && st.IsDir() && st.Sys().(*syscall.Stat_t).Uid == 0 { // the latter: not handed over yet
		if err := ownDir(dir, uint32(os.Geteuid()), 0o700); err != nil {
			return err
		}
		if err := a.give(dir); err != nil {
			return err
		}
	}
	return ownDir(dir, a.uid, 0o700)
}
