package consent

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// PartyRef is how an organisation names a person: by an identifier, or by the pairwise name it knows them by. It prints masked.
type PartyRef struct {
	id     person.Identifier
	parts  []identity.Private // of the identifier, for the stand-in of a person nobody knows
	number identity.PersonalNumber
	sub    string
	paper  identity.DocumentID
	vault  identity.VaultID
}

// ByNumber names a person by their personal number.
func ByNumber(n identity.PersonalNumber) PartyRef {
	return PartyRef{id: person.NumberIdentifier(n), parts: private(n.Reveal()), number: n}
}

// ByNotice names a newborn by the number of the birth notice.
func ByNotice(n identity.BirthNotice) PartyRef {
	return PartyRef{id: person.NoticeIdentifier(n), parts: private(n.Reveal())}
}

// ByRegistration names a person by an entry of the birth register. Errors: those of [person.RegistrationIdentifier].
func ByRegistration(organisation, book, number string) (PartyRef, error) {
	id, err := person.RegistrationIdentifier(organisation, book, number)
	if err != nil {
		return PartyRef{}, err
	}
	return PartyRef{id: id, parts: private(organisation, book, number)}, nil
}

// BySubject names a person by the pairwise subject (sub) that the organisation's sector knows them by.
func BySubject(sub string) PartyRef { return PartyRef{sub: sub} }

// ByPaper names the person of a paper that the organisation delivered: what a subject_ref of its sector opens to.
func ByPaper(paper identity.DocumentID) PartyRef { return PartyRef{paper: paper} }

// ByVault names a person who made themselves known: who signed in for the request.
func ByVault(vault identity.VaultID) PartyRef { return PartyRef{vault: vault} }

func private(parts ...string) []identity.Private {
	list := make([]identity.Private, len(parts))
	for i, p := range parts {
		list[i] = identity.NewPrivate(p)
	}
	return list
}

// IsZero reports a reference to nobody.
func (r PartyRef) IsZero() bool {
	return r.sub == "" && r.paper.IsZero() && r.id.IsZero() && r.vault.IsZero()
}

// columns are what tells one reference from another, for keyed digests of it.
func (r PartyRef) columns() *seal.Columns {
	c := new(seal.Columns).Text(r.sub).UUID(r.paper.Bytes()).UUID(r.vault.Bytes()).Text(string(r.id.Kind()))
	for _, part := range r.parts {
		c.Text(part.Reveal())
	}
	return c
}

// stranger is the stand-in for the vault of a person nobody knows. The same reference gives the same one, so that limits count for
// strangers as for anybody (R5); it is keyed, so that a dump does not tell who was asked for.
func (l *Ledger) stranger(r PartyRef) identity.VaultID {
	sum := sha256.Sum256(l.deployment.MAC("strangers", r.columns()))
	id := [16]byte(sum[:16])
	id[6] = id[6]&0x0f | 0x40 // shaped like a vault id (RFC 9562 §5.4)
	id[8] = id[8]&0x3f | 0x80
	return identity.FromBytes[identity.VaultID](id)
}

// sqlSubjects finds people by the names that an organisation's sector has for them.
const sqlSubjects = `
select s.sub, s.vault_id from subjects s join organisations o on o.sector = s.sector
where o.organisation_id = $1 and s.sub = any($2)`

// sqlPapers finds the people of papers.
const sqlPapers = `
select document_id, vault_id, organisation_id, second, created_at, mac from papers where document_id = any($1)`

// PaperColumns are the columns of a row of papers under its MAC, in the order fixed for the table. The row leads to a person: whoever reads it
// believes it under its MAC alone (R2). second is zero for a paper about one person.
func PaperColumns(paper identity.DocumentID, home identity.VaultID, organisation string, second identity.DocumentID, created time.Time) *seal.Columns {
	return new(seal.Columns).UUID(paper.Bytes()).UUID(home.Bytes()).Text(organisation).UUID(second.Bytes()).Time(created)
}

// collectPapers reads rows of sqlPapers and checks them.
func (l *Ledger) collectPapers(into map[identity.DocumentID]identity.VaultID) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var id, second identity.DocumentID
		var home identity.VaultID
		var organisation string
		var created time.Time
		var mac []byte
		_, err := pgx.ForEachRow(rows, []any{&id, &home, &organisation, &second, &created, &mac}, func() error {
			if err := l.deployment.VerifyMAC("papers", PaperColumns(id, home, organisation, second, created), mac); err != nil {
				return fmt.Errorf("paper %s: %w", id, err)
			}
			into[id] = home
			return nil
		})
		return err
	}
}

// named are the vaults that references lead to which are no identifiers.
type named struct {
	bySub   map[string]identity.VaultID
	byPaper map[identity.DocumentID]identity.VaultID
}

