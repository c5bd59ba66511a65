package seal

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/daead/aessiv"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/key"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac/hmac"
	"github.com/tink-crypto/tink-go/v2/prf/hmacprf"
	"github.com/tink-crypto/tink-go/v2/secretdata"

	"vidan/identity"
	"vidan/internal/keyring"
)

// makeVectors writes testdata/vectors.json anew. It was used once per format; the tests only read.
var makeVectors = flag.Bool("make-vectors", false, "write testdata/vectors.json anew")

// testKey is SHA-256 of a name, and for AES-SIV of two: never used outside the vectors.
func testKey(name string, size int) []byte {
	first := sha256.Sum256([]byte("vidan test vector: " + name))
	second := sha256.Sum256([]byte("vidan test vector, second half: " + name))
	return append(first[:], second[:]...)[:size]
}

func testKeyset(t *testing.T, p Purpose, name string) (*keyset.Handle, []byte) {
	t.Helper()
	size := 32
	if p == Reference {
		size = 64
	}
	material := testKey(name, size)
	secret := secretdata.NewBytesFromData(material, insecuresecretdataaccess.Token{})
	id := uint32(material[0])<<8 | 0x01000000
	var k key.Key
	var err error
	switch p {
	case Content, Record, Waiting, Signing:
		params, perr := aesgcm.NewParameters(aesgcm.ParametersOpts{KeySizeInBytes: 32, IVSizeInBytes: 12, TagSizeInBytes: 16, Variant: aesgcm.VariantTink})
		if perr != nil {
			t.Fatal(perr)
		}
		k, err = aesgcm.NewKey(secret, id, params)
	case RowMAC:
		params, perr := hmac.NewParameters(hmac.ParametersOpts{KeySizeInBytes: 32, TagSizeInBytes: 32, HashType: hmac.SHA256, Variant: hmac.VariantTink})
		if perr != nil {
			t.Fatal(perr)
		}
		k, err = hmac.NewKey(secret, params, id)
	case Reference:
		params, perr := aessiv.NewParameters(64, aessiv.VariantNoPrefix)
		if perr != nil {
			t.Fatal(perr)
		}
		k, err = aessiv.NewKey(secret, 0, params)
	default:
		params, perr := hmacprf.NewParameters(32, hmacprf.SHA256)
		if perr != nil {
			t.Fatal(perr)
		}
		k, err = hmacprf.NewKey(secret, params)
	}
	if err != nil {
		t.Fatal(err)
	}
	for { // the id of a key without a prefix is drawn; digests store it as a positive int32
		manager := keyset.NewManager()
		keyID, err := manager.AddKey(k)
		if err != nil {
			t.Fatal(err)
		}
		if keyID > 1<<31-1 {
			continue
		}
		if err := manager.SetPrimary(keyID); err != nil {
			t.Fatal(err)
		}
		handle, err := manager.Handle()
		if err != nil {
			t.Fatal(err)
		}
		return handle, material
	}
}

