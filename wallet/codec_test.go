package wallet

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawHeader(t *rapid.T) header {
	h := header{
		number: rapid.IntRange(1, maxNumber).Draw(t, "number"), state: rapid.SampledFrom(states()).Draw(t, "state"),
		origin:     rapid.SampledFrom(origins()).Draw(t, "origin"),
		issuedAt:   time.UnixMicro(rapid.Int64Range(-5e15, 5e15).Draw(t, "issued")).UTC(),
		receivedAt: time.UnixMicro(rapid.Int64Range(0, 5e15).Draw(t, "received")).UTC(),
	}
	for _, s := range h.texts() {
		*s = rapid.StringN(0, 40, 120).Draw(t, "text")
	}
	copy(h.digest[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
	return h
}

// TestHeaderRoundTrip: what is encoded decodes to itself, in a multiple of the padding.
func TestHeaderRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := drawHeader(t)
		b := h.encode()
		if len(b)%headerPadding != 0 {
			t.Fatalf("%d bytes", len(b))
		}
		if got, err := decodeHeader(b); err != nil || got != h {
			t.Fatalf("%v", err)
		}
	})
}

// TestHeaderLengthTellsNoType: the headers of all types of a vault have one length.
func TestHeaderLengthTellsNoType(t *testing.T) {
	t.Parallel()
	lengths := map[int]bool{}
	for _, typ := range []string{"birth_certificate", "criminal_record_certificate", "health_insurance_card", "vehicle_registration"} {
		h := header{number: 1, state: Issued, origin: FromProcedure, docType: typ, issuer: "ubnd-xa-dai-son", ref: "12/2026", procedure: typ + "_issue", dossier: "H24.99-260930-0001", subjectRole: "holder"}
		lengths[len(h.encode())] = true
	}
	if len(lengths) != 1 {
		t.Errorf("lengths %v", lengths)
	}
}

// FuzzHeader: nothing but what encode writes decodes, and it encodes to the same bytes again.
func FuzzHeader(f *testing.F) {
	h := header{number: 1, state: Issued, origin: FromProcedure, docType: "birth_certificate", issuer: "ubnd", ref: "12/2026"}
	f.Add(h.encode())
	f.Add([]byte{})
	f.Add([]byte{headerVersion, 0, 0, 1})
	f.Add(append(h.encode(), 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decodeHeader(b)
		if err == nil && !bytes.Equal(got.encode(), b) {
			t.Error("two encodings of one header")
		}
	})
}

// FuzzContent: opening never panics, what decodes encodes again to the same bytes, and the document lies within the payload.
func FuzzContent(f *testing.F) {
	h := header{number: 1, state: Issued, origin: FromProcedure, docType: "birth_certificate", issuer: "ubnd", ref: "12/2026"}
	split := content{header: h, signed: signed{[]byte("{}"), []byte(`{"document":{}}`), []byte("s")}, from: 12, to: 14, exact: true}
	f.Add(split.encode())
	whole := content{header: h, message: []byte("e30.e30.c3"), from: 0, to: 0}
	f.Add(whole.encode())
	f.Add([]byte{contentVersion, formExact, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeContent(b)
		if err != nil {
			return
		}
		_ = c.document()
		if len(c.delivered()) > 2*len(b) {
			t.Error("a message longer than it can be")
		}
		if !bytes.Equal(c.encode(), b) {
			t.Error("two encodings of one content")
		}
	})
}

