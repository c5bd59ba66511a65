package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/seal"
)

// Failed sign-ins are counted in lanes, each a row that all processes share. Every attempt is charged before anything is compared, so that a
// hundred guesses at once are as few as five in a row; a right passphrase gets its charge back. A lane that is full refuses every attempt
// unread, also the right one, until its block is over; what is refused unread is not counted.
//
// Nobody can shut another person out of what is already theirs. A browser in which the person has signed in before carries a sealed
// cookie and has a lane of its own: what strangers do to the account, from whatever address, does not count there. What a registered device
// or a passkey signs is not throttled at all: it stands on a signature, which is not guessed. Codes of displays and cards have lanes apart from
// those of the passphrase, and a browser in which a sign-in of level 2 has ended has one of its own there too.
type lane struct {
	bucket []byte
	limit  int           // failures within window
	window time.Duration // counted from the first failure
	block  time.Duration
	reset  bool // a right passphrase empties the lane
}

// The limits. An account withstands 100 guesses a day from all addresses together, then one every 15 minutes (NIST SP 800-63B-4 §3.2.2).
const (
	pairLimit, pairWindow, pairBlock          = 5, 15 * time.Minute, 15 * time.Minute      // account and address
	browserLimit                              = 10                                         // account and known browser
	accountLimit, accountWindow, accountBlock = 100, 24 * time.Hour, 15 * time.Minute      // account
	addressLimit, addressWindow, addressBlock = 100, 15 * time.Minute, 15 * time.Minute    // address: many people may share one
	clientLimit, clientWindow, clientBlock    = 5000, 15 * time.Minute, time.Minute        // client
	globalLimit, globalWindow, globalBlock    = 20_000, 15 * time.Minute, 10 * time.Second // all together, but known browsers
	factorLimit, factorWindow, factorBlock    = 20, 24 * time.Hour, 15 * time.Minute       // codes of an account: six digits, three of which may be right at a time
	beginLimit, beginWindow, beginBlock       = 3000, 15 * time.Minute, time.Minute        // sign-ins begun by an address
)

// Throttled is the error of an attempt that was refused unread.
type Throttled struct{ RetryAfter time.Duration }

func (t *Throttled) Error() string {
	return fmt.Sprintf("auth: too many attempts: again in %s", t.RetryAfter.Round(time.Second))
}

const codeThrottled = "throttled"

const (
	sqlUnblocked = `select vidan_require(not exists (
  select from throttles where bucket = any($1) and blocked_until > $2), 'throttled')`

	// $1 bucket, $2 now, $3 window, $4 limit, $5 block. No row: it was blocked by another attempt a moment ago.
	sqlCharge = `insert into throttles (bucket, failures, window_start, blocked_until) values ($1, 1, $2, $2)
  on conflict (bucket) do update set
    failures = case when throttles.window_start + $3::interval <= $2 then 1 else throttles.failures + 1 end,
    window_start = case when throttles.window_start + $3::interval <= $2 then $2 else throttles.window_start end,
    blocked_until = case when throttles.window_start + $3::interval > $2 and throttles.failures + 1 >= $4::int
      then $2::timestamptz + $5::interval else throttles.blocked_until end
  where throttles.blocked_until <= $2`

	// sqlRefund takes a charge back, and with it the block that it may have set.
	sqlRefund = `update throttles set failures = case when $2 then 0 else greatest(failures - 1, 0) end, blocked_until = window_start
  where bucket = $1`

	sqlBlockedUntil = `select max(blocked_until) from throttles where bucket = any($1)`
)

// bucket names a lane by what it counts, without telling it.
func (s *Server) bucket(kind string, parts ...[]byte) []byte {
	c := new(seal.Columns).Text(kind)
	for _, part := range parts {
		c.Bytes(part)
	}
	return s.deployment.MAC("throttles", c)
}

// account is what stands for a personal number in lanes and in the cookie of a known browser, whether or not anybody has the number.
func (s *Server) account(n identity.PersonalNumber) []byte {
	return s.bucket("account", []byte(n.Reveal()))
}

