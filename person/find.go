package person

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/seal"
)

// sqlFind returns every identifier of every vault that one of the given ones leads to: the others tell whether its number is known.
const sqlFind = `select ` + identifierColumns + ` from identifiers i
  where i.state = 'active' and i.vault_id in (
    select f.vault_id from identifiers f join unnest($1::int[], $2::bytea[]) as w(key_id, digest)
      on f.prf_key_id = w.key_id and f.digest = w.digest
    where f.state = 'active')`

// Found is where one identifier leads. The zero value means: to nobody.
type Found struct {
	Vault identity.VaultID
	// NumberKnown is false for a person whose personal number is pending.
	NumberKnown bool
}

// Finding is a search under way: QueueFind starts it in a batch of the caller's, Result is read after the batch.
type Finding struct {
	r       *Registry
	digests [][]seal.Digest // per identifier
	rows    []identifierRow
}

// QueueFind looks identifiers up, in one statement. What is found is the living vault: identifiers of a joined one lead there (N4). It decides
// nothing: whoever writes to what was found locks that vault first and sees that it is still open.
func (r *Registry) QueueFind(b *pgx.Batch, ids []Identifier) *Finding {
	f := &Finding{r: r, digests: make([][]seal.Digest, len(ids))}
	var all []seal.Digest
	for i, id := range ids {
		f.digests[i] = r.digests(id)
		all = append(all, f.digests[i]...)
	}
	keys, sums := digestArgs(all)
	b.Queue(sqlFind, keys, sums).Query(func(rows pgx.Rows) (err error) {
		f.rows, err = pgx.CollectRows(rows, scanIdentifier)
		return err
	})
	return f
}

// Result returns where each identifier leads, in the order in which they were given. Errors: [seal.ErrTampered].
func (f *Finding) Result() ([]Found, error) {
	if err := f.r.believe(f.rows); err != nil {
		return nil, err
	}
	leads := make(map[seal.Digest]identity.VaultID, len(f.rows))
	numbered := make(map[identity.VaultID]bool, len(f.rows))
	for _, row := range f.rows {
		leads[row.digest] = row.vault
		if row.isNumber() {
			numbered[row.vault] = true
		}
	}
	found := make([]Found, len(f.digests))
	for i, digests := range f.digests {
		for _, digest := range digests {
			vault, ok := leads[digest]
			switch {
			case !ok:
			case found[i].Vault.IsZero():
				found[i] = Found{Vault: vault, NumberKnown: numbered[vault]}
			case found[i].Vault != vault:
				return nil, fmt.Errorf("one identifier leads to vaults %s and %s: %w", vault, found[i].Vault, seal.ErrTampered)
			}
		}
	}
	return found, nil
}

// People returns the different vaults that were found, in the order of their finding.
func People(found []Found) []Found {
	var people []Found
	seen := make(map[identity.VaultID]bool, len(found))
	for _, f := range found {
		if !f.Vault.IsZero() && !seen[f.Vault] {
			seen[f.Vault] = true
			people = append(people, f)
		}
	}
	return people
}
