package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"vidan/identity"
	"vidan/internal/keyring"
)

// vectors is testdata/vectors.json. Everything in it is derived from test keys and must open, or be refused, for as
// long as format 1 exists; docs/CRYPTO.md describes it for other implementations.
type vectors struct {
	KEK            json.RawMessage `json:"kek"` // the key file: epochs 1 and 2
	KEKCheck       blob            `json:"kek_check"`
	Deployment     uuid.UUID       `json:"deployment"`
	DeploymentKeys []keyVector     `json:"deployment_keys"`
	Vault          uuid.UUID       `json:"vault"`
	VaultKeys      []keyVector     `json:"vault_keys"`
	Sealed         []sealedVector  `json:"sealed"`
	Refused        []sealedVector  `json:"refused"`
	Digests        []digestVector  `json:"digests"`
	DocumentIDs    []nameVector    `json:"document_ids"`
	TypeTags       []nameVector    `json:"type_tags"`
	MACs           []macVector     `json:"macs"`
	References     []refVector     `json:"references"`
}

type blob []byte

func (b blob) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(b)), nil }

func (b *blob) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

type keyVector struct {
	Purpose  Purpose   `json:"purpose"`
	KeysetID uuid.UUID `json:"keyset_id"`
	Epoch    int32     `json:"epoch"`
	State    State     `json:"state"`
	Binding  blob      `json:"binding"` // associated data of the wrapping
	Wrapped  blob      `json:"wrapped"`
	Key      blob      `json:"key"` // what is inside
}

type placeVector struct {
	Table    string    `json:"table"`
	Column   string    `json:"column"`
	Vault    uuid.UUID `json:"vault"`
	Object   uuid.UUID `json:"object"`
	Revision int64     `json:"revision"`
	Chunk    uint32    `json:"chunk"`
	Last     bool      `json:"last"`
}

func (p placeVector) place() Place {
	return Place{Table: p.Table, Column: p.Column, Vault: identity.FromBytes[identity.VaultID](p.Vault), Object: p.Object,
		Revision: p.Revision, Chunk: p.Chunk, Last: p.Last}
}

type sealedVector struct {
	Name       string      `json:"name"`
	Purpose    Purpose     `json:"purpose"`
	Message    bool        `json:"message"`
	Place      placeVector `json:"place"`
	Associated blob        `json:"associated_data,omitempty"`
	Plaintext  string      `json:"plaintext"`
	Sealed     blob        `json:"sealed"`
}

type digestVector struct {
	Kind  IdentifierKind `json:"kind"`
	Parts []string       `json:"parts"`
	Input blob           `json:"input"`
	KeyID int32          `json:"key_id"`
	Sum   blob           `json:"sum"`
}

type nameVector struct {
	Parts []string `json:"parts"`
	Input blob     `json:"input"`
	Out   blob     `json:"out"`
}

type macVector struct {
	Table string `json:"table"`
	Input blob   `json:"input"`
	MAC   blob   `json:"mac"`
}

type refVector struct {
	Sector     string `json:"sector"`
	Kind       string `json:"kind"`
	ID         blob   `json:"id"`
	Associated blob   `json:"associated_data"`
	Ref        string `json:"ref"`
}

// macColumns has a column of every type; docs/CRYPTO.md lists them beside the vector.
func macColumns() *Columns {
	return new(Columns).UUID(uuid.MustParse("0f0e0d0c-0b0a-4908-8706-050403020100")).Text("Mẫu giáo Hoa Mai").Text("").Null().
		Bytes([]byte{0, 0xff}).Int(-2).Bool(true).Time(time.Date(2026, 11, 22, 1, 2, 3, 4000, time.UTC)).
		Texts([]string{"birth_certificate", "*"}).UUIDs([][16]byte{{1}, {2}}).Ints([]int64{1, 2})
}

func readVectors(tb testing.TB) vectors {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "vectors.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var v vectors
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		tb.Fatal(err)
	}
	return v
}

// openVectors opens the deployment and the vault of the vectors, from the key file up.
func openVectors(tb testing.TB, v vectors) (*Deployment, *Keys) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "kek.json")
	if err := os.WriteFile(path, v.KEK, 0o600); err != nil {
		tb.Fatal(err)
	}
	kek, err := keyring.Open(tb.Context(), "file:"+path)
	if err != nil {
		tb.Fatal(err)
	}
	if err := keyring.Check(tb.Context(), kek, v.Deployment, v.KEKCheck); err != nil {
		tb.Fatal(err)
	}
	var own []DeploymentKey
	for _, k := range v.DeploymentKeys {
		own = append(own, DeploymentKey{Purpose: k.Purpose, KeysetID: k.KeysetID, Epoch: k.Epoch, State: k.State, Wrapped: k.Wrapped})
	}
	d, err := OpenDeployment(tb.Context(), kek, v.Deployment, own)
	if err != nil {
		tb.Fatal(err)
	}
	vault := identity.FromBytes[identity.VaultID](v.Vault)
	var rows []WrappedKey
	for _, k := range v.VaultKeys {
		rows = append(rows, WrappedKey{Vault: vault, Purpose: k.Purpose, KeysetID: k.KeysetID, Epoch: k.Epoch, State: k.State, Wrapped: k.Wrapped})
	}
	keys, err := d.OpenVault(tb.Context(), vault, rows)
	if err != nil {
		tb.Fatal(err)
	}
	return d, keys
}

