package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/internal/pg"
)

const pathOwnKeys = "/oauth/keys"

// maxOwnKeys bounds the active keys of a client that adds its own.
const maxOwnKeys = 5

// Refusals of a change of keys, beside codeKeyEnded.
const (
	codeLastKey     = "last_key"
	codeTooManyKeys = "too_many_keys"
)

const (
	// sqlLockOwner keeps two changes of one client's keys from passing each other.
	sqlLockOwner = `select client_id from clients where client_id = $1 for update`

	// sqlOwnKeys locks them too: whoever ends a key at this moment comes before or after.
	sqlOwnKeys = `
select client_id, kid, state, public_jwk, created_at, ended_at, mac
from client_keys where client_id = $1 for update`
)

// ownKeysAnswer lists the kids that verify from now on.
type ownKeysAnswer struct {
	Active []string `json:"active"`
}

// serveOwnKeys is POST /oauth/keys: a client changes its own keys by overlap.
func (s *Server) serveOwnKeys(w http.ResponseWriter, r *http.Request) {
	form, err := readForm(w, r)
	var answer ownKeysAnswer
	if err == nil {
		answer, err = s.changeKeys(r.Context(), form)
	}
	if err != nil {
		s.writeTokenError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// changeKeys adds the key in jwk, a public JSON Web Key under a new kid, or ends the one that end_kid names, or both in this order, for a client
// that proves itself with a key that is active. The last key is never ended, and no kid comes back or changes its key. The rows say when; the log
// says with which key. Said again, what is done is done: a retry finds one key, added or ended once.
func (s *Server) changeKeys(ctx context.Context, form url.Values) (ownKeysAnswer, error) {
	var added *Key
	if jwk := form.Get("jwk"); jwk != "" {
		key, err := ParseKey([]byte(jwk))
		if err != nil || !printable(key.kid, maxID) {
			return ownKeysAnswer{}, invalidRequest("jwk is not a public key of an accepted kind with a kid")
		}
		added = key
	}
	end := form.Get("end_kid")
	if added == nil && end == "" || added != nil && added.kid == end {
		return ownKeysAnswer{}, invalidRequest("jwk adds a key, end_kid ends another; one of them is needed")
	}
	x, err := s.asked(ctx, form, func(x *exchange, _ *pgx.Batch) error {
		if x.key == nil {
			return invalidClient("this endpoint is for clients that prove themselves")
		}
		return nil
	})
	if err != nil {
		return ownKeysAnswer{}, err
	}
	answer, err := s.rotateOwn(ctx, x.client.ID, x.key.KID, added, end, x.now)
	switch pg.Refused(err) {
	case codeLastKey:
		return answer, invalidRequest("the last key is not ended by its client")
	case codeKeyEnded:
		return answer, invalidClient("the key has ended")
	case codeTooManyKeys:
		return answer, invalidRequest("end a key before another is added")
	}
	if errors.Is(err, ErrRegistered) {
		return answer, invalidRequest("the kid was used before")
	}
	if errors.Is(err, ErrNotRegistered) {
		return answer, invalidRequest("there is no key of that kid")
	}
	if err != nil {
		return answer, err
	}
	s.clients.entries.Invalidate(x.client.ID)
	s.log.InfoContext(ctx, "client changed its keys", "client", x.client.ID, "by", x.key.KID, "active", len(answer.Active))
	return answer, nil
}

// rotateOwn decides by the keys as they stand under the lock of the client.
func (s *Server) rotateOwn(ctx context.Context, client, by string, added *Key, end string, now time.Time) (answer ownKeysAnswer, err error) {
	var rows []clientKeyRow
	err = pg.Exchange(ctx, s.pool,
		func(b *pgx.Batch) error {
			b.Queue(sqlLockOwner, client)
			b.Queue(sqlOwnKeys, client).Query(func(found pgx.Rows) (err error) {
				rows, err = pgx.CollectRows(found, pgx.RowToStructByPos[clientKeyRow])
				return err
			})
			return nil
		},
		func(b *pgx.Batch) error {
			answer.Active = nil
			known, ending, may := added == nil, end == "", false
			for i := range rows {
				row := &rows[i]
				key, err := row.open(s.deployment)
				if err != nil {
					return fmt.Errorf("client %q: %w", client, err)
				}
				may = may || row.KID == by && row.State == stateActive
				if added != nil && row.KID == added.kid {
					if row.State != stateActive || key.public.thumb != added.thumb {
						return ErrRegistered
					}
					known = true
				}
				if row.KID == end {
					ending = true
					if row.State == stateActive {
						row.State, row.EndedAt = stateEnded, &now
						b.Queue(sqlEndClientKey, client, row.KID, now, s.deployment.MAC("client_keys", row.columns(key.public.thumb)))
					}
				}
				if row.State == stateActive {
					answer.Active = append(answer.Active, row.KID)
				}
			}
			if !may {
				return &pg.Refusal{Code: codeKeyEnded}
			}
			if !ending {
				return ErrNotRegistered
			}
			if !known {
				answer.Active = append(answer.Active, added.kid)
				if err := s.queueOwnKey(b, client, added, now); err != nil {
					return err
				}
			}
			switch n := len(answer.Active); {
			case n == 0:
				return &pg.Refusal{Code: codeLastKey}
			case n > maxOwnKeys:
				return &pg.Refusal{Code: codeTooManyKeys}
			}
			return nil
		})
	if err != nil {
		return ownKeysAnswer{}, fmt.Errorf("keys of client %q: %w", client, err)
	}
	return answer, nil
}

func (s *Server) queueOwnKey(b *pgx.Batch, client string, key *Key, now time.Time) error {
	public, err := key.JWK()
	if err != nil {
		return err
	}
	row := clientKeyRow{Client: client, KID: key.kid, State: stateActive, CreatedAt: now}
	b.Queue(sqlInsertClientKey, client, key.kid, public, now, s.deployment.MAC("client_keys", row.columns(key.thumb)))
	return nil
}
