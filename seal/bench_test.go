package seal

import (
	"bytes"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"

	"vidan/identity"
)

// Run with: go test ./seal -run '^$' -bench . -benchmem

func benchHeader() []byte { return bytes.Repeat([]byte("x"), 200) }

// benchMessage is like a signed result of 2 KB: a header, JSON about several people, a signature.
func benchMessage() []byte {
	const header = `{"alg":"ES256","kid":"ubnd-thanh-dong-1","typ":"vidan-result+jwt"}`
	const payload = `{"result_id":"019350b2-7c1e-7d59-9f0e-1b6ad1d0c001","document_ref":"123/2026","revision":1,"state":"issued",` +
		`"issued_at":"2026-09-30T09:12:44+07:00","document_type":"birth_certificate","procedure":"1.001193","dossier_code":"H24.99-260930-0001",` +
		`"subject":{"personal_number":"099326000004"},"issued_by":{"organisation":"ubnd-thanh-dong","unit":"tu-phap-ho-tich","officer":"cb-0417"},` +
		`"attachments":[],"document":{"synthetic":true,"full_name":"TRẦN MINH AN","birth_date":"2026-09-28",` +
		`"birth_date_in_words":"Ngày hai mươi tám tháng chín năm hai nghìn không trăm hai mươi sáu","sex":"female","ethnicity":"Kinh",` +
		`"nationality":"Việt Nam","place_of_birth":{"text":"Bệnh viện Mẫu, phường Thành Đông, thành phố Hải Phòng"},` +
		`"hometown":{"unit_system":"from_2025_07_01","province_code":"31","province":"Thành phố Hải Phòng","commune_code":"11086","commune":"Xã Đại Sơn"},` +
		`"mother":{"full_name":"NGUYỄN THỊ DỤ","personal_number":"099193000003","birth_year":"1993","ethnicity":"Kinh","nationality":"Việt Nam",` +
		`"residence":{"province_code":"31","province":"Thành phố Hải Phòng","commune_code":"11086","commune":"Xã Đại Sơn","street":"Thôn Mẫu"}},` +
		`"father":{"full_name":"TRẦN VĂN THÍ","personal_number":"099090000002","birth_year":"1990","ethnicity":"Kinh","nationality":"Việt Nam",` +
		`"residence":{"province_code":"31","province":"Thành phố Hải Phòng","commune_code":"11086","commune":"Xã Đại Sơn","street":"Thôn Mẫu"}},` +
		`"declarant":{"full_name":"TRẦN VĂN THÍ","relation":"father","id_document":{"kind":"citizen_identity_card","number":"099090000002",` +
		`"issued_on":"2021-05-11","issued_by":"Cục Cảnh sát quản lý hành chính về trật tự xã hội"}},` +
		`"register":{"number":"123","book":"KS/2026","registered_on":"2026-09-30","place":"Ủy ban nhân dân phường Thành Đông"}}}`
	return append([]byte(header+payload), testKey("a signature", 64)...)
}

func BenchmarkSealHeader(b *testing.B) {
	k, at := openKeys(b)
	header := benchHeader()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Seal(Content, at, header); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenHeader(b *testing.B) {
	k, at := openKeys(b)
	sealed, err := k.Seal(Content, at, benchHeader())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Open(Content, at, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealMessage(b *testing.B) {
	k, at := openKeys(b)
	message := benchMessage()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.SealMessage(Content, at, message); err != nil {
			b.Fatal(err)
		}
	}
	sealed, err := k.SealMessage(Content, at, message)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(message)), "message-bytes")
	b.ReportMetric(float64(len(sealed)), "sealed-bytes")
}

func BenchmarkOpenMessage(b *testing.B) {
	k, at := openKeys(b)
	sealed, err := k.SealMessage(Content, at, benchMessage())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.OpenMessage(Content, at, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTypeTag(b *testing.B) {
	k, _ := openKeys(b)
	b.ReportAllocs()
	for b.Loop() {
		k.TypeTag("birth_certificate")
	}
}

func BenchmarkDigest(b *testing.B) {
	k, _ := openKeys(b)
	b.ReportAllocs()
	for b.Loop() {
		k.d.Digest(PersonalNumber, "099326000004")
	}
}

func BenchmarkDocumentID(b *testing.B) {
	k, _ := openKeys(b)
	b.ReportAllocs()
	for b.Loop() {
		k.d.DocumentID("ubnd-thanh-dong", "birth_certificate", "123/2026")
	}
}

func BenchmarkMAC(b *testing.B) {
	k, _ := openKeys(b)
	mac := k.d.MAC("grants", macColumns())
	b.Run("compute", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.d.MAC("grants", macColumns())
		}
	})
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := k.d.VerifyMAC("grants", macColumns(), mac); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRef(b *testing.B) {
	k, at := openKeys(b)
	ref := k.d.Ref("app", "document", at.Object[:])
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.d.Ref("app", "document", at.Object[:])
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.d.OpenRef("app", "document", ref); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkNewVault(b *testing.B) {
	k, _ := openKeys(b)
	v := identity.NewVaultID()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := k.d.NewVault(b.Context(), v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenVault(b *testing.B) {
	k, _ := openKeys(b)
	v := identity.NewVaultID()
	_, rows, err := k.d.NewVault(b.Context(), v)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.d.OpenVault(b.Context(), v, rows); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEnvelope is the alternative that docs/CRYPTO.md decides against: a data key per value, wrapped by the KEK.
func BenchmarkEnvelope(b *testing.B) {
	k, at := openKeys(b)
	envelope, err := aead.NewKMSEnvelopeAEADWithContext(aead.AES256GCMKeyTemplate(), &bound{kek: k.d.kek, epoch: 1})
	if err != nil {
		b.Fatal(err)
	}
	header, ad := benchHeader(), at.appendTo(nil, k.d.id, formPlain)
	sealed, err := envelope.EncryptWithContext(b.Context(), header, ad)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := envelope.EncryptWithContext(b.Context(), header, ad); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(sealed)-len(header)), "overhead-bytes")
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := envelope.DecryptWithContext(b.Context(), sealed, ad); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCacheHit(b *testing.B) {
	k, _ := openKeys(b)
	vaults, err := NewVaults(k.d, CacheConfig{}, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	defer vaults.Close()
	entry := &cached{keys: k}
	entry.renewAt.Store(1 << 62)
	vaults.cache.Set(k.vault, entry)
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := vaults.OpenOne(b.Context(), nil, k.vault); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("map", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := vaults.Open(b.Context(), nil, k.vault); err != nil {
				b.Fatal(err)
			}
		}
	})
}
