package procedure

import (
	"encoding/json"
	"runtime"
	"testing"
)

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(); err != nil {
			b.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	c, err := Load()
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc), "heap-B")
	runtime.KeepAlive(c)
}

func BenchmarkParseBirthCertificate(b *testing.B) {
	typ := documentType(b, "birth_certificate")
	paper, _ := cast(b).Paper("an", "birth_certificate")
	b.SetBytes(int64(len(paper.JSON)))
	b.ReportAllocs()
	for b.Loop() {
		if _, faults := typ.Parse(paper.JSON, ParseOptions{}); faults != nil {
			b.Fatal(faults)
		}
	}
}

// The same work with encoding/json and a general JSON Schema validator.
func BenchmarkGeneralValidator(b *testing.B) {
	schema := oracle(b, "birth_certificate")
	paper, _ := cast(b).Paper("an", "birth_certificate")
	b.ReportAllocs()
	for b.Loop() {
		var doc any
		if err := json.Unmarshal(paper.JSON, &doc); err != nil {
			b.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadBirthCertificate(b *testing.B) {
	typ := documentType(b, "birth_certificate")
	paper, _ := cast(b).Paper("an", "birth_certificate")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := typ.Read(paper.JSON); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseFaulty(b *testing.B) {
	typ := documentType(b, "birth_certificate")
	b.ReportAllocs()
	for b.Loop() {
		if _, faults := typ.Parse([]byte(`{"document_type":"x","mother":{"age":1}}`), ParseOptions{}); len(faults) == 0 {
			b.Fatal("no faults")
		}
	}
}

// The kindergarten form: four papers of two vaults.
func BenchmarkMatchKindergarten(b *testing.B) {
	p := procedureOf(b, "kindergarten_enrolment")
	roles := map[string]PersonRef{"child": person(b, "an"), "mother": person(b, "du"), "father": person(b, "thi"), "applicant": person(b, "du")}
	var papers []Paper
	for _, paper := range castPapers(b) {
		if home := paper.Home.name(); home == "an" || home == "du" {
			papers = append(papers, paper)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, v := range p.Match(roles, papers) {
			v.Pick(func(c Candidate) bool { return true })
		}
	}
}
