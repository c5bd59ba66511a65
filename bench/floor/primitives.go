package floor

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/daead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Lengths of what is the same in every operation.
const (
	longest      = 16 << 10 // bytes of text that can be signed or sealed
	placeLength  = 120      // associated data of a sealed value (docs/CRYPTO.md §3)
	columnLength = 220      // columns of a row under a MAC, in their encoding
	nameLength   = 90       // a name under the PRF, in its encoding
	idLength     = 16
)

var errVerdict = errors.New("a primitive gave a wrong answer")

// primitives are the bought parts, each built once, with the inputs they work on.
type primitives struct {
	key       *ecdsa.PrivateKey
	text      []byte // random; signed and sealed in the lengths that are asked for
	place     []byte
	aead      tink.AEAD
	mac       tink.MAC
	prf       *prf.Set
	reference tink.DeterministicAEAD
	schema    *jsonschema.Schema
	document  any
	payload   []byte
	deflated  []byte
	wrapped   []byte    // a keyset under the AEAD
	deflaters sync.Pool // *deflater
	inflaters sync.Pool // io.ReadCloser that is a flate.Resetter

	mu         sync.RWMutex // guards what follows: made when a length is first asked for
	signatures map[int][]byte
	sealed     map[int][]byte
}

type deflater struct {
	w   *flate.Writer
	out bytes.Buffer
}

func (p *primitives) make(s Spec) (err error) {
	p.text, p.place, p.payload = make([]byte, longest), make([]byte, placeLength), s.Payload
	_, _ = rand.Read(p.text) // never fails (crypto/rand)
	p.signatures, p.sealed = map[int][]byte{}, map[int][]byte{}
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	if err := p.makeTink(); err != nil {
		return err
	}
	if err := p.makeSchema(s); err != nil {
		return err
	}
	p.deflated, err = p.deflate()
	return err
}

func (p *primitives) makeTink() error {
	forAEAD, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	forMAC, err := keyset.NewHandle(mac.HMACSHA256Tag256KeyTemplate())
	if err != nil {
		return err
	}
	forPRF, err := keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return err
	}
	forReference, err := keyset.NewHandle(daead.AESSIVKeyTemplate())
	if err != nil {
		return err
	}
	if p.aead, err = aead.New(forAEAD); err != nil {
		return err
	}
	var wrapped bytes.Buffer
	if err := forAEAD.WriteWithAssociatedData(keyset.NewBinaryWriter(&wrapped), p.aead, p.place); err != nil {
		return err
	}
	p.wrapped = wrapped.Bytes()
	if p.mac, err = mac.New(forMAC); err != nil {
		return err
	}
	if p.prf, err = prf.NewPRFSet(forPRF); err != nil {
		return err
	}
	p.reference, err = daead.New(forReference)
	return err
}

func (p *primitives) makeSchema(s Spec) error {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.Schema))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("document.json", parsed); err != nil {
		return err
	}
	if p.schema, err = c.Compile("document.json"); err != nil {
		return err
	}
	return json.Unmarshal(s.Document, &p.document)
}

// do carries the cryptography of one run out.
func (p *primitives) do(w Work) error {
	for _, n := range w.Verify {
		if err := p.verify(n); err != nil {
			return err
		}
	}
	for _, n := range w.Open {
		if err := p.open(n); err != nil {
			return err
		}
	}
	for range w.Expand {
		if err := p.inflate(); err != nil {
			return err
		}
	}
	for range w.Schema {
		if err := p.schema.Validate(p.document); err != nil {
			return err
		}
	}
	for range w.Compress {
		if _, err := p.deflate(); err != nil {
			return err
		}
	}
	for _, n := range w.Seal {
		if _, err := p.aead.Encrypt(p.text[:n], p.place); err != nil {
			return err
		}
	}
	if err := p.keyed(w); err != nil {
		return err
	}
	for _, n := range w.Sign {
		if _, err := p.sign(n); err != nil {
			return err
		}
	}
	return nil
}

// keyed does the short keyed functions.
func (p *primitives) keyed(w Work) error {
	for range w.Unwrap {
		if err := p.unwrap(); err != nil {
			return err
		}
	}
	for range w.MAC {
		if _, err := p.mac.ComputeMAC(p.text[:columnLength]); err != nil {
			return err
		}
	}
	for range w.PRF {
		if _, err := p.prf.ComputePrimaryPRF(p.text[:nameLength], idLength); err != nil {
			return err
		}
	}
	for range w.Reference {
		if _, err := p.reference.EncryptDeterministically(p.text[:idLength], p.place); err != nil {
			return err
		}
	}
	return nil
}

// unwrap opens a keyset as that of a vault is opened. Keysets of PRFs cost the same.
func (p *primitives) unwrap() error {
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(p.wrapped)), p.aead, p.place)
	if err != nil {
		return err
	}
	_, err = aead.New(handle)
	return err
}

func (p *primitives) sign(n int) ([]byte, error) {
	sum := sha256.Sum256(p.text[:n])
	return ecdsa.SignASN1(rand.Reader, p.key, sum[:])
}

func (p *primitives) verify(n int) error {
	signature, err := p.once(p.signatures, n, p.sign)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(p.text[:n])
	if !ecdsa.VerifyASN1(&p.key.PublicKey, sum[:], signature) {
		return errVerdict
	}
	return nil
}

func (p *primitives) open(n int) error {
	sealed, err := p.once(p.sealed, n, func(n int) ([]byte, error) { return p.aead.Encrypt(p.text[:n], p.place) })
	if err != nil {
		return err
	}
	_, err = p.aead.Decrypt(sealed, p.place)
	return err
}

// once returns what is made for a length the first time it is asked for.
func (p *primitives) once(of map[int][]byte, n int, made func(int) ([]byte, error)) ([]byte, error) {
	p.mu.RLock()
	known, ok := of[n]
	p.mu.RUnlock()
	if ok {
		return known, nil
	}
	fresh, err := made(n)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	of[n] = fresh
	return fresh, nil
}

func (p *primitives) deflate() ([]byte, error) {
	d, ok := p.deflaters.Get().(*deflater)
	if !ok {
		d = new(deflater)
		var err error
		if d.w, err = flate.NewWriter(&d.out, flate.BestSpeed); err != nil {
			return nil, err
		}
	}
	defer p.deflaters.Put(d)
	d.out.Reset()
	d.w.Reset(&d.out)
	if _, err := d.w.Write(p.payload); err != nil {
		return nil, err
	}
	if err := d.w.Close(); err != nil {
		return nil, err
	}
	return bytes.Clone(d.out.Bytes()), nil
}

func (p *primitives) inflate() error {
	source := bytes.NewReader(p.deflated)
	r, ok := p.inflaters.Get().(io.ReadCloser)
	if !ok {
		r = flate.NewReader(source)
	} else if err := r.(flate.Resetter).Reset(source, nil); err != nil {
		return err
	}
	defer p.inflaters.Put(r)
	out := make([]byte, len(p.payload))
	if _, err := io.ReadFull(r, out); err != nil {
		return err
	}
	if !bytes.Equal(out[:16], p.payload[:16]) {
		return errVerdict
	}
	return nil
}
