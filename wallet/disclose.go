package wallet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/procedure"
	"vidan/seal"
)

// sqlPapers selects every revision of the papers of some types in some vaults, the highest first: which of them a permit opens is known only when
// the grants of the same batch were read.
const sqlPapers = `
select d.vault_id, d.type_tag, d.document_id, r.revision, r.state, r.payload_sha256, r.issued_at, r.received_at, r.sealed
from unnest($1::uuid[], $2::bytea[]) as w (vault_id, type_tag)
join documents d on d.vault_id = w.vault_id and d.type_tag = w.type_tag
join document_revisions r on r.vault_id = d.vault_id and r.document_id = d.document_id
order by d.vault_id, d.document_id, r.revision desc`

// Scope is what a reading for a form may touch: the papers of the types that the form uses, in the vaults of the people of the dossier.
type Scope struct {
	Plan      consent.Plan
	Catalogue *procedure.Catalogue
	// Keys are those of [consent.Plan.People], and of vaults that were joined into theirs. Strangers have none.
	Keys map[identity.VaultID]*seal.Keys
	// Joined leads from a joined vault to the person's main one; nil where nobody has a second vault.
	Joined map[identity.VaultID]identity.VaultID
}

// Disclosed is a reading for a form under way: sealed until [Disclosed.Papers].
type Disclosed struct {
	masked
	w        *Wallet
	scope    Scope
	finders  map[string][]identity.VaultID // by type: in whose reach papers are looked for
	types    map[tagged]string
	rows     []filedRow
	holdings []holdingRow
}

// tagged is a type as one vault files it.
type tagged struct {
	vault identity.VaultID
	tag   [16]byte
}

// filedRow is a row of sqlPapers.
type filedRow struct {
	vault identity.VaultID
	tag   []byte
	doc   identity.DocumentID
	factRow
}

// file is one paper of one person.
type file struct {
	person identity.VaultID
	doc    identity.DocumentID
	typ    string
	facts  []fact // highest first, of all vaults of the person
}

// Paper is a paper opened for a form: without its message.
type Paper struct {
	Document
	// Holders are the people of the dossier who reach it besides the one whose paper it is.
	Holders []identity.VaultID
}

// Decode returns the paper as the mappings of the catalogue take it. A revocation without a document is procedure.ErrDocument.
func (p *Paper) Decode(c *procedure.Catalogue) (procedure.Paper, error) {
	typ, ok := c.Type(p.Type)
	if !ok {
		return procedure.Paper{}, fmt.Errorf("paper %s: %w: unknown type", p.ID, procedure.ErrDocument)
	}
	document, err := typ.Read(p.Payload)
	if err != nil {
		return procedure.Paper{}, fmt.Errorf("paper %s: %w", p.ID, err)
	}
	holders := make([]procedure.PersonID, len(p.Holders))
	for i, v := range p.Holders {
		holders[i] = v.Bytes()
	}
	return procedure.Paper{ID: p.ID.Bytes(), Home: p.Person.Bytes(), Holders: holders, Revision: p.Revision, Document: document}, nil
}

// QueueDisclose selects, in the first batch of the transaction that redeems, what a permit of this plan could open, in two statements for all
// vaults. Nothing is opened before [Disclosed.Papers] is given the permit; the record of the release is the caller's.
func (w *Wallet) QueueDisclose(b *pgx.Batch, s Scope, now time.Time) *Disclosed {
	d := &Disclosed{w: w, scope: s, finders: map[string][]identity.VaultID{}, types: map[tagged]string{}}
	d.find()
	var vaults []identity.VaultID
	var tags [][]byte
	for t := range d.types {
		vaults, tags = append(vaults, t.vault), append(tags, t.tag[:])
	}
	b.Queue(sqlPapers, uuids(vaults), tags).Query(func(rows pgx.Rows) (err error) {
		d.rows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r filedRow, err error) {
			err = row.Scan(&r.vault, &r.tag, &r.doc, &r.number, &r.state, &r.payload, &r.issued, &r.received, &r.sealed)
			return r, err
		})
		return err
	})
	slices.SortFunc(vaults, identity.VaultID.Compare)
	d.queueHolders(b, slices.Compact(vaults), now)
	return d
}

// find works out which types the form reads, in whose reach, and under which tags they lie.
func (d *Disclosed) find() {
	p, ok := d.scope.Catalogue.Procedure(d.scope.Plan.Procedure())
	if !ok {
		return // a procedure that left the catalogue opens nothing
	}
	roles := d.scope.Plan.Roles()
	filled := func(role string) bool { return !roles[role].IsZero() }
	for _, o := range p.Origins(d.scope.Plan.Fields(), filled) {
		if v := roles[o.Role]; !slices.Contains(d.finders[o.Type], v) {
			d.finders[o.Type] = append(d.finders[o.Type], v)
		}
	}
	people := d.scope.Plan.People()
	for v, keys := range d.scope.Keys {
		if keys == nil || !slices.Contains(people, d.person(v)) {
			continue
		}
		for typ := range d.finders {
			d.types[tagged{v, keys.TypeTag(typ)}] = typ
		}
	}
}

