package floor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Order is one line that a floor is told; Answer the line it says when it is done.
type Order struct {
	Operation string `json:"operation"` // of [Operations], or one of the two below
	C         int    `json:"c,omitempty"`
	N         int    `json:"n,omitempty"`
}

// Orders beside the operations.
const (
	// OrderStatements asks for the SQL of every operation.
	OrderStatements = "statements"
	// OrderHTTP asks for a bare HTTP server on a free port of 127.0.0.1; it answers every POST with a body of AnswerBytes.
	OrderHTTP = "http"
)

// AnswerBytes is the length of the body that the bare HTTP server answers, about that of a token answer.
const AnswerBytes = 900

// Answer is what became of an order.
type Answer struct {
	Error      string                `json:"error,omitempty"`
	Timing     Timing                `json:"timing,omitzero"`
	Statements map[string][][]string `json:"statements,omitempty"`
	Addr       string                `json:"addr,omitempty"`
}

// Serve reads a [Spec] and then orders from in, one JSON object a line, and answers each with a line on out, until in ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 4<<20)
	if !lines.Scan() {
		return errors.Join(errors.New("floor: nothing to stand beside"), lines.Err())
	}
	var s Spec
	if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	f, err := Open(ctx, s)
	if err != nil {
		return err
	}
	defer f.Close()
	answers := json.NewEncoder(out)
	if err := answers.Encode(Answer{}); err != nil { // ready
		return err
	}
	for lines.Scan() {
		var o Order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return fmt.Errorf("floor: %w", err)
		}
		if err := answers.Encode(f.answer(ctx, o)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (f *Floor) answer(ctx context.Context, o Order) (a Answer) {
	var err error
	switch o.Operation {
	case OrderStatements:
		a.Statements = map[string][][]string{}
		for _, operation := range f.operations {
			a.Statements[operation.Name] = f.Statements(operation.Name)
		}
	case OrderHTTP:
		a.Addr, err = bare(ctx)
	default:
		a.Timing, err = f.Run(ctx, o.Operation, o.C, o.N)
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// bare serves HTTP and nothing else, until ctx ends: what net/http alone costs is no part of a floor, and is printed beside it.
func bare(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	body := make([]byte, AnswerBytes)
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return // the client has gone
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(body) // as above
	})}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // nobody is left to be answered
	go func() { _ = server.Serve(listener) }()            // ends with the process
	return listener.Addr().String(), nil
}
