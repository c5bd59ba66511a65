package person

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// Kind says what somebody is to the register.
type Kind string

const (
	// Citizen has, or will have, a personal number.
	Citizen Kind = "citizen"
	// Foreigner is lawfully in the country: one account, no levels (Decree 69/2024 Art. 7).
	Foreigner Kind = "foreigner"
	// Pending is a newborn whose paper came before their number.
	Pending Kind = "pending"
)

// Life says what is known of somebody's life.
type Life string

const (
	// Alive is everybody of whom no death was reported.
	Alive Life = "alive"
	// DeathReported is not confirmed yet; the person may still say that they live.
	DeathReported Life = "death_reported"
	// Dead is confirmed.
	Dead Life = "dead"
)

// Profile is what the register says of a person.
type Profile struct {
	Name      identity.Name
	BirthDate identity.PartialDate
	Sex       identity.Sex
	Number    identity.PersonalNumber // zero: pending
	Level     int                     // of the account: 0 none, 1, 2 (Decree 69/2024 Art. 7)
	Kind      Kind
	Life      Life
	// Mother and Notice are known of people who came by a birth certificate: a number that is proposed for them is held against both.
	Mother identity.PersonalNumber
	Notice identity.BirthNotice
	// Ward says that the person is represented whatever their age; Representative is who opened their account, if somebody had to.
	Ward           bool
	Representative Representative
}

const (
	sqlPerson = `select level, kind, life, sealed_profile from people where vault_id = $1`

	sqlNumber = `select ` + identifierColumns + `, i.sealed from identifiers i
  where i.vault_id = $1 and i.kind = 'personal_number' and i.state = 'active' and i.valid_until is null`
)

// sealedProfile is what lies in people.sealed_profile. The level stands in it too: raising the column alone raises nothing.
type sealedProfile struct {
	Name      string `json:"name"`
	BirthDate string `json:"birth_date,omitempty"`
	Sex       string `json:"sex,omitempty"`
	Level     int    `json:"level,omitempty"`
	Mother    string `json:"mother,omitempty"`
	Notice    string `json:"notice,omitempty"`

	Ward           bool                  `json:"ward,omitempty"`
	Representative *sealedRepresentative `json:"representative,omitempty"`
}

func profilePlace(vault identity.VaultID) seal.Place {
	return seal.Place{Table: "people", Column: "sealed_profile", Vault: vault}
}

// sealProfile seals as a message, whose padding blurs how long a name is.
func sealProfile(keys *seal.Keys, p Profile) ([]byte, error) {
	value, err := json.Marshal(sealedProfile{
		Name: p.Name.Reveal(), BirthDate: p.BirthDate.Reveal(), Sex: string(p.Sex), Level: p.Level,
		Mother: p.Mother.Reveal(), Notice: p.Notice.Reveal(), Ward: p.Ward, Representative: p.Representative.sealed(),
	})
	if err != nil {
		return nil, err
	}
	return keys.SealMessage(seal.Content, profilePlace(keys.Vault()), value)
}

func openProfile(keys *seal.Keys, sealed []byte) (Profile, error) {
	value, err := keys.OpenMessage(seal.Content, profilePlace(keys.Vault()), sealed)
	if err != nil {
		return Profile{}, err
	}
	var s sealedProfile
	if err := json.Unmarshal(value, &s); err != nil {
		return Profile{}, fmt.Errorf("profile of vault %s: %w", keys.Vault(), seal.ErrSealed)
	}
	p := Profile{Sex: identity.Sex(s.Sex), Level: s.Level, Ward: s.Ward, Representative: s.Representative.representative()}
	for _, parse := range []func() error{
		func() (err error) { p.Name, err = identity.ParseName(s.Name); return err },
		optional(s.BirthDate, &p.BirthDate, identity.ParsePartialDate),
		optional(s.Mother, &p.Mother, identity.ParsePersonalNumber),
		optional(s.Notice, &p.Notice, identity.ParseBirthNotice),
	} {
		if err := parse(); err != nil {
			return Profile{}, fmt.Errorf("profile of vault %s: %w", keys.Vault(), err)
		}
	}
	return p, nil
}

