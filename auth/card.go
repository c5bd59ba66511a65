package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/auth/codes"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// A printed card of codes (thẻ mã in) is handed out at a counter to somebody who has no smartphone, or wants something that needs no battery.
// The sign-in asks for the code with one number. The number was drawn when the one before was answered and stays until it is answered itself,
// over reloads, sign-ins and browsers: nobody collects codes by asking again.
//
// Of a code its MAC is stored, which a dump cannot be searched with; using it empties the MAC.

// errCredentialUsed: another use of the same credential was faster.
var errCredentialUsed = errors.New("auth: used by another sign-in")

const (
	// sqlCard reads the entries of the active card of a vault.
	sqlCard = `select e.credential_id, e.number, e.mac, e.used_at is not null
from code_card_entries e join credentials c on c.vault_id = e.vault_id and c.credential_id = e.credential_id
where e.vault_id = $1 and c.kind = 'codecard' and c.state = 'active' order by e.number`

	sqlInsertEntries = `insert into code_card_entries (vault_id, credential_id, number, mac)
select $1, $2, e.number, e.mac from unnest($3::smallint[], $4::bytea[]) as e (number, mac)`

	// sqlEntryUnused: of many who use an entry at once, one finds it unused; sqlUseEntry is conditional all the same.
	sqlEntryUnused = `select vidan_require(exists (
  select from code_card_entries where vault_id = $1 and credential_id = $2 and number = $3 and used_at is null for update), 'credential_used')`

	sqlUseEntry = `update code_card_entries set used_at = $4, mac = ''
  where vault_id = $1 and credential_id = $2 and number = $3 and used_at is null`
)

// cardEntry is a row of code_card_entries.
type cardEntry struct {
	Card   identity.CredentialID
	Number int16
	MAC    []byte
	Used   bool
}

// cardEntries are those of the active card of one vault, to be read after the batch that queued them.
type cardEntries struct{ rows []cardEntry }

func queueCard(b *pgx.Batch, vault identity.VaultID) *cardEntries {
	c := new(cardEntries)
	b.Queue(sqlCard, vault).Query(func(rows pgx.Rows) (err error) {
		c.rows, err = pgx.CollectRows(rows, pgx.RowToStructByPos[cardEntry])
		return err
	})
	return c
}

// unused returns the numbers of a card that can still be asked for.
func (c *cardEntries) unused(card identity.CredentialID) []int {
	var numbers []int
	for _, e := range c.rows {
		if e.Card == card && !e.Used {
			numbers = append(numbers, int(e.Number))
		}
	}
	return numbers
}

// entryColumns are what stands for a code in the database.
func entryColumns(vault identity.VaultID, card identity.CredentialID, number int16, code codes.Code) *seal.Columns {
	return new(seal.Columns).UUID(vault.Bytes()).UUID(card.Bytes()).Int(int64(number)).Text(code.Reveal())
}

// PrintedCard is a card as it is printed: code i has number i+1.
type PrintedCard struct {
	ID       string
	Codes    codes.Card
	IssuedAt time.Time
}

// IssueCard draws a card for a person, ends the one they had and returns the codes, this once, to be printed and handed over. g decides whether by
// may do so. A repetition is another card: the one before is worth nothing then.
//
// Errors: [ErrPersonBlocked], those of g.
func (s *Server) IssueCard(ctx context.Context, g pg.Guard, by audit.Actor, vault identity.VaultID) (PrintedCard, error) {
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, vault)
	if err != nil {
		return PrintedCard{}, fmt.Errorf("issue a card: %w", err)
	}
	drawn, err := codes.NewCard()
	if err != nil {
		return PrintedCard{}, err
	}
	now := s.calendar()
	row := &credentialRow{
		Vault: vault, ID: identity.NewID[identity.CredentialID](), Kind: WayCard, State: stateActive, CreatedAt: now,
	}
	numbers, macs, all := make([]int16, codes.CardSize), make([][]byte, codes.CardSize), make([]int, codes.CardSize)
	for i, code := range drawn {
		all[i], numbers[i] = i+1, int16(i+1)
		macs[i] = s.deployment.MAC("code_card_entries", entryColumns(vault, row.ID, numbers[i], code))
	}
	first, err := codes.Next(all)
	if err != nil {
		return PrintedCard{}, err
	}
	row.Counter = int64(first)
	err = s.changeCredentials(ctx, g, vault, func(b *pgx.Batch, held *credentials) error {
		person.QueueGoodStanding(b, vault)
		if old := held.one(WayCard); old != nil {
			old.queueEnd(b, s.deployment, now)
			if err := s.queueCredentialRecord(b, keys, audit.CredentialRemoved, by, WayCard, now); err != nil {
				return err
			}
		}
		row.queueInsert(b, s.deployment)
		b.Queue(sqlInsertEntries, vault, row.ID, numbers, macs)
		queueNotice(b, vault, delivery.CredentialAdded, now)
		return s.queueCredentialRecord(b, keys, audit.CredentialAdded, by, WayCard, now)
	})
	if err != nil {
		return PrintedCard{}, fmt.Errorf("issue a card: %w", Refused(err))
	}
	return PrintedCard{ID: s.deviceRef(vault, row.ID), Codes: drawn, IssuedAt: now}, nil
}

func (s *Server) queueCredentialRecord(b *pgx.Batch, keys *seal.Keys, kind audit.Kind, by audit.Actor, way Way, now time.Time) error {
	_, err := s.people.audit.Queue(b, keys, audit.Entry{Vault: keys.Vault(), Kind: kind, Actor: by, Reason: string(way)}, now)
	return err
}

// matchCard holds a code against the one entry that is asked for, and returns what uses it up; nil when it is not the one.
func (s *Server) matchCard(who *candidate, card *cardEntries, typed codes.Code) (use func(*pgx.Batch) error, err error) {
	row := who.held.one(WayCard)
	if row == nil || row.Counter == 0 {
		return nil, nil
	}
	asked := int16(row.Counter)
	at := slices.IndexFunc(card.rows, func(e cardEntry) bool { return e.Card == row.ID && e.Number == asked && !e.Used })
	if at < 0 || s.deployment.VerifyMAC("code_card_entries", entryColumns(row.Vault, row.ID, asked, typed), card.rows[at].MAC) != nil {
		return nil, nil
	}
	left := slices.DeleteFunc(card.unused(row.ID), func(n int) bool { return n == int(asked) })
	next, err := codes.Next(left)
	if err != nil {
		return nil, err
	}
	return func(b *pgx.Batch) error {
		now := s.calendar()
		row.queueUse(b, s.deployment, int64(next), row.Flags)
		b.Queue(sqlEntryUnused, row.Vault, row.ID, asked)
		b.Queue(sqlUseEntry, row.Vault, row.ID, asked, now)
		if len(left) == codes.CardLow || len(left) == 0 {
			queueNotice(b, row.Vault, delivery.CardLow, now)
		}
		return nil
	}, nil
}