// FuzzDocumentMember holds the walk against encoding/json: where both find a document, it is the same.
func FuzzDocumentMember(f *testing.F) {
	for _, s := range []string{
		`{"document":{"a":[1,2,{"b":"}"}]},"x":1}`, `{ "x" : "\"document\":1" , "document" : [ ] }`, `{"docu\u006dent":7}`, `{}`, `{"document":null}`,
		`{"document":1,"document":2}`, `[{"document":1}]`, `{"x":{"document":1}}`, `{"a":"\\","document":-1.5e3}`, `{"document"`, `{"document":}`, "{\"a\":tr\x00ue}",
		strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		from, to, err := documentMember(payload)
		if err == nil && (from < 0 || to > len(payload) || from > to) {
			t.Fatalf("outside: %d to %d", from, to)
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(payload, &members) != nil || err != nil || members == nil {
			return
		}
		document, has := members["document"]
		if has != (to > from) {
			t.Fatalf("found %t, encoding/json %t", to > from, has)
		}
		if has && !bytes.Equal(payload[from:to], document) {
			t.Fatalf("%q, encoding/json %q", payload[from:to], document)
		}
	})
}

// TestDocumentMember: the cases that a strict payload can and cannot have.
func TestDocumentMember(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`{"document":{"a":[1,{"b":"}\\"}]},"x":1}`: `{"a":[1,{"b":"}\\"}]}`,
		` { "x" : [ ] , "document" : "a\"b" } `:    `"a\"b"`,
		`{"docu\u006dent":true}`:                   `true`,
		`{"x":{"document":1}}`:                     ``,
		`{}`:                                       ``,
	} {
		from, to, err := documentMember([]byte(payload))
		if err != nil || payload[from:to] != want {
			t.Errorf("%s: %q, %v", payload, payload[from:to], err)
		}
	}
	for _, payload := range []string{``, `[]`, `{"document":1,"document":2}`, `{"document":1`, `{"document" 1}`, `{"document":1}x`, `{"a"}`, `{"a":"`, `{"a":[1}`,
		`{"document":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`} {
		if _, _, err := documentMember([]byte(payload)); err == nil {
			t.Errorf("%.40s: accepted", payload)
		}
	}
}

// FuzzSigned: a message that is taken apart and encodes to itself is kept in parts, any other whole; both come back as they were.
func FuzzSigned(f *testing.F) {
	f.Add([]byte("eyJhbGciOiJFUzI1NiJ9.e30.c2ln"))
	f.Add([]byte("e30.e31.c2lh"))
	f.Add([]byte("e30.e30.c2\nln"))
	f.Add([]byte(".."))
	f.Fuzz(func(t *testing.T, message []byte) {
		parts, exact, err := parseSigned(message)
		if err != nil {
			return
		}
		if want := bytes.Equal(parts.compact(), message); exact != want {
			t.Errorf("%q: exact %t, want %t", message, exact, want)
		}
		c := content{header: header{number: 1, state: Issued, origin: FromProcedure}, signed: parts, exact: exact, message: message}
		got, err := decodeContent(c.encode())
		if err != nil || !bytes.Equal(got.delivered(), message) || !bytes.Equal(got.payload, parts.payload) {
			t.Errorf("%q came back as %q: %v", message, got.delivered(), err)
		}
	})
}

// BenchmarkHeader is what a list costs per paper, opening aside.
func BenchmarkHeader(b *testing.B) {
	h := header{number: 1, state: Issued, origin: FromProcedure, docType: "birth_certificate", issuer: "ubnd-xa-dai-son", ref: "12/2026",
		procedure: "birth_registration", dossier: "H24.99-260930-0001", validFrom: "2026-10-01", subjectRole: "child", issuedAt: time.Unix(1, 0).UTC(), receivedAt: time.Unix(2, 0).UTC()}
	encoded := h.encode()
	b.ReportMetric(float64(len(encoded)), "bytes")
	for b.Loop() {
		if _, err := decodeHeader(encoded); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDocumentMember is what finding the document costs once, when a revision is stored.
func BenchmarkDocumentMember(b *testing.B) {
	payload := []byte(`{"result_id":"x","document":{"text":"` + strings.Repeat("Thôn Mẫu, ", 250) + `"}}`)
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if _, _, err := documentMember(payload); err != nil {
			b.Fatal(err)
		}
	}
}