func openVector(d *Deployment, k *Keys, v sealedVector) ([]byte, error) {
	at := v.Place.place()
	inVault := v.Purpose == Content || v.Purpose == Record
	switch {
	case inVault && v.Message:
		return k.OpenMessage(v.Purpose, at, v.Sealed)
	case inVault:
		return k.Open(v.Purpose, at, v.Sealed)
	case v.Message:
		return d.OpenMessage(v.Purpose, at, v.Sealed)
	default:
		return d.Open(v.Purpose, at, v.Sealed)
	}
}

func TestVectorsOpen(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	d, k := openVectors(t, v)
	for _, s := range v.Sealed {
		if got, err := openVector(d, k, s); err != nil || string(got) != s.Plaintext {
			t.Errorf("%s: got %q, %v", s.Name, got, err)
		}
		f := formPlain
		if s.Message {
			f = formMessage
		}
		if got := s.Place.place().appendTo(nil, v.Deployment, f); !bytes.Equal(got, s.Associated) {
			t.Errorf("%s: associated data %x, want %x", s.Name, got, s.Associated)
		}
	}
	for _, s := range v.Refused {
		if got, err := openVector(d, k, s); !errors.Is(err, ErrSealed) || got != nil {
			t.Errorf("%s: got %q, %v, want ErrSealed", s.Name, got, err)
		}
	}
	if len(v.Sealed) < 6 || len(v.Refused) < 12 {
		t.Errorf("%d sealed, %d refused", len(v.Sealed), len(v.Refused))
	}
}

func TestVectorsCompute(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	d, k := openVectors(t, v)
	for _, g := range v.Digests {
		if got := d.Digest(g.Kind, g.Parts...); got.KeyID != g.KeyID || !bytes.Equal(got.Sum[:], g.Sum) {
			t.Errorf("digest of %s %v: key %d, %x", g.Kind, g.Parts, got.KeyID, got.Sum)
		}
	}
	for _, n := range v.DocumentIDs {
		if got := d.DocumentID(n.Parts[0], n.Parts[1], n.Parts[2]).Bytes(); !bytes.Equal(got[:], n.Out) {
			t.Errorf("document id of %v: %x", n.Parts, got)
		}
	}
	for _, n := range v.TypeTags {
		if got := k.TypeTag(n.Parts[0]); !bytes.Equal(got[:], n.Out) {
			t.Errorf("type tag of %v: %x", n.Parts, got)
		}
	}
	for _, m := range v.MACs {
		if err := d.VerifyMAC(m.Table, macColumns(), m.MAC); err != nil || !bytes.Equal(d.MAC(m.Table, macColumns()), m.MAC) {
			t.Errorf("MAC of %s: %v", m.Table, err)
		}
		if got := d.macInput(m.Table, macColumns()); !bytes.Equal(got, m.Input) {
			t.Errorf("MAC input of %s: %x", m.Table, got)
		}
	}
	for _, r := range v.References {
		if got := d.Ref(r.Sector, r.Kind, r.ID); got != r.Ref {
			t.Errorf("reference %s %s: %s", r.Sector, r.Kind, got)
		}
		if got, err := d.OpenRef(r.Sector, r.Kind, r.Ref); err != nil || !bytes.Equal(got, r.ID) {
			t.Errorf("reference %s %s opens to %x, %v", r.Sector, r.Kind, got, err)
		}
	}
}

