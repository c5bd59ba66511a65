//go:build linux || darwin || freebsd

package localpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
)

// unfinished prefixes the directories in which initdb works; each attempt has its own, because the initdb of a killed
// starter may still be writing.
const unfinished = "init-"

// sweepUnfinished removes what killed starters left. What cannot be removed yet is tried again by the next start.
func sweepUnfinished(dir string) {
	left, _ := filepath.Glob(filepath.Join(globQuote(dir), unfinished+"*"))
	for _, d := range left {
		_ = os.RemoveAll(d)
	}
}

// globQuote makes dir match only itself.
func globQuote(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// roomFor is what a new cluster takes on disk, with a margin.
const roomFor = 96 << 20

// initialise makes the cluster beside its place and moves it there in one step (L3).
func (s *Server) initialise(ctx context.Context, o Options) error {
	if free, ok := freeBytes(s.Dir); ok && free < roomFor {
		return fmt.Errorf("%w: a new cluster in %s needs %d MB, %d MB are free", ErrDiskFull, s.Dir, roomFor>>20, free>>20)
	}
	side, err := os.MkdirTemp(s.Dir, unfinished)
	if err != nil {
		return fmt.Errorf("make cluster: %w", diskFull(err, s.Dir))
	}
	defer os.RemoveAll(side) // after the rename there is nothing left to remove
	if err := s.account.give(side); err != nil {
		return fmt.Errorf("make cluster: %w", err)
	}
	// Byte order everywhere: C.UTF-8 knows upper and lower case, C is what every system has.
	for _, locale := range []string{"C.UTF-8", "C"} {
		if err = s.initdb(ctx, side, locale, o.Test); err == nil || !errors.Is(err, errLocale) {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := os.Rename(side, s.Data); err != nil {
		return fmt.Errorf("make cluster: %w", err)
	}
	return nil
}

var errLocale = errors.New("no such locale")

func (s *Server) initdb(ctx context.Context, side, locale string, test bool) error {
	args := []string{
		"--pgdata=" + side, "--username=" + Owner, "--encoding=UTF8", "--locale=" + locale,
		"--auth-local=trust", "--auth-host=reject", "--no-instructions",
	}
	if test {
		args = append(args, "--no-sync")
	} else {
		args = append(args, "--data-checksums")
	}
	c := s.account.command(filepath.Join(s.Bin, "initdb"), args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		return fmt.Errorf("run initdb as %s: %w", s.account.name, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Process.Signal(syscall.SIGTERM) }) // it removes what it made
	defer stop()
	switch err := c.Wait(); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("run initdb: %w", context.Cause(ctx))
	case strings.Contains(out.String(), "invalid locale name"):
		return errLocale
	default:
		return fmt.Errorf("run initdb: %w", failure(out.String(), s.Dir, err))
	}
}

// failure makes one readable error of a PostgreSQL program's last words.
func failure(output, dir string, err error) error {
	free, known := freeBytes(dir) // when the disk is full the last words did not fit into the log either
	if strings.Contains(output, "No space left on device") || known && free < 1<<20 {
		return diskFull(syscall.ENOSPC, dir)
	}
	const last = 1500
	if output = strings.TrimSpace(output); len(output) > last {
		output = output[len(output)-last:]
	}
	return fmt.Errorf("%w: %w\n%s", ErrFailed, err, output)
}

func diskFull(err error, dir string) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: make room where %s is, then try again", ErrDiskFull, dir)
	}
	return err
}

func isMissingDatabase(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == pgerrcode.InvalidCatalogName
}