func TestMakeVectors(t *testing.T) {
	if !*makeVectors {
		return
	}
	v := vectors{Deployment: uuid.MustParse("00000000-0000-4000-8000-0000000000de"), Vault: uuid.MustParse("00000000-0000-4000-8000-000000000a01")}
	path := filepath.Join(t.TempDir(), "kek.json")
	if err := keyring.Create(t.Context(), "file:"+path); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.AddEpoch(t.Context(), "file:"+path); err != nil {
		t.Fatal(err)
	}
	v.KEK = read(t, path)
	kek, err := keyring.Open(t.Context(), "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if v.KEKCheck, err = keyring.NewCheck(t.Context(), kek, v.Deployment); err != nil {
		t.Fatal(err)
	}
	d := &Deployment{id: v.Deployment, kek: kek}
	vault := identity.FromBytes[identity.VaultID](v.Vault)
	add := func(p Purpose, name string, epoch int32, state State, binding func(stored) []byte) keyVector {
		handle, material := testKeyset(t, p, name)
		id := testKey("keyset id of "+name, 16)
		row := stored{purpose: p, id: uuid.Must(uuid.FromBytes(id)), epoch: epoch, state: state}
		wrapped, err := wrap(t.Context(), kek, epoch, handle, binding(row))
		if err != nil {
			t.Fatal(err)
		}
		return keyVector{Purpose: p, KeysetID: row.id, Epoch: epoch, State: state, Binding: binding(row), Wrapped: wrapped, Key: material}
	}
	for _, p := range deploymentPurposes() {
		v.DeploymentKeys = append(v.DeploymentKeys, add(p, string(p), 2, Active, d.binding))
	}
	for _, p := range vaultPurposes() {
		v.VaultKeys = append(v.VaultKeys, add(p, string(p), 2, Active, d.vaultBinding(vault)))
	}
	v.VaultKeys = append(v.VaultKeys, add(Content, "content, retired", 1, Retired, d.vaultBinding(vault)))
	d, k := openVectors(t, v)
	fillSealed(t, &v, d, k)
	fillComputed(&v, d, k)
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", "vectors.json"), append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func fillSealed(t *testing.T, v *vectors, d *Deployment, k *Keys) {
	t.Helper()
	object := uuid.MustParse("11111111-2222-8333-8444-555555555555")
	message := strings.Repeat(`{"document_type":"birth_certificate","full_name":"TRẦN MINH AN"}`, 6)
	retired := &Keys{d: d, vault: k.vault, content: &sealer{active: k.content.others[0]}}
	add := func(name string, p Purpose, k *Keys, isMessage bool, at placeVector, plaintext string) {
		var sealed []byte
		var err error
		inVault, f := p == Content || p == Record, formPlain
		switch {
		case inVault && isMessage:
			sealed, err = k.SealMessage(p, at.place(), []byte(plaintext))
		case inVault:
			sealed, err = k.Seal(p, at.place(), []byte(plaintext))
		case isMessage:
			sealed, err = d.SealMessage(p, at.place(), []byte(plaintext))
		default:
			sealed, err = d.Seal(p, at.place(), []byte(plaintext))
		}
		if err != nil {
			t.Fatal(err)
		}
		if isMessage {
			f = formMessage
		}
		v.Sealed = append(v.Sealed, sealedVector{Name: name, Purpose: p, Message: isMessage, Place: at,
			Associated: at.place().appendTo(nil, v.Deployment, f), Plaintext: plaintext, Sealed: sealed})
	}
	header := placeVector{Table: "documents", Column: "sealed_header", Vault: v.Vault, Object: object}
	add("header of a document", Content, k, false, header, `{"title":"Giấy khai sinh"}`)
	add("nothing", Content, k, false, header, "")
	add("by a retired keyset", Content, retired, false, header, "sealed before the rotation")
	add("revision, deflated", Content, k, true, placeVector{Table: "document_revisions", Column: "sealed", Vault: v.Vault, Object: object, Revision: 2}, message)
	add("revision, stored", Content, k, true, placeVector{Table: "document_revisions", Column: "sealed", Vault: v.Vault, Object: object, Revision: 3}, "short")
	add("last chunk", Content, k, false, placeVector{Table: "attachments", Column: "sealed", Vault: v.Vault, Object: object, Revision: 1, Chunk: 4, Last: true}, "end of a file")
	add("entry of the record", Record, k, false, placeVector{Table: "access_log", Column: "sealed", Vault: v.Vault, Object: object}, `{"kind":"document_read"}`)
	add("in the waiting room", Waiting, k, true, placeVector{Table: "waiting_results", Column: "sealed", Object: object}, message)
	add("private key", Signing, k, false, placeVector{Table: "signing_keys", Column: "sealed", Object: ObjectName("receipt-1")}, `{"kty":"EC"}`)

	refuse := func(name string, i int, change func(*sealedVector)) {
		s := v.Sealed[i]
		s.Name, s.Associated, s.Plaintext = name, nil, ""
		s.Sealed = bytes.Clone(s.Sealed)
		change(&s)
		v.Refused = append(v.Refused, s)
	}
	refuse("another table", 0, func(s *sealedVector) { s.Place.Table = "holdings" })
	refuse("another column", 0, func(s *sealedVector) { s.Place.Column = "sealed" })
	refuse("table and column shifted", 0, func(s *sealedVector) { s.Place.Table, s.Place.Column = "documentss", "ealed_header" })
	refuse("another vault", 0, func(s *sealedVector) { s.Place.Vault[15]++ })
	refuse("another object", 0, func(s *sealedVector) { s.Place.Object[0]++ })
	refuse("another revision", 3, func(s *sealedVector) { s.Place.Revision++ })
	refuse("another chunk", 5, func(s *sealedVector) { s.Place.Chunk-- })
	refuse("not the last chunk", 5, func(s *sealedVector) { s.Place.Last = false })
	refuse("another purpose", 0, func(s *sealedVector) { s.Purpose = Record })
	refuse("a message as a plain value", 3, func(s *sealedVector) { s.Message = false })
	refuse("a plain value as a message", 0, func(s *sealedVector) { s.Message = true })
	refuse("format 2", 0, func(s *sealedVector) { s.Sealed[0] = 2 })
	refuse("another key id", 0, func(s *sealedVector) { s.Sealed[1]++ })
	refuse("nonce flipped", 0, func(s *sealedVector) { s.Sealed[5] ^= 1 })
	refuse("ciphertext flipped", 0, func(s *sealedVector) { s.Sealed[17] ^= 1 })
	refuse("tag flipped", 0, func(s *sealedVector) { s.Sealed[len(s.Sealed)-1] ^= 1 })
	refuse("tag cut", 0, func(s *sealedVector) { s.Sealed = s.Sealed[:len(s.Sealed)-1] })
	refuse("empty", 0, func(s *sealedVector) { s.Sealed = blob{} })
	bomb := append(frameHead(markerDeflated, 64), deflated(t, make([]byte, MaxMessage))...)
	refuse("a frame that inflates to more than it says", 3, func(s *sealedVector) {
		var err error
		if s.Sealed, err = k.content.seal(d, s.Place.place(), formMessage, bomb); err != nil {
			t.Fatal(err)
		}
	})
	refuse("a frame above the bound", 3, func(s *sealedVector) {
		var err error
		if s.Sealed, err = k.content.seal(d, s.Place.place(), formMessage, frameHead(markerDeflated, MaxMessage+1)); err != nil {
			t.Fatal(err)
		}
	})
}

