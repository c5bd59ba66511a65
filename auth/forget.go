package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pg"
)

// Rows of one-time things stay longer than they work, so that a second use is told from an unknown name: a code that comes again ends its
// session for a day. Afterwards they are forgotten. How long each table keeps them stands in vidan_forget (migrations), the one way in which
// the service deletes them.
const (
	forgetRows   = 5000 // of each table in one transaction: some milliseconds
	forgetRounds = 20
)

const sqlForget = `select vidan_forget($1, $2)`

// ForgetSpent deletes sign-ins, codes, pushed requests, lanes of throttles, activation codes and idempotency references whose time is long over, and
// returns how many. It runs every minute in every process; one of them does the work. What one run leaves the next takes.
func ForgetSpent(ctx context.Context, pool *pgxpool.Pool, now time.Time) (gone int64, err error) {
	for range forgetRounds {
		var n int64
		err := pg.InTx(ctx, pool, func(tx pgx.Tx) error {
			var mine bool
			if err := tx.QueryRow(ctx, sqlTryRotation, int64(pg.NewLockKey("forget spent rows"))).Scan(&mine); err != nil || !mine {
				return err
			}
			return tx.QueryRow(ctx, sqlForget, now, forgetRows).Scan(&n)
		})
		if err != nil {
			return gone, fmt.Errorf("forget spent rows: %w", err)
		}
		gone += n
		if n < forgetRows { // every table gave less than its most
			break
		}
	}
	return gone, nil
}
