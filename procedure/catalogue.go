// Package procedure is the catalogue: which papers exist, whose fact stands at every place of them, which procedures
// there are, and where each field of their forms may be found. It promises that no value is ever offered for a field
// unless the catalogue says that it is a fact of that field's person, shared with them, or a proposal.
//
// It is pure data and functions: no store, no clock, no key. The files under data/ are part of the binary, read and
// checked once by [Load]; a catalogue that contradicts itself is refused with the file and the place named.
//
//	C1  every mapping leads to an existing type, pointer, field and role, and reads only facts of the role it names
//	C2  every place of every document type has a subject
//	C3  people are recognised by personal number, never by name; an absent number is nobody's
//	C4  a fault of a document, and every error, holds names of the catalogue and never a value
//	C5  what the files demand is enforced or refused: an unknown key or keyword is an error
//	C6  documents and values are immutable and print masked
//	C7  everything is listed in one order, whatever machine asks
//
// Grants, restrictions and the validity of papers are applied by the callers, who pass what may be used into [FieldValue.Pick],
// [Procedure.Conflicts] and [Procedure.NeededFrom]; this package decides only what fits.
//
// The schemas are JSON Schema 2020-12, of which the files use some twenty keywords. They are judged here and not by a
// general validator because faults must carry field titles and never values, and because reading and judging a paper then
// costs a fifth (BenchmarkParseBirthCertificate beside BenchmarkGeneralValidator); the tests hold the verdicts to those of
// santhosh-tekuri/jsonschema on every paper and on spoiled ones without end.
package procedure

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

//go:embed data
var data embed.FS

// Catalogue is everything the wallet knows about papers and procedures. It is immutable.
type Catalogue struct {
	types      map[string]*DocumentType
	procedures map[string]*Procedure
	typeList   []*DocumentType
	list       []*Procedure
	groups     []*Group
	transfer   []TransferRule
	calendar   *calendar
}

// Load reads and checks the catalogue of this binary.
func Load() (*Catalogue, error) {
	sub, err := fs.Sub(data, "data")
	if err != nil {
		return nil, fmt.Errorf("procedure: %w", err)
	}
	return load(sub)
}

func load(files fs.FS) (*Catalogue, error) {
	c := &Catalogue{types: map[string]*DocumentType{}, procedures: map[string]*Procedure{}}
	regexps := map[string]*regexp.Regexp{}
	err := eachFile(files, "documents", ".schema.json", func(id string, raw []byte) error {
		t, err := readType(id, raw, regexps)
		if err != nil {
			return err
		}
		c.types[id] = t
		c.typeList = append(c.typeList, t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = eachFile(files, "procedures", ".json", func(id string, raw []byte) error {
		p, err := readProcedure(raw)
		if err != nil {
			return err
		}
		if p.ID != id {
			return fmt.Errorf("id is %q", p.ID)
		}
		c.procedures[id] = p
		c.list = append(c.list, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if c.groups, c.transfer, err = readGroups(files); err != nil {
		return nil, err
	}
	if c.calendar, err = readCalendar(files); err != nil {
		return nil, err
	}
	return c, c.link()
}

// eachFile calls do for the files of a folder in the order of their names.
func eachFile(files fs.FS, folder, ending string, do func(id string, raw []byte) error) error {
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return fmt.Errorf("procedure: %w", err)
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ending)
		if !ok || !isFieldName(id) {
			return fmt.Errorf("procedure: %s/%s: unexpected file", folder, e.Name())
		}
		raw, err := fs.ReadFile(files, path.Join(folder, e.Name()))
		if err == nil {
			err = do(id, raw)
		}
		if err != nil {
			return fmt.Errorf("procedure: %s/%s: %w", folder, e.Name(), err)
		}
	}
	if len(entries) == 0 {
		return fmt.Errorf("procedure: %s: no files", folder)
	}
	return nil
}

// Type returns a document type by its id.
func (c *Catalogue) Type(id string) (*DocumentType, bool) {
	t, ok := c.types[id]
	return t, ok
}

// Types lists the document types by id.
func (c *Catalogue) Types() []*DocumentType { return slices.Clone(c.typeList) }

// Procedure returns a procedure by its id.
func (c *Catalogue) Procedure(id string) (*Procedure, bool) {
	p, ok := c.procedures[id]
	return p, ok
}

// Procedures lists the procedures by id.
func (c *Catalogue) Procedures() []*Procedure { return slices.Clone(c.list) }

// Groups lists the interlinked groups in the order of the file.
func (c *Catalogue) Groups() []*Group { return slices.Clone(c.groups) }

// TransferRules lists the duties in the exchange between systems of a group.
func (c *Catalogue) TransferRules() []TransferRule { return slices.Clone(c.transfer) }
