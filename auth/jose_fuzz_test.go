package auth

import (
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// FuzzPaths holds the path of a first message (go-jose) and that of later ones (standard library) to one verdict,
// one payload and one error, for every algorithm, whatever stands behind a header that is known.
func FuzzPaths(f *testing.F) {
	type warmed struct {
		verifier *Verifier
		keys     KeyLookup
		segment  string
	}
	var each []warmed
	for i, alg := range algorithms {
		s := newSender(f, alg, "k1")
		good := s.message(f, testType, map[string]int{"n": i})
		segment, rest, _ := strings.Cut(good, ".")
		v := NewVerifier(10)
		if _, _, err := v.Verify(good, only(s.key(f)), testType); err != nil {
			f.Fatal(err)
		}
		each = append(each, warmed{v, only(s.key(f)), segment})
		f.Add(i, rest)
		f.Add(i, flip(f, good, 1, 2)[len(segment)+1:])
		f.Add(i, flip(f, good, 2, 2)[len(segment)+1:])
		f.Add(i, flip(f, good, 2, 40)[len(segment)+1:])
	}
	f.Add(0, "e30.")
	f.Add(1, "e30.AA.AA")
	f.Add(2, "\n.AA")
	f.Fuzz(func(t *testing.T, which int, rest string) {
		w := each[uint(which)%uint(len(each))]
		compact := w.segment + "." + rest
		got, _, err := w.verifier.Verify(compact, w.keys, testType)
		want, _, wantErr := NewVerifier(1).Verify(compact, w.keys, testType)
		if err != wantErr || string(got) != string(want) {
			t.Fatalf("later %q %v, first %q %v", got, err, want, wantErr)
		}
	})
}

// FuzzVerify feeds whole messages: nothing may panic, and what passes must be what go-jose alone would pass.
func FuzzVerify(f *testing.F) {
	s := newSender(f, jose.ES256, "k1")
	key := s.key(f)
	f.Add(s.message(f, testType, map[string]int{"n": 1}))
	f.Add(s.proof(f, map[string]string{"jti": "x"}))
	f.Add(`eyJhbGciOiJub25lIn0.e30.`)
	f.Add("..")
	f.Fuzz(func(t *testing.T, compact string) {
		v := NewVerifier(10)
		payload, _, err := v.Verify(compact, only(key), testType)
		if err == nil {
			message, parseErr := jose.ParseSignedCompact(compact, algorithms)
			if parseErr != nil {
				t.Fatalf("accepted what go-jose does not parse: %v", parseErr)
			}
			if want, err := message.Verify(key.public); err != nil || string(want) != string(payload) {
				t.Fatalf("accepted what go-jose refuses: %v", err)
			}
		}
		if _, _, err := v.verify(compact, expected{typs: []string{proofType}}); err == nil && strings.Count(compact, ".") != 2 {
			t.Fatal("a proof of another shape")
		}
	})
}