// readParties reads, behind the guard, where the references lead and whether the idempotency key was used before. A person nobody
// knows is a stranger. Two round trips: the second leads vaults that were joined to the living ones.
func (l *Ledger) readParties(ctx context.Context, g pg.Guard, r NewRequest, key idempotencyKey) ([]identity.VaultID, *idempotencyRow, error) {
	var ids []person.Identifier
	var subs []string
	papers := []identity.DocumentID{}
	for _, p := range r.Parties {
		switch {
		case !p.Ref.vault.IsZero():
		case p.Ref.sub != "":
			subs = append(subs, p.Ref.sub)
		case !p.Ref.paper.IsZero():
			papers = append(papers, p.Ref.paper)
		default:
			ids = append(ids, p.Ref.id)
		}
	}
	n := named{bySub: map[string]identity.VaultID{}, byPaper: map[identity.DocumentID]identity.VaultID{}}
	b := new(pgx.Batch)
	g.Queue(b)
	first := key.queue(b)
	finding := l.people.QueueFind(b, ids)
	b.Queue(sqlSubjects, r.Organisation, subs).Query(collectInto(n.bySub))
	b.Queue(sqlPapers, papers).Query(l.collectPapers(n.byPaper))
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return nil, nil, err
	}
	if err := g.Check(); err != nil {
		return nil, nil, err
	}
	if first.found {
		return nil, first, nil
	}
	if len(subs)+len(papers) > 0 {
		if err := l.living(ctx, n); err != nil {
			return nil, nil, err
		}
	}
	found, err := finding.Result()
	if err != nil {
		return nil, nil, err
	}
	vaults := make([]identity.VaultID, len(r.Parties))
	for i, p := range r.Parties {
		switch {
		case !p.Ref.vault.IsZero():
			vaults[i] = p.Ref.vault
		case p.Ref.sub != "":
			vaults[i] = n.bySub[p.Ref.sub]
		case !p.Ref.paper.IsZero():
			vaults[i] = n.byPaper[p.Ref.paper]
		default:
			vaults[i], found = found[0].Vault, found[1:]
		}
		if vaults[i].IsZero() {
			vaults[i] = l.stranger(p.Ref)
		}
	}
	return vaults, nil, nil
}

// collectInto reads rows of a name and a vault.
func collectInto[K comparable](into map[K]identity.VaultID) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var name K
		var vault identity.VaultID
		_, err := pgx.ForEachRow(rows, []any{&name, &vault}, func() error {
			into[name] = vault
			return nil
		})
		return err
	}
}

// living replaces vaults by those they were joined into.
func (l *Ledger) living(ctx context.Context, n named) error {
	vaults := append(slices.Collect(maps.Values(n.bySub)), slices.Collect(maps.Values(n.byPaper))...)
	b := new(pgx.Batch)
	living := l.people.QueueLiving(b, vaults...)
	if err := pg.Pipeline(ctx, l.pool, b); err != nil {
		return err
	}
	return errors.Join(follow(living, n.bySub), follow(living, n.byPaper))
}

func follow[K comparable](living *person.Living, names map[K]identity.VaultID) error {
	for name, vault := range names {
		main, err := living.Of(vault)
		if err != nil {
			return err
		}
		names[name] = main
	}
	return nil
}

// partyKeys are the keys of the people of a request. Strangers have those of nobody: their rows of the record are made, sent, and not
// written, because their vault does not exist.
type partyKeys struct {
	keys   map[identity.VaultID]*seal.Keys
	nobody *seal.Keys
}

// keysOfParties opens them. One query runs in any case, since one of the vaults asked for is never held: whether a person is known, and
// whether anybody read them lately, does not change what runs (R5).
func (l *Ledger) keysOfParties(ctx context.Context, parties []party) (partyKeys, error) {
	nobody, err := l.nobodyKeys(ctx)
	if err != nil {
		return partyKeys{}, err
	}
	vaults := []identity.VaultID{identity.NewVaultID()}
	for _, p := range parties {
		vaults = append(vaults, p.Vault)
	}
	keys, err := l.vaults.Open(ctx, l.pool, vaults...)
	if err != nil {
		return partyKeys{}, err
	}
	return partyKeys{keys: keys, nobody: nobody}, nil
}

// nobodyKeys are the keys of a vault that is never stored, made once.
func (l *Ledger) nobodyKeys(ctx context.Context) (*seal.Keys, error) {
	if keys := l.nobody.Load(); keys != nil {
		return keys, nil
	}
	keys, _, err := l.deployment.NewVault(ctx, identity.NewVaultID())
	if err != nil {
		return nil, fmt.Errorf("keys of nobody: %w", err)
	}
	l.nobody.CompareAndSwap(nil, keys)
	return l.nobody.Load(), nil
}

// conditionVault holds for people who exist.
const conditionVault = `exists (select 1 from vaults where vault_id = $1 and state = 'open')`

// record queues a row of the record of one party.
func (k partyKeys) record(b *pgx.Batch, l *Ledger, vault identity.VaultID, e audit.Entry, now time.Time) error {
	keys := k.keys[vault]
	if keys == nil {
		keys = k.nobody
	}
	e.Vault = keys.Vault()
	row, err := l.audit.Row(keys, e, now)
	if err != nil {
		return err
	}
	row.QueueIf(b, conditionVault, e.Vault)
	return nil
}
