//go:build linux || darwin || freebsd

package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// account is who the server runs as.
type account struct {
	uid, gid uint32
	name     string
	cred     *syscall.Credential // nil: as ourselves
}

// serverAccount is ourselves, or as root the first lesser account that exists (L5): PostgreSQL refuses to run as root.
func serverAccount() (account, error) {
	if uid := os.Geteuid(); uid != 0 {
		return account{uid: uint32(uid), gid: uint32(os.Getegid()), name: "uid " + strconv.Itoa(uid)}, nil
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 != nil || err2 != nil || uid == 0 {
			continue
		}
		a := account{uid: uint32(uid), gid: uint32(gid), name: name}
		a.cred = &syscall.Credential{Uid: a.uid, Gid: a.gid} // no supplementary groups
		return a, nil
	}
	return account{}, fmt.Errorf("%w: root may not, and there is no account postgres, _postgres or nobody", ErrNoAccount)
}

// canReach reports whether the account may pass through every directory down to dir.
func (a account) canReach(dir string) bool {
	if a.cred == nil {
		return true
	}
	for d := dir; ; d = filepath.Dir(d) {
		st, err := os.Stat(d)
		if err != nil {
			return false
		}
		bit := fs.FileMode(0o001)
		switch sys := st.Sys().(*syscall.Stat_t); {
		case sys.Uid == a.uid:
			bit = 0o100
		case sys.Gid == a.gid:
			bit = 0o010
		}
		if st.Mode().Perm()&bit == 0 {
			return false
		}
		if d == filepath.Dir(d) {
			return true
		}
	}
}

// give makes path the account's own when we are root.
func (a account) give(path string) error {
	if a.cred == nil {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// inherited are the only variables of ours that the server sees (L6). An empty PGPORT is as fatal to initdb as a wrong
// one, and a server that inherits DATABASE_URL would keep a secret readable for its account.
var inherited = []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "LOCPATH", "LOCALE_ARCHIVE", "TMPDIR"}

// command prepares a PostgreSQL program, run as the account in a directory it can enter.
func (a account) command(program string, args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Dir = "/"
	c.Env = []string{"LC_ALL=C"} // messages that we can read, whatever the locale of the machine
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		for _, keep := range inherited {
			if name == keep {
				c.Env = append(c.Env, e)
			}
		}
	}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: a.cred}
	return c
}

// ownDir makes or checks a directory of ours at path: a real directory, owned by uid, closed to others except for
// passing through when the mode says so (L7). Mkdir never follows a link and never takes over what exists, so whoever
// came first in a shared place is found out by the owner.
func ownDir(path string, uid uint32, mode fs.FileMode) error {
	err := os.Mkdir(path, mode)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	sys := st.Sys().(*syscall.Stat_t)
	if !st.IsDir() || sys.Uid != uid {
		return fmt.Errorf("%w: %s is %s of uid %d, not a directory of uid %d; use that account again, or move it away",
			ErrForeign, path, st.Mode(), sys.Uid, uid)
	}
	if st.Mode().Perm() != mode {
		return os.Chmod(path, mode)
	}
	return nil
}