// lanes of a sign-in. browser is the id of a browser that is known for this account, or nil.
func (s *Server) lanes(account []byte, client, address string, browser []byte) []lane {
	if browser != nil {
		return []lane{{s.bucket("browser", account, browser), browserLimit, pairWindow, pairBlock, true}}
	}
	return sorted([]lane{
		{s.bucket("pair", account, []byte(address)), pairLimit, pairWindow, pairBlock, true},
		{account, accountLimit, accountWindow, accountBlock, false},
		{s.bucket("address", []byte(address)), addressLimit, addressWindow, addressBlock, false},
		{s.bucket("client", []byte(client)), clientLimit, clientWindow, clientBlock, false},
		{s.bucket("global"), globalLimit, globalWindow, globalBlock, false},
	})
}

// factorLanes of a code that is typed after a right passphrase. browser is the id of a browser that is known for second factors, or nil.
func (s *Server) factorLanes(vault identity.VaultID, client, address string, browser []byte) []lane {
	of := vault.Bytes()
	if browser != nil {
		return []lane{{s.bucket("factor-browser", of[:], browser), browserLimit, pairWindow, pairBlock, true}}
	}
	return sorted([]lane{
		{s.bucket("factor-pair", of[:], []byte(address)), pairLimit, pairWindow, pairBlock, true},
		{s.bucket("factor", of[:]), factorLimit, factorWindow, factorBlock, false},
		{s.bucket("address", []byte(address)), addressLimit, addressWindow, addressBlock, false},
		{s.bucket("client", []byte(client)), clientLimit, clientWindow, clientBlock, false},
		{s.bucket("global"), globalLimit, globalWindow, globalBlock, false},
	})
}

// activationLanes are those of one-time codes, which have five tries of their own: nobody else may use them up from one place.
func (s *Server) activationLanes(account []byte, address string) []lane {
	return sorted([]lane{
		{s.bucket("activate-pair", account, []byte(address)), pairLimit, pairWindow, pairBlock, true},
		{s.bucket("activate-address", []byte(address)), addressLimit, addressWindow, addressBlock, false},
	})
}

// beginLanes are those of requests that anybody can send: each leaves a row. A town hall, a school or a mobile network shares one address.
func (s *Server) beginLanes(address string) []lane {
	return []lane{{s.bucket("begin", []byte(address)), beginLimit, beginWindow, beginBlock, false}}
}

// sorted is the one order in which lanes are locked.
func sorted(lanes []lane) []lane {
	slices.SortFunc(lanes, func(a, b lane) int { return bytes.Compare(a.bucket, b.bucket) })
	return lanes
}

// charges are the charges of one attempt, queued in its first batch.
type charges struct {
	lanes []lane
	lost  bool
}

// queueCharges refuses the batch with the code throttled when a lane is blocked, and charges each.
func queueCharges(b *pgx.Batch, lanes []lane, now time.Time) *charges {
	c := &charges{lanes: lanes}
	b.Queue(sqlUnblocked, c.buckets(), now)
	for _, l := range lanes {
		query := b.Queue(sqlCharge, l.bucket, now, l.window, l.limit, l.block)
		query.Fn = func(br pgx.BatchResults) error {
			tag, err := br.Exec()
			c.lost = c.lost || err == nil && tag.RowsAffected() == 0
			return err
		}
	}
	return c
}

func (c *charges) buckets() [][]byte {
	all := make([][]byte, len(c.lanes))
	for i, l := range c.lanes {
		all[i] = l.bucket
	}
	return all
}

// queueRefund gives the charges back to somebody who was right.
func (c *charges) queueRefund(b *pgx.Batch) {
	for _, l := range c.lanes {
		b.Queue(sqlRefund, l.bucket, l.reset)
	}
}

// throttled turns the refusal of a full lane into [Throttled], and leaves other errors as they are.
func (s *Server) throttled(ctx context.Context, c *charges, err error, now time.Time) error {
	if pg.Refused(err) != codeThrottled && !(err == nil && c.lost) {
		return err
	}
	var until *time.Time
	if err := s.pool.QueryRow(ctx, sqlBlockedUntil, c.buckets()).Scan(&until); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("throttle: %w", pg.Classify(err))
	}
	wait := time.Second
	if until != nil {
		wait = max(until.Sub(now), wait)
	}
	return &Throttled{RetryAfter: wait}
}
