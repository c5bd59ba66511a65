package bench

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// wire stands between a server and PostgreSQL and counts what goes over: it is a second opinion on how often a request waits for the
// database, and on which statements it sends, from where neither the server nor pgx can colour it.
//
// A round trip is a Sync or a simple Query (PostgreSQL 15, §55.2): each is answered by one ReadyForQuery, and nothing is sent on a
// connection meanwhile.
type wire struct {
	listener net.Listener
	upstream string // socket of the database server

	mu         sync.Mutex // guards what follows
	conns      []net.Conn
	trips      int
	statements []string
	failed     error
}

// listenWire makes the socket in a new directory under folder and returns the address that leads through it to the server at dsn.
func listenWire(folder, dsn string) (w *wire, through string, err error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, "", err
	}
	q := u.Query()
	name := ".s.PGSQL." + q.Get("port")
	w = &wire{upstream: filepath.Join(q.Get("host"), name)}
	dir, err := os.MkdirTemp(folder, "w")
	if err != nil {
		return nil, "", err
	}
	if w.listener, err = net.Listen("unix", filepath.Join(dir, name)); err != nil {
		return nil, "", err
	}
	go w.accept()
	q.Set("host", dir)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // libpq knows no +
	return w, u.String(), nil
}

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return // closed
		}
		database, err := net.Dial("unix", w.upstream)
		if err != nil {
			_ = client.Close()
			w.fail(err)
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, client, database)
		w.mu.Unlock()
		go func() {
			_, _ = io.Copy(client, database) // ends when either side has gone
			_ = client.Close()
		}()
		go func() {
			if err := w.forward(client, database); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				w.fail(err)
			}
			_ = database.Close()
		}()
	}
}

func (w *wire) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = errors.Join(w.failed, err)
}

func (w *wire) close() error {
	err := w.listener.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		_ = conn.Close()
	}
	return errors.Join(err, w.failed)
}

// forward passes on what the client sends, message by message.
func (w *wire) forward(client io.Reader, database io.Writer) error {
	in := bufio.NewReaderSize(client, 64<<10)
	out := bufio.NewWriterSize(database, 64<<10)
	named := map[string]string{} // statements by the name they were parsed under
	for first := true; ; first = false {
		head := make([]byte, 5) // type and length; the first message has no type
		if first {
			head = head[:4]
		}
		if _, err := io.ReadFull(in, head); err != nil {
			return err
		}
		length := int(binary.BigEndian.Uint32(head[len(head)-4:])) - 4
		if length < 0 || length > 64<<20 {
			return fmt.Errorf("a message of %d bytes", length)
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(in, body); err != nil {
			return err
		}
		if !first {
			w.count(head[0], body, named)
		}
		if _, err := out.Write(append(head, body...)); err != nil {
			return err
		}
		if in.Buffered() == 0 { // whatever came together goes on together
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

func (w *wire) count(kind byte, body []byte, named map[string]string) {
	text := strings.Split(string(body), "\x00")
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case kind == 'P' && len(text) > 1: // Parse: name, statement
		named[text[0]] = text[1]
	case kind == 'B' && len(text) > 1: // Bind: portal, name
		w.statements = append(w.statements, named[text[1]])
	case kind == 'Q':
		w.statements = append(w.statements, text[0])
		w.trips++
	case kind == 'S':
		w.trips++
	}
}

// take returns what went over since the last call.
func (w *wire) take() (trips int, statements []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	trips, statements = w.trips, w.statements
	w.trips, w.statements = 0, nil
	return trips, statements
}
