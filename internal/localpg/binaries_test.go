//go:build linux || darwin || freebsd

package localpg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

// fakeServer puts programs into dir that answer as PostgreSQL of that version would.
func fakeServer(t testing.TB, dir, version, initdb string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{
		"postgres": fmt.Sprintf("echo 'postgres (PostgreSQL) %s'", version),
		"initdb":   initdb,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindBinaries(t *testing.T) {
	t.Parallel()
	top := project(t, "bin")
	at := func(name, version string) string { return fakeServer(t, filepath.Join(top, name, "bin"), version, ":") }
	v14, v15, v17 := at("14", "14.9 (Debian 14.9-1)"), at("15", "15.18"), at("17", "17.2")
	beta := at("20", "20beta1")
	notOne := fakeServer(t, filepath.Join(top, "other"), "", ":")
	none := filepath.Join(top, "none")
	env := func(kv ...string) func(string) string {
		return func(k string) string {
			for i := 0; i < len(kv); i += 2 {
				if kv[i] == k {
					return kv[i+1]
				}
			}
			return ""
		}
	}
	all := []string{filepath.Join(top, "1[457]", "bin")}
	for name, test := range map[string]struct {
		host host
		want int
		dir  string
		err  error
		says string
	}{
		"newest of the distribution": {host: host{env(), all, ""}, dir: v17},
		"PATH before them":           {host: host{env("PATH", none+":"+v15), all, ""}, dir: v15},
		"PG_BIN before all":          {host: host{env("PG_BIN", beta, "PATH", v15), all, ""}, dir: beta},
		"the data decides":           {host: host{env("PATH", v17), all, ""}, want: 15, dir: v15},
		"too old on PATH is passed":  {host: host{env("PATH", v14), all, ""}, dir: v17},
		"none":                       {host: host{env("PATH", none), nil, ""}, err: ErrNoServer, says: installLine()},
		"only an old one":            {host: host{env("PATH", v14), nil, ""}, err: ErrTooOld, says: "14.9"},
		"PG_BIN is empty":            {host: host{env("PG_BIN", none), all, ""}, err: ErrNoServer, says: none},
		"PG_BIN is something else":   {host: host{env("PG_BIN", notOne), all, ""}, err: ErrNoServer, says: notOne},
		"PG_BIN is too old":          {host: host{env("PG_BIN", v14), all, ""}, err: ErrTooOld, says: "14.9"},
		"the data's version is gone": {host: host{env(), all, ""}, want: 16, err: ErrNoServer, says: "16"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			memo := filepath.Join(t.TempDir(), "memo")
			for _, pass := range []string{"first", "remembered"} {
				b, err := findBinaries(t.Context(), test.host, test.want, memo)
				if !errors.Is(err, test.err) || b.dir != test.dir {
					t.Fatalf("%s: %q, %v; want %q, %v", pass, b.dir, err, test.dir, test.err)
				}
				if err != nil && !strings.Contains(err.Error(), test.says) {
					t.Errorf("%s: %q does not say %q", pass, err, test.says)
				}
			}
		})
	}
}

// TestRememberedBinariesAreChecked: an upgraded or removed server is noticed.
func TestRememberedBinariesAreChecked(t *testing.T) {
	t.Parallel()
	dir := fakeServer(t, t.TempDir(), "15.18", ":")
	memo := filepath.Join(t.TempDir(), "memo")
	h := host{getenv: func(k string) string { return map[string]string{"PATH": dir}[k] }}
	find := func() (binaries, error) { return findBinaries(t.Context(), h, 0, memo) }
	if b, err := find(); err != nil || b.version != "15.18" {
		t.Fatalf("%+v, %v", b, err)
	}
	fakeServer(t, dir, "16.1 of another size", ":")
	if b, err := find(); err != nil || b.version != "16.1" {
		t.Errorf("after an upgrade: %+v, %v", b, err)
	}
	if err := os.Remove(filepath.Join(dir, "initdb")); err != nil {
		t.Fatal(err)
	}
	if _, err := find(); !errors.Is(err, ErrNoServer) {
		t.Errorf("after removal: %v", err)
	}
	if err := os.WriteFile(memo, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := find(); !errors.Is(err, ErrNoServer) {
		t.Errorf("with a broken memo: %v", err)
	}
}

// TestFailedInitdb: what initdb says is passed on, in plain words where we know them, and nothing is left behind.
func TestFailedInitdb(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script string
		err    error
		says   string
	}{
		"disk full":  {`echo 'could not write to file "pg_wal/xlogtemp.1": No space left on device' >&2; exit 1`, ErrDiskFull, "make room"},
		"its own":    {`echo 'initdb: error: the moon is full' >&2; exit 1`, ErrFailed, "the moon is full"},
		"no locales": {`echo 'initdb: error: invalid locale name "C.UTF-8"' >&2; exit 1`, errLocale, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bin := fakeServer(t, project(t, "bin"), "15.18", test.script)
			o := Options{Project: project(t, "vidan"), Name: "dev"}
			h := host{getenv: func(k string) string { return map[string]string{"PG_BIN": bin}[k] }}
			_, err := start(testContext(t), o, h)
			if !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("err = %v, want %v saying %q", err, test.err, test.says)
			}
			dir := filepath.Join(o.Project, ".vidan", "dev")
			left, _ := filepath.Glob(filepath.Join(dir, unfinished+"*"))
			if _, err := os.Stat(filepath.Join(dir, "data")); err == nil || len(left) != 0 {
				t.Errorf("left behind: %v, data %v", left, err)
			}
		})
	}
}

// TestL2_OtherMajorVersion: data of a version that is not installed is neither touched nor replaced.
func TestL2_OtherMajorVersion(t *testing.T) {
	t.Parallel()
	o := Options{Project: project(t, "vidan"), Name: "dev"}
	data := filepath.Join(o.Project, ".vidan", "dev", "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(data, "PG_VERSION")
	if err := os.WriteFile(file, []byte("13\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(testContext(t), o)
	if !errors.Is(err, ErrNoServer) || !strings.Contains(err.Error(), "PostgreSQL 13") {
		t.Errorf("err = %v", err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "13\n" {
		t.Errorf("data touched: %q, %v", got, err)
	}
}
