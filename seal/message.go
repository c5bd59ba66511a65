package seal

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// MaxMessage is the largest message in bytes, before compression and after. It bounds what opening may allocate.
const MaxMessage = 512 << 10

// A message is framed inside the seal:
//
//	marker, 1 byte | length of the message, 4 bytes | body | zero bytes up to a multiple of 64
//
// Marker 0: the body is the message. Marker 1: the body is the message in DEFLATE (RFC 1951). Padding blurs the
// length, which would otherwise tell a short certificate from a long one; it does not hide it.
const (
	markerStored   = 0
	markerDeflated = 1
	frameHeader    = 5
	framePadding   = 64
	minDeflated    = 128 // below, DEFLATE costs 20 µs and saves nothing
)

// scratch lends the buffers of one call and takes them back; nothing keeps them longer, and none leaves the package.
// It belongs to a Deployment and is safe for concurrent use.
type scratch struct {
	ads       sync.Pool // *[]byte
	deflaters sync.Pool // *deflater
	inflaters sync.Pool // *inflater
}

type deflater struct {
	w     *flate.Writer
	frame bytes.Buffer
}

type inflater struct {
	r   io.ReadCloser // also a flate.Resetter
	src bytes.Reader
}

func (s *scratch) associated() *[]byte {
	if b, ok := s.ads.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 256)
	return &b
}

func (s *scratch) release(b *[]byte) { s.ads.Put(b) }

// deflater returns one of level 1: on papers of 2.5 KB it takes half the time of level 6 and 10 % more room.
func (s *scratch) deflater() (*deflater, error) {
	if d, ok := s.deflaters.Get().(*deflater); ok {
		d.frame.Reset()
		d.w.Reset(&d.frame)
		return d, nil
	}
	d := new(deflater)
	var err error
	d.w, err = flate.NewWriter(&d.frame, flate.BestSpeed)
	return d, err
}

// putDeflater keeps the writer unless its buffer grew beyond what the next message is likely to need.
func (s *scratch) putDeflater(d *deflater) {
	if d.frame.Cap() <= 64<<10 {
		s.deflaters.Put(d)
	}
}

func (s *scratch) inflater(body []byte) (*inflater, error) {
	i, ok := s.inflaters.Get().(*inflater)
	if !ok {
		i = new(inflater)
		i.r = flate.NewReader(&i.src)
	}
	i.src.Reset(body)
	return i, i.r.(flate.Resetter).Reset(&i.src, nil)
}

func (s *scratch) putInflater(i *inflater) {
	i.src.Reset(nil)
	s.inflaters.Put(i)
}

// sealMessage frames and seals.
func (s *sealer) sealMessage(d *Deployment, at Place, message []byte) ([]byte, error) {
	if len(message) > MaxMessage {
		return nil, fmt.Errorf("seal %s: %w", at, ErrTooLarge)
	}
	work, err := d.scratch.deflater()
	if err != nil { // only an unknown level
		return nil, fmt.Errorf("seal %s: %w", at, err)
	}
	defer d.scratch.putDeflater(work)
	frame := &work.frame
	frame.Write(frameHead(markerDeflated, len(message)))
	if len(message) >= minDeflated {
		_, _ = work.w.Write(message) // a bytes.Buffer takes everything
		_ = work.w.Close()
	}
	if len(message) < minDeflated || frame.Len() >= frameHeader+len(message) {
		frame.Reset()
		frame.Write(frameHead(markerStored, len(message)))
		frame.Write(message)
	}
	var zero [framePadding]byte
	frame.Write(zero[:(framePadding-frame.Len()%framePadding)%framePadding])
	return s.seal(d, at, formMessage, frame.Bytes())
}

func frameHead(marker byte, length int) []byte {
	return binary.BigEndian.AppendUint32([]byte{marker}, uint32(length))
}

// openMessage opens and unframes. A frame that announces more than MaxMessage is refused before anything is
// allocated, one that inflates to more or less than it announced right where that shows.
func (s *sealer) openMessage(d *Deployment, at Place, sealed []byte) ([]byte, error) {
	frame, err := s.open(d, at, formMessage, sealed)
	if err != nil {
		return nil, err
	}
	message, ok := unframe(&d.scratch, frame)
	if !ok {
		return nil, fmt.Errorf("open %s: %w", at, ErrSealed)
	}
	return message, nil
}

func unframe(s *scratch, frame []byte) ([]byte, bool) {
	if len(frame) < frameHeader {
		return nil, false
	}
	length, body := binary.BigEndian.Uint32(frame[1:frameHeader]), frame[frameHeader:]
	if length > MaxMessage {
		return nil, false
	}
	switch frame[0] {
	case markerStored:
		if int(length) > len(body) || !isPadding(body[length:]) {
			return nil, false
		}
		return body[:length:length], true
	case markerDeflated:
		return inflate(s, body, int(length))
	default:
		return nil, false
	}
}

func inflate(s *scratch, body []byte, length int) ([]byte, bool) {
	work, err := s.inflater(body)
	defer s.putInflater(work)
	if err != nil {
		return nil, false
	}
	message := make([]byte, length)
	if _, err := io.ReadFull(work.r, message); err != nil {
		return nil, false
	}
	var more [1]byte
	if n, err := work.r.Read(more[:]); n != 0 || err != io.EOF {
		return nil, false
	}
	// The source is a ByteReader, of which DEFLATE reads no byte too many: what is left is padding.
	if !isPadding(body[len(body)-work.src.Len():]) {
		return nil, false
	}
	return message, true
}

// isPadding reports whether b is padding: fewer than framePadding zero bytes.
func isPadding(b []byte) bool {
	if len(b) >= framePadding {
		return false
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
