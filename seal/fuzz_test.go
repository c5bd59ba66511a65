package seal

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzSealed: of all byte strings only those that were sealed for a place open there, and none makes it panic.
func FuzzSealed(f *testing.F) {
	v := readVectors(f)
	d, k := openVectors(f, v)
	for i, s := range v.Sealed {
		f.Add(i, []byte(s.Sealed))
	}
	for _, s := range v.Refused {
		f.Add(0, []byte(s.Sealed))
	}
	f.Fuzz(func(t *testing.T, i int, sealed []byte) {
		if i < 0 || i >= len(v.Sealed) {
			i = 0
		}
		s := v.Sealed[i]
		same := false
		for _, o := range v.Sealed {
			same = same || o.Place == s.Place && o.Purpose == s.Purpose && o.Message == s.Message && bytes.Equal(o.Sealed, sealed)
		}
		s.Sealed = sealed
		got, err := openVector(d, k, s)
		if same != (err == nil) || err != nil && (got != nil || !errors.Is(err, ErrSealed)) {
			t.Fatalf("%s: got %q, %v", s.Name, got, err)
		}
	})
}

// FuzzFrame: whatever is inside a seal, opening takes no more than it may and gives one message or none.
func FuzzFrame(f *testing.F) {
	f.Add(append(frameHead(markerStored, 5), "hello"...))
	f.Add(append(frameHead(markerStored, 5), "hello\x00\x00"...))
	f.Add(append(frameHead(markerDeflated, 5), 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00))
	f.Add(append(frameHead(markerDeflated, 5), 0xca, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x04, 0x00, 0x00, 0xff, 0xff))
	f.Add([]byte("\x01\x00\x00\x00\x05c0801\x0000")) // a whole stream with something behind
	f.Add(frameHead(markerDeflated, MaxMessage+1))
	f.Add([]byte{2})
	var s scratch
	f.Fuzz(func(t *testing.T, frame []byte) {
		message, ok := unframe(&s, frame)
		switch {
		case !ok && message != nil:
			t.Fatal("a refused frame gave bytes")
		case ok && (len(message) > MaxMessage || frame[0] > markerDeflated):
			t.Fatalf("marker %d gave %d bytes", frame[0], len(message))
		}
		if again, okAgain := unframe(&s, frame); ok != okAgain || !bytes.Equal(message, again) {
			t.Fatal("the same frame gave two answers")
		}
	})
}

// FuzzRef: a string that opens is the one string for its id.
func FuzzRef(f *testing.F) {
	v := readVectors(f)
	d, _ := openVectors(f, v)
	for _, r := range v.References {
		f.Add(r.Sector, r.Kind, r.Ref)
		f.Add(r.Sector, r.Kind, r.Ref+"\n")
		f.Add(r.Kind, r.Sector, r.Ref)
	}
	f.Fuzz(func(t *testing.T, sector, kind, ref string) {
		id, err := d.OpenRef(sector, kind, ref)
		switch {
		case err != nil && (id != nil || !errors.Is(err, ErrNotRef)):
			t.Fatalf("got %x, %v", id, err)
		case err == nil && d.Ref(sector, kind, id) != ref:
			t.Fatalf("%q is a second name of %x", ref, id)
		}
	})
}
