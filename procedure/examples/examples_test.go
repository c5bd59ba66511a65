package examples

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	cast, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	papers := 0
	for _, p := range cast.People {
		papers += len(p.Papers)
		if p.FullName == "" || p.BirthDate == "" || p.Sex == "" || p.Story == "" {
			t.Errorf("%s is not described", p.ID)
		}
	}
	if len(cast.People) != 17 || papers != 50 || len(cast.Dossiers) != 28 || len(cast.Expected) != 28 {
		t.Errorf("%d people, %d papers, %d dossiers, %d expectations", len(cast.People), papers, len(cast.Dossiers), len(cast.Expected))
	}
	em, ok := cast.Person("em")
	if !ok || em.PersonalNumber != "" || em.BirthNoticeNumber != "99999.GCS.00003.26" {
		t.Errorf("the second twin: %+v", em)
	}
	if _, ok := cast.Paper("an", "birth_certificate"); !ok {
		t.Error("no certificate of the newborn")
	}
	if _, ok := cast.Paper("em", "birth_certificate"); ok {
		t.Error("a certificate of the second twin")
	}
	choose := cast.Expected["criminal_record_giai"]["spouse_full_name"]
	if choose == nil || len(choose.Values) != 2 {
		t.Errorf("to choose from: %+v", choose)
	}
	hometown := cast.Expected["birth_em"]["child_hometown"]
	if hometown == nil || !hometown.Values[0].Proposal {
		t.Errorf("a proposal: %+v", hometown)
	}
	if typed, ok := cast.Expected["kindergarten_an"]["school_choice"]; !ok || typed != nil {
		t.Errorf("to be typed: %+v", typed)
	}
}

// Every embedded paper belongs to somebody of the cast.
func TestNoPaperIsForgotten(t *testing.T) {
	t.Parallel()
	cast, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(files, "*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		person, typ, _ := strings.Cut(strings.TrimSuffix(name, ".json"), "/")
		if _, ok := cast.Paper(person, typ); !ok {
			t.Errorf("%s belongs to nobody", name)
		}
	}
}

func TestSpoiledCastIsRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(fstest.MapFS){
		"a number that could be real": func(f fstest.MapFS) { replace(f, "cast.json", "099326000004", "001326000004") },
		"a relation to nobody":        func(f fstest.MapFS) { replace(f, "cast.json", `"of":"du"`, `"of":"nobody"`) },
		"a role of nobody":            func(f fstest.MapFS) { replace(f, "cast.json", `"child":"an"`, `"child":"nobody"`) },
		"not marked synthetic":        func(f fstest.MapFS) { replace(f, "cast.json", `"synthetic": true`, `"synthetic": false`) },
		"a paper that may be real": func(f fstest.MapFS) {
			replace(f, "an/birth_certificate.json", `"synthetic": true`, `"synthetic": false`)
		},
		"an unknown member":        func(f fstest.MapFS) { replace(f, "cast.json", `"story"`, `"biography"`) },
		"a dossier without result": func(f fstest.MapFS) { replace(f, "expected_reuse.json", `"kindergarten_an"`, `"kindergarten_x"`) },
		"a result without person":  func(f fstest.MapFS) { replace(f, "expected_reuse.json", `,"du"]`, `]`) },
		"a paper gone":             func(f fstest.MapFS) { delete(f, "an/birth_certificate.json") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			copied := fstest.MapFS{}
			for _, pattern := range []string{"*.json", "*/*.json"} {
				names, err := fs.Glob(files, pattern)
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range names {
					raw, err := fs.ReadFile(files, name)
					if err != nil {
						t.Fatal(err)
					}
					copied[name] = &fstest.MapFile{Data: raw}
				}
			}
			if _, err := load(copied); err != nil {
				t.Fatal(err)
			}
			change(copied)
			if _, err := load(copied); err == nil {
				t.Error("not noticed")
			}
		})
	}
}

func replace(f fstest.MapFS, name, from, to string) {
	f[name] = &fstest.MapFile{Data: []byte(strings.Replace(string(f[name].Data), from, to, 1))}
}
