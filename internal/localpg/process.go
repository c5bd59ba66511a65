//go:build linux || darwin || freebsd

package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// state of a cluster's server, as its pid file and the process table tell.
type state int

const (
	absent  state = iota // no server, and no pid file that PostgreSQL would mind
	blocked              // no server, but a pid file that PostgreSQL would take for one
	unclear              // an empty pid file: a server this very moment, or a crash of the machine
	busy                 // coming up or going down
	ready                // accepts connections
)

type postmaster struct {
	state  state
	pid    int
	socket string
}

func (s *Server) pidFile() string { return filepath.Join(s.Data, "postmaster.pid") }

// postmaster reads the pid file and believes it only if that process really serves our data: after a crash the number
// may belong to anybody.
func (s *Server) postmaster(ctx context.Context) (postmaster, error) {
	raw, err := os.ReadFile(s.pidFile())
	if errors.Is(err, fs.ErrNotExist) {
		return postmaster{}, nil
	}
	if err != nil {
		return postmaster{}, fmt.Errorf("look for a server: %w", err)
	}
	// pid, data directory, start time, port, socket directory, address, shared memory, status
	line := strings.Split(string(raw), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line[0]))
	if err != nil || pid <= 1 {
		return postmaster{state: unclear}, nil
	}
	p := postmaster{state: busy, pid: pid}
	if len(line) > 7 && strings.TrimSpace(line[7]) == "ready" {
		p.state, p.socket = ready, strings.TrimSpace(line[4])
	}
	if !serves(ctx, pid, s.Data) {
		if p.state == ready && answers(ctx, p.socket) {
			return p, nil // started in another container, whose processes we cannot see
		}
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return postmaster{}, nil // PostgreSQL sees that too and overwrites the file
		}
		return postmaster{state: blocked, pid: pid}, nil // another program, or a dead server that nobody buried
	}
	return p, nil
}

// answers reports whether a server accepts connections in the socket directory. A successful dial alone may be the
// last moment of a server that is being killed.
func answers(ctx context.Context, socket string) bool {
	conn, err := connect(ctx, socket, "template1")
	if err != nil {
		return false
	}
	_ = conn.Close(ctx) // nothing was asked
	return true
}

// settings of every server here. Durable ones keep PostgreSQL's own defaults for everything else.
var (
	settings = []string{
		"listen_addresses=", "unix_socket_permissions=0700", "port=" + port, "max_connections=200",
		"timezone=UTC", "log_timezone=UTC", "cluster_name=vidan",
	}
	// A killed test server still keeps what it acknowledged: WAL is written, only not forced to disk.
	testSettings = []string{
		"fsync=off", "full_page_writes=off", "autovacuum=off", "wal_level=minimal", "max_wal_senders=0",
		"shared_buffers=64MB", "wal_init_zero=off", "wal_recycle=off", "min_wal_size=32MB", "max_wal_size=512MB",
		"checkpoint_timeout=1h", "jit=off",
	}
)

// launch starts the server in the first socket directory that works and waits until it accepts connections.
func (s *Server) launch(ctx context.Context, o Options, sockets []string) error {
	log := filepath.Join(s.Dir, "server.log")
	var last error
	for _, dir := range sockets {
		if last = makeSocketDir(dir, s.account); last != nil {
			continue
		}
		// What a killed server left in a directory that is this cluster's alone; its lock file may name a pid that
		// now belongs to another program.
		_ = os.Remove(filepath.Join(dir, ".s.PGSQL."+port))
		_ = os.Remove(filepath.Join(dir, ".s.PGSQL."+port+".lock"))
		s.Socket = dir
		last = s.launchOnce(ctx, o, log)
		for tries := 0; errors.Is(last, errStillInUse) && tries < 100; tries++ {
			// Backends of a killed server notice its death when they next wait; busy ones are told. Their
			// transactions can only fail, but while they live no new server may use the data.
			killOrphans(s.Data)
			if err := pause(ctx, 20*time.Millisecond); err != nil {
				return fmt.Errorf("wait for what a killed server left: %w", err)
			}
			last = s.launchOnce(ctx, o, log)
		}
		if !errors.Is(last, errNoSocket) {
			break
		}
	}
	return last
}

var (
	errStillInUse = errors.New("shared memory of a killed server is still in use")
	errNoSocket   = errors.New("no unix socket can be made here")
)

func (s *Server) launchOnce(ctx context.Context, o Options, log string) error {
	args := []string{"-D", s.Data, "-k", s.Socket}
	for _, v := range settings {
		args = append(args, "-c", v)
	}
	if o.Test {
		for _, v := range testSettings {
			args = append(args, "-c", v)
		}
	}
	if err := os.Rename(log, log+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put the old log aside: %w", err)
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", diskFull(err, s.Dir))
	}
	defer out.Close()
	c := s.account.command(filepath.Join(s.Bin, "postgres"), args...)
	c.Stdout, c.Stderr = out, out
	c.SysProcAttr.Setsid = true // Ctrl-C is for the program in front, which stops the server when it is done (L4)
	if err := c.Start(); err != nil {
		return fmt.Errorf("start the server as %s: %w", s.account.name, err)
	}
	exited := make(chan error, 1)
	go func() { exited <- c.Wait() }() // ends with the server; also keeps it from staying a zombie
	for {
		select {
		case err := <-exited:
			words, _ := os.ReadFile(log)
			switch text := string(words); {
			case strings.Contains(text, "is still in use"):
				return errStillInUse
			case strings.Contains(text, "could not create any Unix-domain sockets"):
				return fmt.Errorf("%w: %w", errNoSocket, failure(text, s.Dir, err))
			default:
				return fmt.Errorf("start the server: %w", failure(text, s.Dir, err))
			}
		default:
		}
		p, err := s.postmaster(ctx)
		if err == nil && p.state == ready && p.pid == c.Process.Pid {
			s.Pid = p.pid
			return nil
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			_ = c.Process.Signal(syscall.SIGQUIT)
			<-exited
			return fmt.Errorf("wait for the server: %w", err)
		}
	}
}

// stop ends the server, asking ever less politely, waits until its process is gone and removes the socket directory.
func (s *Server) stop(ctx context.Context) error {
	p, err := s.postmaster(ctx)
	if err != nil {
		return err
	}
	alive := p.state == busy || p.state == ready
	for _, ask := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, 20 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		if !alive {
			break
		}
		if err := syscall.Kill(p.pid, ask.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop server %d: %w", p.pid, err)
		}
		patience, cancel := context.WithTimeout(ctx, ask.wait)
		for alive && patience.Err() == nil {
			_ = pause(patience, time.Millisecond)
			alive = serves(ctx, p.pid, s.Data)
		}
		cancel()
	}
	if alive {
		return fmt.Errorf("%w: process %d does not stop", ErrFailed, p.pid)
	}
	_ = os.Remove(s.Socket) // only if empty; it is made again when needed
	return nil
}
