package openapi

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"pgregory.net/rapid"
)

// TestRenderedIsWhatEncodingJSONWrites holds the answers that render themselves to their wire types: a member that is added to a type and not to its
// rendering, or written otherwise, shows here; one that may be left out, once the generators below set it.
func TestRenderedIsWhatEncodingJSONWrites(t *testing.T) {
	t.Parallel()
	same := func(t *rapid.T, v any) {
		var want, got bytes.Buffer
		if err := huma.DefaultJSONFormat.Marshal(&want, v); err != nil {
			t.Fatal(err)
		}
		if _, ok := v.(rendered); !ok {
			t.Fatalf("%T does not render itself", v)
		}
		if err := jsonFormat().Marshal(&got, v); err != nil || got.String() != want.String() {
			t.Fatalf("%v\n%s\nwant\n%s", err, got.String(), want.String())
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		same(t, paperOf().Draw(t, "paper"))
		same(t, new(paperOf().Draw(t, "paper")))
		same(t, formOf().Draw(t, "form"))
	})
}

// texts are of every kind that has to be escaped, or must not be.
func texts() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("Nguyễn <&>\"\\/\u2028\u2029\ufffd“”\x7f\n\x00"))),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) string { return string(b) }))
}

func raws() *rapid.Generator[json.RawMessage] {
	return rapid.Map(rapid.SampledFrom([]string{`"Lê <b>"`, `{"a":[1,2.50,null,true]}`, `[]`, `12`, `"\u2028"`, `null`}),
		func(s string) json.RawMessage { return json.RawMessage(s) })
}

func moments() *rapid.Generator[time.Time] {
	return rapid.Map(rapid.Int64Range(-4e15, 4e15), func(us int64) time.Time { return time.UnixMicro(us).UTC() })
}

func orNil[T any](g *rapid.Generator[T]) *rapid.Generator[*T] { return rapid.Ptr(g, true) }

func sliceOf[T any](g *rapid.Generator[T]) *rapid.Generator[[]T] {
	return rapid.OneOf(rapid.Just([]T(nil)), rapid.SliceOfN(g, 0, 3))
}

func paperOf() *rapid.Generator[Paper] {
	return rapid.Custom(func(t *rapid.T) Paper {
		s, at := func() string { return texts().Draw(t, "text") }, func() time.Time { return moments().Draw(t, "moment") }
		yes, n := func() bool { return rapid.Bool().Draw(t, "bool") }, rapid.Int().Draw(t, "number")
		p := Paper{Message: s(), PaperItem: PaperItem{
			ID: s(), Type: s(), Title: s(), Issuer: s(), IssuerID: s(), Ref: s(), Person: s(), Role: s(), Revision: n, State: s(), Revoked: yes(),
			Origin: s(), IssuedAt: at(), ReceivedAt: at(), ValidFrom: s(), ValidUntil: s(), Damaged: yes(), ETag: s(),
		}}
		if yes() {
			p.Document = raws().Draw(t, "document")
		}
		if yes() {
			p.Held = &PaperHeld{Reason: s(), Until: orNil(moments()).Draw(t, "until")}
		}
		return p
	})
}

func sources() *rapid.Generator[FieldSource] {
	return rapid.Custom(func(t *rapid.T) FieldSource {
		s := func() string { return texts().Draw(t, "text") }
		return FieldSource{DocumentType: s(), Document: s(), Revision: rapid.Int().Draw(t, "n"), Issuer: s(), IssuedAt: moments().Draw(t, "at"), Pointer: s(), FactOf: s()}
	})
}

func addresses() *rapid.Generator[FieldAddress] {
	plain := rapid.Custom(func(t *rapid.T) PlainAddress {
		s := func() string { return texts().Draw(t, "text") }
		return PlainAddress{Text: s(), UnitSystem: s(), ProvinceCode: s(), Province: s(), DistrictCode: s(), District: s(), CommuneCode: s(), Commune: s(), Street: s()}
	})
	return rapid.Custom(func(t *rapid.T) FieldAddress {
		s := func() string { return texts().Draw(t, "text") }
		a := FieldAddress{State: s(), Issued: plain.Draw(t, "issued"), Present: orNil(plain).Draw(t, "present")}
		for range rapid.IntRange(0, 2).Draw(t, "successors") {
			a.Successors = append(a.Successors, AddressSuccessor{ProvinceCode: s(), Province: s(), CommuneCode: s(), Commune: s(), Transfer: s()})
		}
		return a
	})
}

func formOf() *rapid.Generator[FilledForm] {
	return rapid.Custom(func(t *rapid.T) FilledForm {
		s, yes := func() string { return texts().Draw(t, "text") }, func() bool { return rapid.Bool().Draw(t, "bool") }
		value := func() json.RawMessage {
			if yes() {
				return nil
			}
			return raws().Draw(t, "value")
		}
		side := func() ConflictSide {
			return ConflictSide{Field: s(), Value: value(), Source: orNil(sources()).Draw(t, "source")}
		}
		field := rapid.Custom(func(t *rapid.T) FilledField {
			f := FilledField{
				Name: s(), Value: value(), Source: orNil(sources()).Draw(t, "source"), Editable: yes(), Proposal: yes(),
				Address: orNil(addresses()).Draw(t, "address"), Salt: s(),
			}
			for range rapid.IntRange(0, 2).Draw(t, "choices") {
				f.Choices = append(f.Choices, FieldChoice{Value: raws().Draw(t, "choice"), Source: sources().Draw(t, "source")})
			}
			return f
		})
		missing := rapid.Custom(func(t *rapid.T) MissingField { return MissingField{Name: s(), Reason: s()} })
		conflict := rapid.Custom(func(t *rapid.T) FieldConflict {
			return FieldConflict{Rule: s(), Severity: s(), Message: s(), Left: side(), Right: side()}
		})
		return FilledForm{
			Disclosure: s(), Request: s(), Procedure: s(), Dossier: s(), At: moments().Draw(t, "at"), Repeated: yes(), Signed: s(),
			Fields: sliceOf(field).Draw(t, "fields"), Missing: sliceOf(missing).Draw(t, "missing"), Conflicts: sliceOf(conflict).Draw(t, "conflicts"),
		}
	})
}