// The vectors again with the standard library alone, as the document describes the formats: what is written there is
// enough to open a vault without this package and without Tink.
func TestVectorsByTheDocumentAlone(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	keys := map[Purpose][]byte{}
	for _, k := range append(v.DeploymentKeys, v.VaultKeys...) {
		if k.State == Active {
			keys[k.Purpose] = k.Key
		}
	}
	retired := map[Purpose][]byte{}
	for _, k := range v.VaultKeys {
		if k.State == Retired {
			retired[k.Purpose] = k.Key
		}
	}
	for _, s := range v.Sealed {
		plain, err := gcm(t, keys[s.Purpose]).Open(nil, s.Sealed[5:17], s.Sealed[17:], s.Associated)
		if err != nil {
			plain, err = gcm(t, retired[s.Purpose]).Open(nil, s.Sealed[5:17], s.Sealed[17:], s.Associated)
		}
		if err != nil || s.Sealed[0] != 1 {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		if s.Message {
			length := binary.BigEndian.Uint32(plain[1:5])
			if plain[0] == 1 {
				plain, err = io.ReadAll(flateReader(plain[5:]))
			} else {
				plain = plain[5 : 5+length]
			}
		}
		if err != nil || string(plain) != s.Plaintext {
			t.Errorf("%s: got %q, %v", s.Name, plain, err)
		}
		if got := documented(v, s); !bytes.Equal(got, s.Associated) {
			t.Errorf("%s: associated data %x, want %x", s.Name, got, s.Associated)
		}
	}
	for _, g := range v.Digests {
		parts := append([]string{"identifier", string(v.Deployment[:]), string(g.Kind)}, g.Parts...)
		if input := lengthPrefixed(parts...); !bytes.Equal(input, g.Input) || !bytes.Equal(hmacSHA256(keys[Identifier], input), g.Sum) {
			t.Errorf("digest of %v", g.Parts)
		}
	}
	for _, n := range v.TypeTags {
		if input := lengthPrefixed("type-tag", n.Parts[0]); !bytes.Equal(input, n.Input) || !bytes.Equal(hmacSHA256(keys[Tag], input)[:16], n.Out) {
			t.Errorf("type tag of %v", n.Parts)
		}
	}
	for _, n := range v.DocumentIDs {
		input := lengthPrefixed("document-id", string(v.Deployment[:]), n.Parts[0], n.Parts[1], n.Parts[2])
		out := hmacSHA256(keys[DocumentNaming], input)[:16]
		out[6], out[8] = out[6]&0x0f|0x80, out[8]&0x3f|0x80
		if !bytes.Equal(input, n.Input) || !bytes.Equal(out, n.Out) {
			t.Errorf("document id of %v", n.Parts)
		}
	}
	for _, m := range v.MACs {
		if !bytes.Equal(hmacSHA256(keys[RowMAC], m.Input), m.MAC[5:]) {
			t.Errorf("MAC of %s", m.Table)
		}
	}
	var file struct {
		Key []struct{ KeyData struct{ Value []byte } }
	}
	if err := json.Unmarshal(v.KEK, &file); err != nil {
		t.Fatal(err)
	}
	kek := func(epoch int32) cipher.AEAD { // the key is the last field of its protobuf message
		value := file.Key[epoch-1].KeyData.Value
		return gcm(t, value[len(value)-32:])
	}
	for _, k := range append(v.DeploymentKeys, v.VaultKeys...) {
		tink := k.Wrapped[3:] // the header of field 2 of EncryptedKeyset: a tag and a length of two bytes
		if binary.BigEndian.Uint32(tink[1:5]) != uint32(k.Epoch) {
			t.Errorf("%s is wrapped under epoch %x", k.Purpose, tink[1:5])
		}
		keyset, err := kek(k.Epoch).Open(nil, tink[5:17], tink[17:], k.Binding)
		if err != nil || !bytes.Contains(keyset, k.Key) {
			t.Errorf("keyset of %s: %v", k.Purpose, err)
		}
	}
	epoch := binary.BigEndian.Uint32(v.KEKCheck[1:5])
	check := lengthPrefixed("kek-check", string(v.Deployment[:]), string(v.KEKCheck[1:5]))
	if known, err := kek(int32(epoch)).Open(nil, v.KEKCheck[10:22], v.KEKCheck[22:], check); err != nil || string(known) != "vidan key check 1" {
		t.Errorf("key check: %q, %v", known, err)
	}
	for _, k := range v.DeploymentKeys {
		want := lengthPrefixed(string(v.Deployment[:]), "deployment-key", string(k.Purpose), string(k.KeysetID[:]),
			string(binary.BigEndian.AppendUint32(nil, uint32(k.Epoch))))
		if !bytes.Equal(k.Binding, want) {
			t.Errorf("binding of %s: %x, want %x", k.Purpose, k.Binding, want)
		}
	}
	for _, k := range v.VaultKeys {
		want := lengthPrefixed(string(v.Deployment[:]), "vault-key", string(v.Vault[:]), string(k.Purpose), string(k.KeysetID[:]),
			string(binary.BigEndian.AppendUint32(nil, uint32(k.Epoch))))
		if !bytes.Equal(k.Binding, want) {
			t.Errorf("binding of %s: %x, want %x", k.Purpose, k.Binding, want)
		}
	}
}

// documented is the associated data as docs/CRYPTO.md writes it down.
func documented(v vectors, s sealedVector) []byte {
	form, last := "\x00", "\x00"
	if s.Message {
		form = "\x01"
	}
	if s.Place.Last {
		last = "\x01"
	}
	return lengthPrefixed("\x01", string(v.Deployment[:]), s.Place.Table, s.Place.Column, string(s.Place.Vault[:]), string(s.Place.Object[:]),
		string(binary.BigEndian.AppendUint64(nil, uint64(s.Place.Revision))), form,
		string(binary.BigEndian.AppendUint32(nil, s.Place.Chunk)), last)
}

func lengthPrefixed(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
	}
	return b
}

func hmacSHA256(key, input []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(input)
	return h.Sum(nil)
}

func gcm(t *testing.T, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}
