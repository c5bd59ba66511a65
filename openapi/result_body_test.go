package openapi

import "testing"

// FuzzResultBody: what the plain reading takes, the other reads the same.
func FuzzResultBody(f *testing.F) {
	for _, seed := range []string{
		`{"result":"e30.e30.c2ln"}`, " {\n \"result\" : \"e30.e30.c2ln\"\t}\r\n", `{"result":"e30\u002ee30.c2ln"}`, `{"result":"a"}{}`, `{"result":""}`,
		`{"Result":"a"}`, `{"result":"a","result":"b"}`, `{"result":"a","more":1}`, `{"result":"a`, `{"result":"a"`, `{"result" "a"}`, `[]`, ``,
		"{\"result\":\"a\nb\"}", "{\"result\":\"a\xffb\"}", "{\"result\":\"a\"}\v",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		plain, ok := plainResult(raw)
		if !ok {
			return
		}
		if other, ok := anyResult(raw); !ok || other != plain {
			t.Errorf("%q: %q, read otherwise %q, %t", raw, plain, other, ok)
		}
	})
}

func BenchmarkResultBody(b *testing.B) {
	raw := append([]byte(`{"result":"`), make([]byte, 3500)...)
	for i := len(raw) - 3500; i < len(raw); i++ {
		raw[i] = 'e'
	}
	raw = append(raw, `"}`...)
	for name, read := range map[string]func([]byte) (string, bool){"plain": plainResult, "any": anyResult} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := read(raw); !ok {
					b.Fatal("refused")
				}
			}
		})
	}
}