func optional[T any](s string, to *T, parse func(string) (T, error)) func() error {
	return func() (err error) {
		if s != "" {
			*to, err = parse(s)
		}
		return err
	}
}

// personRow is a row of people without its seal.
type personRow struct {
	level     int
	kind      Kind
	life      Life
	sealed    []byte
	blocked   bool             // read by sight alone
	preferred delivery.Channel // read by sight alone
}

func scanPerson(row pgx.CollectableRow) (personRow, error) {
	var p personRow
	err := row.Scan(&p.level, &p.kind, &p.life, &p.sealed)
	return p, err
}

func (p personRow) open(keys *seal.Keys) (Profile, error) {
	profile, err := openProfile(keys, p.sealed)
	if err != nil {
		return Profile{}, err
	}
	if profile.Level != p.level {
		return Profile{}, fmt.Errorf("level of vault %s: %w", keys.Vault(), seal.ErrTampered)
	}
	profile.Kind, profile.Life = p.kind, p.life
	return profile, nil
}

// ProfileReading is a profile under way: QueueProfile starts it in a batch of the caller's, Result is read after the batch.
type ProfileReading struct {
	r       *Registry
	vault   identity.VaultID
	people  []personRow
	numbers []numberRow
}

type numberRow struct {
	identifierRow
	sealed []byte
}

func scanNumber(row pgx.CollectableRow) (numberRow, error) {
	var n numberRow
	var err error
	n.identifierRow, err = scanIdentifier(alsoScan{row, &n.sealed})
	return n, err
}

// alsoScan reads one more column behind those of scanIdentifier.
type alsoScan struct {
	pgx.CollectableRow
	last *[]byte
}

func (s alsoScan) Scan(dest ...any) error { return s.CollectableRow.Scan(append(dest, s.last)...) }

// QueueProfile reads a profile in a batch of the caller's, which records the reading if it leaves the server.
func (r *Registry) QueueProfile(b *pgx.Batch, vault identity.VaultID) *ProfileReading {
	p := &ProfileReading{r: r, vault: vault}
	b.Queue(sqlPerson, vault).Query(func(rows pgx.Rows) (err error) {
		p.people, err = pgx.CollectRows(rows, scanPerson)
		return err
	})
	b.Queue(sqlNumber, vault).Query(func(rows pgx.Rows) (err error) {
		p.numbers, err = pgx.CollectRows(rows, scanNumber)
		return err
	})
	return p
}

// Result opens the profile. Errors: [ErrNotFound]; [seal.ErrSealed] and [seal.ErrTampered] for rows that were altered.
func (p *ProfileReading) Result(keys *seal.Keys) (Profile, error) {
	if len(p.people) == 0 || keys.Vault() != p.vault {
		return Profile{}, ErrNotFound
	}
	profile, err := p.people[0].open(keys)
	if err != nil {
		return Profile{}, err
	}
	if len(p.numbers) > 0 { // one per PRF key, all of the same number
		profile.Number, err = p.r.openNumber(p.numbers[0])
	}
	return profile, err
}

func (r *Registry) openNumber(n numberRow) (identity.PersonalNumber, error) {
	if err := r.believe([]identifierRow{n.identifierRow}); err != nil {
		return identity.PersonalNumber{}, err
	}
	value, err := r.deployment.Open(seal.Waiting, identifierPlace(n.digest), n.sealed)
	if err != nil {
		return identity.PersonalNumber{}, err
	}
	var s sealedIdentifier
	if err := json.Unmarshal(value, &s); err != nil || len(s.Parts) != 1 {
		return identity.PersonalNumber{}, fmt.Errorf("number of vault %s: %w", n.vault, seal.ErrSealed)
	}
	return identity.ParsePersonalNumber(s.Parts[0])
}

// Profile reads one profile in one round trip.
func (r *Registry) Profile(ctx context.Context, db pg.Sender, keys *seal.Keys) (Profile, error) {
	b := new(pgx.Batch)
	reading := r.QueueProfile(b, keys.Vault())
	if err := pg.Pipeline(ctx, db, b); err != nil {
		return Profile{}, fmt.Errorf("profile of vault %s: %w", keys.Vault(), err)
	}
	return reading.Result(keys)
}
