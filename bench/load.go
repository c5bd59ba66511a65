package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// call is one request, ready for the wire, and the status it must be answered with.
type call struct {
	wire []byte
	want int
}

// message writes a request down as it goes over the wire: HTTP/1.1 on a connection that stays open. Headers come in pairs.
func message(method, host, path string, body []byte, headers ...string) []byte {
	b := make([]byte, 0, 512+len(body))
	b = append(b, method+" "+path+" HTTP/1.1\r\nHost: "+host+"\r\n"...)
	for i := 0; i+1 < len(headers); i += 2 {
		b = append(b, headers[i]+": "+headers[i+1]+"\r\n"...)
	}
	if body != nil {
		b = append(b, "Content-Length: "+strconv.Itoa(len(body))+"\r\n"...)
	}
	return append(append(b, "\r\n"...), body...)
}

// load is what one run of the client saw.
type load struct {
	wall time.Duration
	took []time.Duration // of each request that was answered as expected, ascending
	busy int             // answered 503: the server had no connection free in time
}

func (l load) at(percent int) time.Duration {
	if len(l.took) == 0 {
		return 0
	}
	return l.took[(len(l.took)-1)*percent/100]
}

// patience bounds a run that hangs.
const patience = 2 * time.Minute

// drive sends the calls over c connections, each as soon as the one before it was answered (B2). seen, if not nil, is told each answer's
// number and body.
func drive(ctx context.Context, addr string, c int, calls []call, seen func(i int, body []byte) error) (load, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	conns := make([]net.Conn, c)
	for i := range conns {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return load{}, err
		}
		defer conn.Close()
		conns[i] = conn
	}
	defer context.AfterFunc(ctx, func() {
		for _, conn := range conns {
			_ = conn.SetDeadline(time.Unix(1, 0)) // wakes whoever waits
		}
	})()
	took := make([]time.Duration, len(calls))
	var next, busy atomic.Int64
	var workers sync.WaitGroup
	began := time.Now()
	for _, conn := range conns {
		workers.Go(func() {
			in := bufio.NewReaderSize(conn, 16<<10)
			for i := next.Add(1) - 1; i < int64(len(calls)); i = next.Add(1) - 1 {
				start := time.Now()
				status, body, err := exchange(conn, in, calls[i].wire)
				switch {
				case err != nil:
					fail(err)
					return
				case status == http.StatusServiceUnavailable:
					busy.Add(1)
					continue
				case status != calls[i].want:
					fail(fmt.Errorf("request %d was answered %d %s, want %d", i, status, body, calls[i].want))
					return
				}
				took[i] = time.Since(start)
				if seen != nil {
					if err := seen(int(i), body); err != nil {
						fail(err)
						return
					}
				}
			}
		})
	}
	workers.Wait()
	l := load{wall: time.Since(began), busy: int(busy.Load())}
	if err := context.Cause(ctx); err != nil {
		return l, err
	}
	slices.Sort(took)
	l.took = took[l.busy:] // those that were refused took no time
	if len(l.took) == 0 {
		return l, errors.New("the server was too busy for every request")
	}
	return l, nil
}

func exchange(conn net.Conn, in *bufio.Reader, wire []byte) (status int, body []byte, err error) {
	if _, err := conn.Write(wire); err != nil {
		return 0, nil, err
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}