// person is whose vault it is.
func (d *Disclosed) person(v identity.VaultID) identity.VaultID {
	if main, joined := d.scope.Joined[v]; joined {
		return main
	}
	return v
}

// files puts what was found in order. A row under a tag that nobody asked for cannot be among it.
func (d *Disclosed) files() []*file {
	var files []*file
	for _, r := range d.rows {
		who := d.person(r.vault)
		at := slices.IndexFunc(files, func(f *file) bool { return f.person == who && f.doc == r.doc })
		if at < 0 {
			at = len(files)
			files = append(files, &file{person: who, doc: r.doc, typ: d.types[tagged{r.vault, [16]byte(r.tag)}]})
		}
		files[at].facts = append(files[at].facts, fact{r.factRow, d.scope.Keys[r.vault]})
	}
	for _, f := range files {
		slices.SortStableFunc(f.facts, func(a, b fact) int { return b.number - a.number })
	}
	return files
}

// Papers opens what the permit allows: revisions that somebody pinned, and what is current where the person whose paper it is allowed that. A paper of
// somebody who is not asked, a child's or a deceased's, is opened for those who agreed, since their own facts stand in it; one of somebody who was
// asked and did not agree stays sealed. Whose facts of an opened paper may be used, the permit says as well, and the caller holds to it.
//
// Only types that the form reads are opened, in the reach of people from whom it reads them. A paper is returned once for each revision that is
// allowed, revoked ones included, which say so. Errors: consent.ErrPermit for the zero permit and for one of another request; [ErrDamaged].
func (d *Disclosed) Papers(p consent.Permit) ([]Paper, error) {
	if p.IsZero() || p.Plan().Request() != d.scope.Plan.Request() {
		return nil, consent.ErrPermit
	}
	pinned, standing := map[consent.DocRevision]bool{}, map[identity.VaultID]bool{}
	for _, v := range p.Vaults() {
		pins, exact := p.Pinned(v)
		if !exact {
			standing[v] = true
		}
		for _, pin := range pins {
			pinned[pin] = true
		}
	}
	return d.open(func(f *file, at int, _ []identity.VaultID) bool {
		asked := p.Plan().Has(f.person)
		if asked && !p.Has(f.person) {
			return false
		}
		current := at == 0 && (standing[f.person] || !asked && len(standing) > 0)
		return current || pinned[consent.DocRevision{Document: f.doc, Revision: f.facts[at].number}]
	})
}

// open opens what is in reach of the form and allowed: at is the place of a revision in the facts of a file, 0 the current one.
func (d *Disclosed) open(allowed func(f *file, at int, holders []identity.VaultID) bool) ([]Paper, error) {
	holders, err := d.holders()
	if err != nil {
		return nil, err
	}
	var papers []Paper
	for _, f := range d.files() {
		if !d.reached(f, holders[f.doc]) {
			continue
		}
		for at := range f.facts {
			if !allowed(f, at, holders[f.doc]) {
				continue
			}
			opened, _, err := openOne(f.facts, f.doc, f.facts[at].number)
			if err != nil {
				return nil, err
			}
			if opened.Type != f.typ { // filed under the tag of another type
				return nil, damaged("head", f.doc, seal.ErrTampered)
			}
			opened.Person = f.person
			papers = append(papers, Paper{Document: opened, Holders: holders[f.doc]})
		}
	}
	return papers, nil
}

// reached reports whether somebody from whom the form reads this type has the paper or holds it.
func (d *Disclosed) reached(f *file, holders []identity.VaultID) bool {
	return slices.ContainsFunc(d.finders[f.typ], func(v identity.VaultID) bool { return v == f.person || slices.Contains(holders, v) })
}

// Preview opens for somebody who is asked, before they decide, what is current of the papers that the form would read: those of the people in may, and
// those that these hold. g is the guard of whoever looks; rec says who that is, in the record of its Vault (Kind is set here). The reading is recorded in
// the transaction that selects, whatever it finds (P7). One round trip.
func (w *Wallet) Preview(ctx context.Context, g pg.Guard, s Scope, may []identity.VaultID, rec audit.Entry) ([]Paper, error) {
	now := w.now()
	b := new(pgx.Batch)
	g.Queue(b)
	d := w.QueueDisclose(b, s, now)
	rec.Kind = audit.RequestViewed
	if _, err := w.audit.Queue(b, s.Keys[rec.Vault], rec, now); err != nil {
		return nil, err
	}
	written := recorded(b)
	if err := written(pg.Pipeline(ctx, w.pool, b)); err != nil {
		return nil, fmt.Errorf("preview of request %s: %w", rec.Request, err)
	}
	if err := g.Check(); err != nil {
		return nil, err
	}
	return d.open(func(f *file, at int, holders []identity.VaultID) bool {
		return at == 0 && (slices.Contains(may, f.person) || slices.ContainsFunc(holders, func(v identity.VaultID) bool { return slices.Contains(may, v) }))
	})
}
