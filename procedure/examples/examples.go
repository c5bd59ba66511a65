// Package examples is the fictional cast of the catalogue: seventeen made-up people, the papers in their vaults, and the
// dossiers in which every mapping of every procedure is tried. It promises that everything in it is marked synthetic and
// that no personal number in it can belong to anybody: all begin with the unassigned place code 099.
//
// The sandbox serves the cast, tests and the demo play with it. It is part of the binary and of nobody's production.
package examples

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed cast.json expected_reuse.json */*.json
var files embed.FS

// ErrCast reports a cast that contradicts itself.
var ErrCast = errors.New("examples: inconsistent cast")

// Cast is everybody and everything.
type Cast struct {
	Officers []string          // names for who signs
	People   []Person          // by id
	Dossiers []Dossier         // by id
	Expected map[string]Result // by dossier: what the mappings find, grants and validity aside
}

// Person is one of the cast.
type Person struct {
	ID                string     `json:"-"` // folder of their papers
	FullName          string     `json:"full_name"`
	PersonalNumber    string     `json:"personal_number"` // empty while it is awaited
	BirthNoticeNumber string     `json:"birth_notice_number"`
	BirthDate         string     `json:"birth_date"` // as precise as it is known
	DiedOn            string     `json:"died_on"`
	Sex               string     `json:"sex"`
	Story             string     `json:"story"`
	Relations         []Relation `json:"relations"`
	Documents         []string   `json:"documents"` // types of the papers whose home is their vault
	Papers            []Paper    `json:"-"`
}

// Relation says what a person is to another.
type Relation struct {
	Is string `json:"is"`
	Of string `json:"of"`
}

// Paper is one result document as an agency would deliver it.
type Paper struct {
	Home string // id of the person it is about
	Type string
	JSON json.RawMessage
}

// Dossier is one run of a procedure.
type Dossier struct {
	ID        string            `json:"-"`
	Procedure string            `json:"procedure"`
	Roles     map[string]string `json:"roles"` // role to person
	Note      string            `json:"note"`
}

// Result is what is found for each field of a dossier: nil where the citizen types.
type Result map[string]*Finding

// Finding is the value of a field, or several from which the citizen chooses.
type Finding struct {
	Values []Found
}

// Found is one value, in which paper it stands and whose fact it is.
type Found struct {
	Value    string // an address by its text, other composed values as JSON
	Source   string // person/type/pointer
	FactOf   string // a person; with a note when the named one is no party
	Proposal bool
}

// Load reads the cast of this binary.
func Load() (Cast, error) {
	cast, err := load(files)
	if err != nil {
		return Cast{}, fmt.Errorf("examples: %w", err)
	}
	return cast, nil
}

func load(files fs.FS) (Cast, error) {
	var f struct {
		Synthetic bool               `json:"synthetic"`
		Officers  []string           `json:"officers"`
		People    map[string]Person  `json:"people"`
		Dossiers  map[string]Dossier `json:"dossiers"`
	}
	if err := read(files, "cast.json", &f); err != nil {
		return Cast{}, err
	}
	cast := Cast{Officers: f.Officers}
	if !f.Synthetic {
		return Cast{}, fmt.Errorf("%w: not marked synthetic", ErrCast)
	}
	for id, p := range f.People {
		p.ID = id
		for _, documentType := range p.Documents {
			paper, err := readPaper(files, id, documentType)
			if err != nil {
				return Cast{}, err
			}
			p.Papers = append(p.Papers, paper)
		}
		cast.People = append(cast.People, p)
	}
	for id, d := range f.Dossiers {
		d.ID = id
		cast.Dossiers = append(cast.Dossiers, d)
	}
	slices.SortFunc(cast.People, func(a, b Person) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(cast.Dossiers, func(a, b Dossier) int { return strings.Compare(a.ID, b.ID) })
	if err := read(files, "expected_reuse.json", &cast.Expected); err != nil {
		return Cast{}, err
	}
	return cast, cast.check()
}

func read(files fs.FS, name string, into any) error {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func readPaper(files fs.FS, person, documentType string) (Paper, error) {
	raw, err := fs.ReadFile(files, path.Join(person, documentType+".json"))
	if err != nil {
		return Paper{}, err
	}
	var mark struct {
		Synthetic bool `json:"synthetic"`
	}
	if err := json.Unmarshal(raw, &mark); err != nil || !mark.Synthetic {
		return Paper{}, fmt.Errorf("%w: %s of %s is not marked synthetic", ErrCast, documentType, person)
	}
	return Paper{Home: person, Type: documentType, JSON: raw}, nil
}

func (c Cast) check() error {
	for _, p := range c.People {
		if p.PersonalNumber != "" && !strings.HasPrefix(p.PersonalNumber, "099") {
			return fmt.Errorf("%w: number of %s could be real", ErrCast, p.ID)
		}
		for _, r := range p.Relations {
			if _, ok := c.Person(r.Of); !ok {
				return fmt.Errorf("%w: %s is related to nobody", ErrCast, p.ID)
			}
		}
	}
	for _, d := range c.Dossiers {
		for _, person := range d.Roles {
			if _, ok := c.Person(person); !ok {
				return fmt.Errorf("%w: a role of %s is nobody", ErrCast, d.ID)
			}
		}
		if c.Expected[d.ID] == nil {
			return fmt.Errorf("%w: nothing is expected of %s", ErrCast, d.ID)
		}
	}
	return nil
}

// Person returns a person by id.
func (c Cast) Person(id string) (Person, bool) {
	for _, p := range c.People {
		if p.ID == id {
			return p, true
		}
	}
	return Person{}, false
}

// Paper returns the paper of a type in somebody's vault.
func (c Cast) Paper(person, documentType string) (Paper, bool) {
	p, _ := c.Person(person)
	for _, paper := range p.Papers {
		if paper.Type == documentType {
			return paper, true
		}
	}
	return Paper{}, false
}

// UnmarshalJSON reads [value, source, person], perhaps with "proposal" behind, or {"choose": [...]} of these.
func (f *Finding) UnmarshalJSON(data []byte) error {
	var choose struct {
		Choose []Found `json:"choose"`
	}
	if json.Unmarshal(data, &choose) == nil {
		f.Values = choose.Choose
		return nil
	}
	var one Found
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	f.Values = []Found{one}
	return nil
}

// UnmarshalJSON reads [value, source, person], perhaps with "proposal" behind.
func (f *Found) UnmarshalJSON(data []byte) error {
	var row []any
	if err := json.Unmarshal(data, &row); err != nil {
		return err
	}
	if len(row) < 3 || len(row) > 4 {
		return fmt.Errorf("%w: a finding of %d parts", ErrCast, len(row))
	}
	source, okSource := row[1].(string)
	person, okPerson := row[2].(string)
	if !okSource || !okPerson {
		return fmt.Errorf("%w: a finding without source or person", ErrCast)
	}
	*f = Found{Value: fmt.Sprint(row[0]), Source: source, FactOf: person, Proposal: len(row) == 4}
	return nil
}
