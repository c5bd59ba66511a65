package consent

import (
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
)

// replaced is an older grant that a decision ends.
type replaced struct {
	file *file
	row  *grantRow
}

// queueReplaced reads it; nothing for the zero id.
func queueReplaced(b *pgx.Batch, d *desk, id identity.GrantID) *replaced {
	if id.IsZero() {
		return &replaced{}
	}
	return &replaced{file: queueFile(b, d, id)}
}

// open checks that it is this person's grant to the same organisation, and that it still stands.
func (o *replaced) open(l *Ledger, organisation string, now time.Time) error {
	if o.file == nil {
		return nil
	}
	row, err := o.file.open(l)
	if err != nil {
		return err
	}
	if row.organisation != organisation {
		return ErrNotFound
	}
	if s := row.state.at(now, row.until); s != GrantActive && s != GrantPaused {
		return ErrState
	}
	o.row = row
	return nil
}

// queueEnd ends it in the transaction that makes its successor.
func (o *replaced) queueEnd(b *pgx.Batch, l *Ledger, now time.Time) error {
	if o.row == nil {
		return nil
	}
	_, err := l.queueChange(b, o.file, o.row, EventWithdrawn, "replaced", now)
	return err
}
