package auth

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pg"
)

const sqlOrganisationNames = `select organisation_id, name_vi, name_en from organisations`

// namesLife is how long names of organisations are remembered. A name is shown to people and decides nothing.
const namesLife = time.Minute

// OrganisationName is how people know an organisation.
type OrganisationName struct{ VI, EN string }

// Names knows the names of organisations: a small table, read whole. It is safe for concurrent use.
type Names struct {
	pool *pgxpool.Pool
	now  func() time.Time

	mu   sync.Mutex // guards the two below; held while reading, so that one reader reads for all
	read time.Time
	all  map[string]OrganisationName
}

// NewNames returns an empty memory of names.
func NewNames(pool *pgxpool.Pool, now func() time.Time) *Names { return &Names{pool: pool, now: now} }

// All returns the names by id. The caller must not change the map.
func (n *Names) All(ctx context.Context) (map[string]OrganisationName, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	if n.all != nil && now.Sub(n.read) < namesLife {
		return n.all, nil
	}
	rows, err := n.pool.Query(ctx, sqlOrganisationNames)
	if err != nil {
		return nil, pg.Classify(err)
	}
	all := map[string]OrganisationName{}
	var id string
	var name OrganisationName
	if _, err := pgx.ForEachRow(rows, []any{&id, &name.VI, &name.EN}, func() error {
		all[id] = name
		return nil
	}); err != nil {
		return nil, pg.Classify(err)
	}
	n.all, n.read = all, now
	return all, nil
}
