//go:build linux || darwin || freebsd

package localpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// oldest is the oldest major version we run on.
const oldest = 15

// binaryGlobs are the places of distributions, in no order: the newest version found wins.
var binaryGlobs = []string{
	"/usr/lib/postgresql/*/bin",                       // Debian
	"/usr/pgsql-*/bin",                                // PGDG on Fedora and its kin
	"/usr/libexec/postgresql*",                        // Alpine
	"/usr/local/pgsql/bin",                            // built from source
	"/opt/homebrew/opt/postgresql@*/bin",              // Homebrew
	"/usr/local/opt/postgresql@*/bin",                 //
	"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin", //
	"/Applications/Postgres.app/Contents/Versions/*/bin",
	"/run/current-system/sw/bin", // NixOS
}

// binaries is one installed PostgreSQL server.
type binaries struct {
	dir     string
	version string // "15.18"
	major   int
}

// findBinaries returns the server to use: what PG_BIN names, else PATH, else the newest of the distribution's places.
// want is the major version that the data needs, 0 for any. The answer is remembered in the file memo together with what
// the program looked like, which saves running it at every start.
func findBinaries(ctx context.Context, h host, want int, memo string) (binaries, error) {
	explicit := h.getenv("PG_BIN")
	if explicit == "" {
		if b, ok := recall(memo, want); ok {
			return b, nil
		}
	}
	var found []binaries
	suits := func(b binaries) bool { return b.major >= oldest && (want == 0 || b.major == want) }
	for _, dir := range candidates(h, explicit) {
		b, err := inspect(ctx, dir)
		if err != nil {
			if explicit != "" {
				return binaries{}, fmt.Errorf("%w in PG_BIN: %w", ErrNoServer, err)
			}
			continue
		}
		if suits(b) {
			remember(memo, b)
			return b, nil
		}
		found = append(found, b)
	}
	switch {
	case len(found) == 0:
		return binaries{}, fmt.Errorf("%w; install it with\n    %s\nor set DATABASE_URL to a server you have", ErrNoServer, installLine())
	case want != 0:
		return binaries{}, fmt.Errorf("%w: version %d is not installed (%s is, in %s)", ErrNoServer, want, found[0].version, found[0].dir)
	default:
		return binaries{}, fmt.Errorf("%w: version %s in %s, %d or newer is needed; install it with\n    %s",
			ErrTooOld, found[0].version, found[0].dir, oldest, installLine())
	}
}

// candidates lists directories that hold both programs we need, best first.
func candidates(h host, explicit string) []string {
	if explicit != "" {
		return []string{explicit}
	}
	var dirs, places []string
	for _, d := range filepath.SplitList(h.getenv("PATH")) {
		if p, err := filepath.EvalSymlinks(filepath.Join(d, "postgres")); err == nil {
			dirs = append(dirs, filepath.Dir(p))
		}
	}
	for _, g := range h.globs {
		m, _ := filepath.Glob(g) // the patterns are constants and well formed
		places = append(places, m...)
	}
	slices.SortStableFunc(places, func(a, b string) int { return cmp.Compare(numberIn(b), numberIn(a)) })
	return slices.DeleteFunc(append(dirs, places...), func(d string) bool {
		return !isProgram(filepath.Join(d, "postgres")) || !isProgram(filepath.Join(d, "initdb"))
	})
}

var digits = regexp.MustCompile(`\d+`)

// numberIn is the last number in a directory name, which is the major version wherever one is named.
func numberIn(dir string) int {
	all := digits.FindAllString(dir, -1)
	if len(all) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(all[len(all)-1]) // too many digits: 0, sorted last
	return n
}

func isProgram(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)(\S*)`)

// inspect asks the program in dir for its version.
func inspect(ctx context.Context, dir string) (binaries, error) {
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("ask %s/postgres for its version: %w", dir, err)
	}
	m := versionLine.FindStringSubmatch(string(out))
	if m == nil {
		return binaries{}, fmt.Errorf("%s/postgres is not a PostgreSQL server", dir)
	}
	major, err := parseMajor(m[1])
	return binaries{dir: dir, version: m[1] + m[2], major: major}, err
}

func parseMajor(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 {
		return 0, errors.New("no version number")
	}
	return n, nil
}

// recall reads what remember wrote, if the program is still the same file and suits.
func recall(memo string, want int) (binaries, bool) {
	raw, err := os.ReadFile(memo)
	if err != nil {
		return binaries{}, false
	}
	f := strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
	if len(f) != 3 || f[2] != looks(f[0]) || !isProgram(filepath.Join(f[0], "initdb")) {
		return binaries{}, false
	}
	first, _, _ := strings.Cut(f[1], ".")
	major, err := parseMajor(first)
	if err != nil || major < oldest || want != 0 && major != want {
		return binaries{}, false
	}
	return binaries{dir: f[0], version: f[1], major: major}, true
}

// remember is only a saving, so that a failure to write costs a few milliseconds next time and nothing else.
func remember(memo string, b binaries) {
	_ = os.WriteFile(memo, []byte(b.dir+"\n"+b.version+"\n"+looks(b.dir)+"\n"), 0o600)
}

// looks tells one build of dir/postgres from another.
func looks(dir string) string {
	st, err := os.Stat(filepath.Join(dir, "postgres"))
	if err != nil {
		return ""
	}
	return fmt.Sprint(st.Size(), " ", st.ModTime().UnixNano())
}

// installLine is the one line that installs a server here.
func installLine() string {
	for _, m := range []struct{ program, line string }{
		{"/usr/bin/apt-get", "sudo apt-get install -y postgresql"},
		{"/usr/bin/dnf", "sudo dnf install -y postgresql-server"},
		{"/sbin/apk", "sudo apk add postgresql"},
		{"/usr/bin/pacman", "sudo pacman -S --noconfirm postgresql"},
		{"/usr/bin/zypper", "sudo zypper install -y postgresql-server"},
		{"/usr/sbin/pkg", "sudo pkg install -y postgresql17-server"},
	} {
		if isProgram(m.program) {
			return m.line
		}
	}
	if runtime.GOOS == "darwin" {
		return "brew install postgresql@17"
	}
	return "(your system's package of the PostgreSQL server)"
}
