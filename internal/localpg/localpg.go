// Package localpg gives one project folder its own PostgreSQL server: started when first needed, shared by every process
// of the project, stopped by the last one out, never on the network and never in anybody's way.
//
// It exists so that a newcomer needs no account, container, port or password. The server listens on a unix socket inside
// a directory that only its owner can enter, so access to the socket is the right to use it and connections are trusted.
//
// Invariants:
//
//	L1  One cluster per project folder and name. Two processes that start it at once end with one initdb, one server.
//	L2  Data is never deleted or upgraded here. The data directory decides the major version; a missing one is an error.
//	L3  A cluster becomes visible by one rename after initdb finished, so a killed initdb leaves no half cluster.
//	L4  A server outlives whoever started it (own session) and is adopted by the next Start; the last Close stops it.
//	L5  The server never runs as root: as root we drop to postgres, _postgres or nobody, and own every directory in which
//	    we ourselves open files, so that the lesser account cannot lead root astray with a link.
//	L6  Nothing of the caller's environment reaches the server but what finds its libraries: PG* variables of another
//	    project, locales, time zones and secrets stay out.
//	L7  A directory in a shared place (/tmp, /var/tmp, /dev/shm) is used only if we made it or it is ours already:
//	    not a link, right owner, no access for others.
//
// It reads the monotonic clock only to report how long each step took. It does not tune the server for production, back
// anything up, or work on systems without flock and unix credentials: there, and in production, DATABASE_URL names a server.
package localpg

import (
	"errors"
	"io"
	"net/url"
	"strings"
	"time"
)

// Owner is the superuser role of every cluster made here.
const Owner = "vidan_owner"

// DefaultDatabase is created with the cluster when Options.Database is empty.
const DefaultDatabase = "vidan"

// Errors that Start returns, wrapped with what to do about them.
var (
	// ErrNoServer: no usable PostgreSQL binaries; the message ends with the one line to type.
	ErrNoServer = errors.New("no PostgreSQL server found")
	// ErrTooOld: only a PostgreSQL older than 15 was found.
	ErrTooOld = errors.New("PostgreSQL is too old")
	// ErrDiskFull: the file system that would hold the cluster has no room.
	ErrDiskFull = errors.New("the disk is full")
	// ErrForeign: a directory we need belongs to another account.
	ErrForeign = errors.New("directory belongs to another account")
	// ErrNoAccount: running as root and no lesser account exists to own the server.
	ErrNoAccount = errors.New("no account to run the server as")
	// ErrFailed: the server or initdb ended with an error of its own; the message quotes its last words.
	ErrFailed = errors.New("the server failed")
	// ErrUnsupported: this operating system lacks what a private server needs.
	ErrUnsupported = errors.New("localpg: not supported on this operating system; set DATABASE_URL")
)

// Options say which cluster is meant.
type Options struct {
	// Project is the folder the cluster belongs to. It must exist.
	Project string
	// Name tells the clusters of one project apart, for instance "dev" and "test": lower-case letters, digits and "-".
	Name string
	// Test trades durability against power loss (not against a killed server) for speed, and keeps the data in a memory
	// file system when one has room.
	Test bool
	// Database is created if missing; empty means DefaultDatabase.
	Database string
	// Log receives one line per notable step; nil means silence.
	Log io.Writer
}

// Server is a running server and this process's claim on it.
type Server struct {
	Dir     string // holds data, locks and log
	Data    string // data directory
	Socket  string // directory of the unix socket
	Bin     string // directory of the PostgreSQL binaries
	Version string // for instance "15.18"
	Pid     int    // of the postmaster

	Adopted     bool // it was already running
	Initialised bool // this Start ran initdb
	InMemory    bool // the data lies in a memory file system
	Took        Took

	database string
	claim
}

// Took is how long the steps of Start lasted; a step that was not needed is zero.
type Took struct {
	Locks, Init, Launch, Database, Total time.Duration
}

// DSN returns the address of database db (empty: the one named in Options) as role: the owner when role is empty, else
// the owner's connection reduced to that role from its first statement on. psql takes it too.
func (s *Server) DSN(db, role string) string {
	if db == "" {
		db = s.database
	}
	return dsn(s.Socket, db, role)
}

// port is only a part of the socket's file name: nothing listens on TCP.
const port = "5432"

// dsn spells out what PGPORT, PGUSER, PGSSLMODE and PGOPTIONS could otherwise supply.
func dsn(socket, db, role string) string {
	options := "-c timezone=UTC"
	if role != "" && role != Owner {
		options += " -c role=" + role
	}
	q := url.Values{"host": {socket}, "port": {port}, "user": {Owner}, "sslmode": {"disable"}, "options": {options}}
	return "postgres:///" + url.PathEscape(db) + "?" + strings.ReplaceAll(q.Encode(), "+", "%20") // libpq knows no +
}
