package auth

import (
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
)

// Need is what an operation needs a mandate for. Empty members are not asked; Organisation always is. Without a Right any mandate
// of the organisation will do: that is for reading what the organisation did itself.
type Need struct {
	Organisation string
	Unit         string
	DocumentType string
	Procedure    string
	Right        Right
}

// Granted is what the mandates that meet a [Need] allow together. Each of them meets the whole need by itself.
type Granted struct {
	IDs       []identity.ObjectID
	Rights    []Right
	Relations []string
}

// Allows reports whether one of the mandates that meet the need also carries the right.
func (m Granted) Allows(right Right) bool { return slices.Contains(m.Rights, right) }

// Covers reports whether a relation of this kind takes effect at once on the issuer's word (DESIGN §6).
func (m Granted) Covers(relation string) bool { return slices.Contains(m.Relations, relation) }

// MandateGuard decides in the operation's batch whether a client may act for an organisation. It is a [pg.Guard].
type MandateGuard struct {
	server *Server
	client string
	need   Need
	now    time.Time
	rows   []mandateRow
	ran    bool
}

var _ pg.Guard = (*MandateGuard)(nil)

// Mandate returns the guard of one operation. Its refusal has the code mandate_missing, whatever is missing: no mandate, an ended
// organisation, another unit, type, procedure or right, a date.
func (s *Server) Mandate(client string, need Need) *MandateGuard {
	return &MandateGuard{server: s, client: client, need: need, now: s.calendar()}
}

// $1 client, $2 organisation, $3 unit, $4 type, $5 procedure, $6 right, $7 now.
const sqlGuardMandate = `
select vidan_require(m.mandate_id is not null, 'mandate_missing'), m.mandate_id, m.client_id, m.organisation_id, m.units,
  m.document_types, m.procedures, m.relations, m.rights, m.valid_from, m.valid_until, m.state, m.mac
from (values ($1::text)) as a (client_id)
left join mandates m on m.client_id = a.client_id and m.organisation_id = $2 and m.state = 'active'
  and m.valid_from <= $7 and $7 < m.valid_until
  and ($3 = '' or $3 = any (m.units) or '*' = any (m.units))
  and ($4 = '' or $4 = any (m.document_types))
  and ($5 = '' or $5 = any (m.procedures))
  and ($6 = '' or $6 = any (m.rights))
  and exists (select 1 from organisations o where o.organisation_id = $2 and o.state = 'active')
order by m.mandate_id`

// Queue implements [pg.Guard].
func (g *MandateGuard) Queue(b *pgx.Batch) {
	n := g.need
	b.Queue(sqlGuardMandate, g.client, n.Organisation, n.Unit, n.DocumentType, n.Procedure, n.Right, g.now).Query(func(rows pgx.Rows) error {
		g.ran = true
		var r mandateRow
		_, err := pgx.ForEachRow(rows, append([]any{nil}, r.into()...), func() error {
			g.rows = append(g.rows, r)
			return nil
		})
		return err
	})
}

func (r *mandateRow) into() []any {
	return []any{
		&r.ID, &r.Client, &r.Organisation, &r.Units, &r.DocumentTypes, &r.Procedures, &r.Relations, &r.Rights,
		&r.From, &r.Until, &r.State, &r.MAC,
	}
}

// Check implements [pg.Guard]: every mandate that met the need is one that the directory wrote (O4).
func (g *MandateGuard) Check() error {
	if !g.ran || len(g.rows) == 0 {
		return fmt.Errorf("mandate of client %q: %w", g.client, ErrMandate)
	}
	for i := range g.rows {
		if err := g.rows[i].verify(g.server.deployment); err != nil {
			return err
		}
	}
	return nil
}

// Mandate returns what the mandates found allow. It is empty unless Check has passed.
func (g *MandateGuard) Mandate() Granted {
	var m Granted
	if g.Check() != nil {
		return m
	}
	for i := range g.rows {
		r := &g.rows[i]
		m.IDs = append(m.IDs, r.ID)
		for _, right := range r.Rights {
			if !m.Allows(Right(right)) {
				m.Rights = append(m.Rights, Right(right))
			}
		}
		for _, relation := range r.Relations {
			if !m.Covers(relation) {
				m.Relations = append(m.Relations, relation)
			}
		}
	}
	return m
}