func fillComputed(v *vectors, d *Deployment, k *Keys) {
	for _, g := range []digestVector{
		{Kind: PersonalNumber, Parts: []string{"099326000004"}},
		{Kind: BirthNotice, Parts: []string{"099326000004"}},
		{Kind: Registration, Parts: []string{"ubnd-thanh-dong", "KS/2026", "123"}},
		{Kind: Paper, Parts: []string{"ubnd-thanh-dong", "birth_certificate", "123/2026"}},
		{Kind: Paper, Parts: []string{"ubnd-thanh-dongb", "irth_certificate", "123/2026"}},
		{Kind: Contact, Parts: []string{""}},
	} {
		got := d.Digest(g.Kind, g.Parts...)
		g.Input, g.KeyID, g.Sum = digestInput(d.id, g.Kind, g.Parts), got.KeyID, got.Sum[:]
		v.Digests = append(v.Digests, g)
	}
	for _, parts := range [][]string{{"ubnd-thanh-dong", "birth_certificate", "123/2026"}, {"ubnd-thành-đông", "", "Số 1"}} {
		out := d.DocumentID(parts[0], parts[1], parts[2]).Bytes()
		input := lengthPrefixed("document-id", string(d.id[:]), parts[0], parts[1], parts[2])
		v.DocumentIDs = append(v.DocumentIDs, nameVector{Parts: parts, Input: input, Out: out[:]})
	}
	for _, documentType := range []string{"birth_certificate", "criminal_record_certificate"} {
		out := k.TypeTag(documentType)
		v.TypeTags = append(v.TypeTags, nameVector{Parts: []string{documentType}, Input: lengthPrefixed("type-tag", documentType), Out: out[:]})
	}
	v.MACs = []macVector{{Table: "grants", Input: d.macInput("grants", macColumns()), MAC: d.MAC("grants", macColumns())}}
	id, _ := hex.DecodeString("111111112222833384445555555555ff")
	for _, r := range []refVector{
		{Sector: "app", Kind: "document", ID: id}, {Sector: "mam-non-hoa-mai", Kind: "document", ID: id},
		{Sector: "app", Kind: "request", ID: id}, {Sector: "api", Kind: "session", ID: bytes.Repeat(id, 2)}, {Sector: "", Kind: "", ID: blob{0}},
	} {
		r.Associated, r.Ref = d.refData(r.Sector, r.Kind), d.Ref(r.Sector, r.Kind, r.ID)
		v.References = append(v.References, r)
	}
}

func flateReader(b []byte) io.Reader { return flate.NewReader(bytes.NewReader(b)) }

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
