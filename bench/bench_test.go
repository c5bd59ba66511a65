package bench

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestB2_UnexpectedAnswers: a run stands only on answers that were expected; a server that is too busy is counted.
func TestB2_UnexpectedAnswers(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		switch {
		case err != nil || r.Host == "" || r.Header.Get("X-Test") != "yes":
			w.WriteHeader(http.StatusBadRequest)
		case string(body) == "busy" && n.Add(1)%2 == 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = w.Write(bytes.Repeat([]byte("x"), 10_000)) // chunked
		}
	}))
	t.Cleanup(server.Close)
	addr := server.Listener.Addr().String()
	post := func(body string, want int) call {
		return call{message(http.MethodPost, addr, "/", []byte(body), "X-Test", "yes"), want}
	}
	seen := make([]int, 3)
	l, err := drive(t.Context(), addr, 2, []call{post("a", 200), post("b", 200), post("c", 200)}, func(i int, body []byte) error {
		seen[i] = len(body)
		return nil
	})
	if err != nil || l.busy != 0 || len(l.took) != 3 || l.at(50) <= 0 || l.at(99) < l.at(50) {
		t.Errorf("three requests: %+v, %v", l, err)
	}
	if diff := cmp.Diff([]int{10_000, 10_000, 10_000}, seen); diff != "" {
		t.Errorf("bodies seen (-want +got):\n%s", diff)
	}
	l, err = drive(t.Context(), addr, 1, []call{post("busy", 200), post("busy", 200), post("busy", 200)}, nil)
	if err != nil || l.busy != 1 || len(l.took) != 2 || l.took[0] <= 0 {
		t.Errorf("a busy server: %+v, %v", l, err)
	}
	if _, err := drive(t.Context(), addr, 2, []call{post("a", 200), post("b", 201)}, nil); err == nil || !strings.Contains(err.Error(), "want 201") {
		t.Errorf("an answer of another status gave %v", err)
	}
}

// frontend is a message of PostgreSQL's protocol, from the client.
func frontend(kind byte, body string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return append(b, body...)
}

// TestWireCounts forwards a conversation, in one piece and byte by byte, and counts it.
func TestWireCounts(t *testing.T) {
	t.Parallel()
	said := binary.BigEndian.AppendUint32(nil, 12)
	said = append(said, "\x00\x03\x00\x00user"...)
	for _, m := range [][]byte{
		frontend('P', "s1\x00select 1\x00\x00\x00"), frontend('D', "Ss1\x00"), frontend('S', ""),
		frontend('B', "\x00s1\x00\x00\x00\x00\x00\x00\x00"), frontend('E', "\x00\x00\x00\x00\x00"), frontend('B', "\x00s1\x00\x00\x00\x00\x00\x00\x00"), frontend('S', ""),
		frontend('Q', "select 2\x00"), frontend('X', ""),
	} {
		said = append(said, m...)
	}
	for name, in := range map[string]io.Reader{"in one piece": bytes.NewReader(said), "byte by byte": oneByte{bytes.NewReader(said)}} {
		var w wire
		var heard bytes.Buffer
		if err := w.forward(in, &heard); err != io.EOF {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(heard.Bytes(), said) {
			t.Errorf("%s: the database heard something else", name)
		}
		trips, statements := w.take()
		if diff := cmp.Diff([]string{"select 1", "select 1", "select 2"}, statements); trips != 3 || diff != "" {
			t.Errorf("%s: %d trips, statements (-want +got):\n%s", name, trips, diff)
		}
		if trips, _ := w.take(); trips != 0 {
			t.Errorf("%s: counted twice", name)
		}
	}
}

type oneByte struct{ io.Reader }

func (r oneByte) Read(b []byte) (int, error) { return r.Reader.Read(b[:min(1, len(b))]) }

// FuzzForward: whatever a client says is passed on or refused, never anything else.
func FuzzForward(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x08\x00\x03\x00\x00Q\x00\x00\x00\x06a\x00"))
	f.Add([]byte("\x00\x00\x00\x08\x04\xd2\x16\x2fB\x00\x00\x00\x04"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, said []byte) {
		var w wire
		var heard bytes.Buffer
		err := w.forward(bytes.NewReader(said), &heard)
		if err == nil || !bytes.HasPrefix(said, heard.Bytes()) {
			t.Errorf("forwarded something else: %v", err)
		}
	})
}

// TestB4_Difference names what either side lacks, however often.
func TestB4_Difference(t *testing.T) {
	t.Parallel()
	if got := difference("x", []string{"a", "b", "a"}, []string{"b", "a", "a"}); got != "" {
		t.Errorf("the same statements differ: %s", got)
	}
	got := difference("x", []string{"select\n 1", "b", "b"}, []string{"b", "c"})
	want := "x: only the server sends select 1\nx: only the server sends b\nx: only the floor sends c\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("difference (-want +got):\n%s", diff)
	}
}

// TestLines holds the form of the lines to the documented one.
func TestLines(t *testing.T) {
	t.Parallel()
	ms := time.Millisecond
	m := measured{}
	for i := range 3 {
		m.server = append(m.server, run{
			n: 100, wall: 500 * ms, p50: 4 * ms, p99: 9 * ms, used: reading{process: time.Duration(40+i) * ms, postgres: 12 * ms, wal: 50_000, mallocs: 20_000},
			after: reading{process: 10 * ms, postgres: 5 * ms, wal: 10_000, mallocs: 1000},
		})
		m.floor = append(m.floor, run{n: 200, wall: 500 * ms, used: reading{process: 54 * ms, postgres: 24 * ms, wal: 80_000}})
	}
	var got []string
	for _, l := range m.lines(operation{name: "token"}, 32, 1) {
		raw, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(raw))
	}
	want := []string{
		`{"name":"token.cpu_us","c":32,"value":410,"unit":"us/request","floor":270,"ratio":1.52,"pg_us":120,"floor_pg_us":120,"after":100,"after_pg_us":50,"round_trips":1}`,
		`{"name":"token.rps","c":32,"value":200,"unit":"1/s","floor":400,"p50_ms":4,"p99_ms":9}`,
		`{"name":"token.allocs","c":32,"value":200,"unit":"1/request","after":10}`,
		`{"name":"token.wal_bytes","c":32,"value":500,"unit":"B/request","floor":400,"after":100}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	page, err := Results(m.lines(operation{name: "token"}, 32, 1), "vidan bench", 2, time.Unix(0, 0))
	if err != nil || !bytes.Contains(page, []byte("| token | 32 | 410 | 270 | 1.52 | 120 | 120 | 100 | 50 | 1 | 200 | 4 | 9 | 200 | 500 |")) {
		t.Errorf("the page lacks the row: %v\n%s", err, page)
	}
}

// TestServerThatDies: a child that ends is an error with its last words, not a wait.
func TestServerThatDies(t *testing.T) {
	t.Parallel()
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	_, err = startServer(t.Context(), "/bin/sh", addr, []string{"-c", "echo last words >&2; exit 3"}, nil)
	if err == nil || !strings.Contains(err.Error(), "last words") {
		t.Errorf("a server that died gave %v", err)
	}
}
