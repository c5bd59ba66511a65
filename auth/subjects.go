package auth

import (
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
)

// A subject is the name of one person towards one sector (OpenID Connect Core §8.1): drawn once at random and stored, so that two
// sectors cannot find out that they know the same person, and a leaked key unmasks nobody.

const (
	sqlInsertSubject = `
insert into subjects (sector, vault_id, sub, created_at) values ($1, $2, $3, $4) on conflict (vault_id, sector) do nothing`

	sqlSubject = `select sub from subjects where vault_id = $1 and sector = $2`
)

// Subject is the outcome of [QueueSubject], to be read after its batch.
type Subject struct{ sub string }

// Sub returns the person's name towards the sector.
func (s *Subject) Sub() string { return s.sub }

// QueueSubject reads a person's subject in a sector and draws one where there is none. Two statements: the second sees whoever was
// faster (RELIABILITY T11).
func QueueSubject(b *pgx.Batch, sector string, vault identity.VaultID, now time.Time) *Subject {
	s := new(Subject)
	b.Queue(sqlInsertSubject, sector, vault, randomID(), now)
	b.Queue(sqlSubject, vault, sector).QueryRow(func(row pgx.Row) error { return row.Scan(&s.sub) })
	return s
}

// QueueSubjectVault finds who bears a subject in a sector; the vault is zero when nobody does.
func QueueSubjectVault(b *pgx.Batch, sector, sub string) *SubjectVault {
	v := new(SubjectVault)
	b.Queue(sqlSubjectVault, sector, sub).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&v.vault}, func() error { return nil })
		return err
	})
	return v
}

const sqlSubjectVault = `select vault_id from subjects where sector = $1 and sub = $2`

// SubjectVault is the outcome of [QueueSubjectVault], to be read after its batch.
type SubjectVault struct{ vault identity.VaultID }

// Vault returns the person, zero when nobody bears the subject.
func (v *SubjectVault) Vault() identity.VaultID { return v.vault }
