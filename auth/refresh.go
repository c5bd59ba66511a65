package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

const grantRefreshToken = "refresh_token"

// refreshRetry is how long a client whose answer was lost may send the same refresh token again (DESIGN §5).
const refreshRetry = 10 * time.Second

// A refresh token is a reference to its session with 256 random bits, sealed under the deployment: only the server makes one, it says
// where it belongs without a look-up, and what opens is surely ours. Of it the session keeps SHA-256.
//
// Of an agency's client (fapi2) it stays the same as long as the session lasts and is worth nothing without the client's assertion (FAPI 2.0
// Security Profile §5.3.2.1 forbids rotating it). Of an app it is bound to the DPoP key (RFC 9449 §5) and replaced at each use (RFC 9700
// §4.14.2): one token works at a time. The one used last may come again within [refreshRetry], since an answer may be lost: it gets another
// successor, and the one before is void. Any other is in two hands, and ends the session.
const (
	refreshKind   = "refresh"
	refreshLength = 16 + 16 + 32
	// A session whose person was asked for facts has the request behind that.
	refreshAsked = refreshLength + 16
)

const codeRefreshReused = "refresh_reused"

const (
	// sqlRotate is the one conditional update: of many who use a token at once, each finds what the one before left, and one successor
	// works. $3 client, $4 the token presented, $5 its successor, $6 key of the proof, $7 scopes asked for, $8 now, $9 since when a used token
	// may come again.
	sqlRotate = `update sessions set
  refresh_rotated_at = case when refresh_hash = $4 then $8 else refresh_rotated_at end,
  refresh_previous = $4,
  refresh_hash = $5
where vault_id = $1 and session_id = $2 and state = 'active' and expires_at > $8 and client_id = $3 and jkt = $6
  and (refresh_hash = $4 or refresh_previous = $4 and refresh_rotated_at > $9)
  and $7::text[] <@ string_to_array(scope, ' ')
returning level, amr, scope, coalesce(jkt, ''), auth_time, expires_at, mac`

	// $3 client, $4 the token presented, $5 scopes asked for, $6 now.
	sqlRefresh = `select level, amr, scope, coalesce(jkt, ''), auth_time, expires_at, mac from sessions
where vault_id = $1 and session_id = $2 and state = 'active' and expires_at > $6 and client_id = $3 and refresh_hash = $4
  and $5::text[] <@ string_to_array(scope, ' ')`

	// sqlRefreshPerson: the level of the session is still the person's. $3 is the sector of the client.
	sqlRefreshPerson = `select vidan_require(s.level is null or p.level >= s.level, 'insufficient_level'), coalesce(n.sub, '')
from (values ($1::uuid, $2::uuid, $3::text)) as a (vault_id, session_id, sector)
left join people p on p.vault_id = a.vault_id
left join sessions s on s.vault_id = a.vault_id and s.session_id = a.session_id
left join subjects n on n.vault_id = a.vault_id and n.sector = a.sector`

	sqlRefreshFault = `select state = 'active' and expires_at > $3, client_id, coalesce(jkt, ''), scope, coalesce(refresh_hash = $4, false)
from sessions where vault_id = $1 and session_id = $2`
)

// newRefresh draws a refresh token of a session.
func (s *Server) newRefresh(vault identity.VaultID, session identity.SessionID, request identity.RequestID) (token string, sum []byte) {
	v, n, q := vault.Bytes(), session.Bytes(), request.Bytes()
	var id [refreshAsked]byte
	copy(id[:], v[:])
	copy(id[16:], n[:])
	_, _ = rand.Read(id[32:refreshLength]) // never fails (crypto/rand)
	copy(id[refreshLength:], q[:])
	length := refreshLength
	if !request.IsZero() {
		length = refreshAsked
	}
	token = s.deployment.Ref(sessionSector, refreshKind, id[:length])
	return token, hashRefresh(token)
}

func hashRefresh(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// openRefresh reads whose refresh token it is; every other string is no token of ours.
func (s *Server) openRefresh(token string) (identity.VaultID, identity.SessionID, bool) {
	vault, session, _, ok := s.openAsked(token)
	return vault, session, ok
}

// openAsked is openRefresh with the request that the session's person was asked, zero for none.
func (s *Server) openAsked(token string) (vault identity.VaultID, session identity.SessionID, request identity.RequestID, ok bool) {
	id, err := s.deployment.OpenRef(sessionSector, refreshKind, token)
	if err != nil || len(id) != refreshLength && len(id) != refreshAsked {
		return vault, session, request, false
	}
	if len(id) == refreshAsked {
		request = identity.FromBytes[identity.RequestID]([16]byte(id[refreshLength:]))
	}
	return identity.FromBytes[identity.VaultID]([16]byte(id[:16])), identity.FromBytes[identity.SessionID]([16]byte(id[16:32])), request, true
}

// refreshed is what a request with a refresh token finds in its batch.
type refreshed struct {
	session   sessionRow
	found     bool
	sub       string
	presented []byte
	asked     []string           // nil: everything that was granted
	successor string             // empty where tokens do not rotate
	request   identity.RequestID // what the person was asked; zero: nothing
}

// refreshToken is the grant by which a sign-in goes on (RFC 6749 §6): one batch, and no reading before it.
func (s *Server) refreshToken(ctx context.Context, x *exchange) (step, error) {
	presented := x.form.Get("refresh_token")
	vault, session, request, ok := s.openAsked(presented)
	if !ok {
		return step{}, invalidGrant("the refresh token is not one of ours")
	}
	f := &refreshed{session: sessionRow{Vault: vault, ID: session, Client: x.client.ID}, presented: hashRefresh(presented), asked: []string{}, request: request}
	if scope := x.form.Get("scope"); scope != "" {
		if f.asked = strings.Fields(scope); len(f.asked) == 0 || !distinct(f.asked) {
			return step{}, errWider
		}
	}
	if request.IsZero() && x.form.Get(detailsParam) != "" {
		return step{}, errWiderDetails
	}
	return step{
		queue:  func(b *pgx.Batch) { s.queueRefresh(b, x, f) },
		answer: func() (tokenAnswer, error) { return s.refreshAnswer(ctx, x, f) },
		fault: func(refusal string) error {
			switch refusal {
			case codePersonBlocked, codeLevel:
				return errSignInEnded
			}
			return nil
		},
	}, nil
}

var (
	errWider       = &tokenError{http.StatusBadRequest, "invalid_scope", "a refresh can only ask for scopes that were granted, each once"}
	errSignInEnded = invalidGrant("the sign-in has ended")
)

func (s *Server) queueRefresh(b *pgx.Batch, x *exchange, f *refreshed) {
	r := &f.session
	person.QueueMaySignIn(b, r.Vault)
	b.Queue(sqlRefreshPerson, r.Vault, r.ID, x.client.sector).QueryRow(func(row pgx.Row) error { return row.Scan(nil, &f.sub) })
	found := func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&r.Level, &r.AMR, &r.Scope, &r.JKT, &r.AuthTime, &r.ExpiresAt, &r.MAC}, func() error {
			f.found = true
			return nil
		})
		return err
	}
	if x.client.Profile != App {
		b.Queue(sqlRefresh, r.Vault, r.ID, r.Client, f.presented, f.asked, x.now).Query(found)
		return
	}
	var sum []byte
	f.successor, sum = s.newRefresh(r.Vault, r.ID, f.request)
	b.Queue(sqlRotate, r.Vault, r.ID, r.Client, f.presented, sum, x.proof.jkt, f.asked, x.now, x.now.Add(-refreshRetry)).Query(found)
}

// refreshAnswer signs what the session is still worth. What the row says is believed with its MAC only.
func (s *Server) refreshAnswer(ctx context.Context, x *exchange, f *refreshed) (tokenAnswer, error) {
	if !f.found {
		return tokenAnswer{}, s.refreshFault(ctx, x, f)
	}
	r := &f.session
	if err := r.verify(s.deployment); err != nil {
		return tokenAnswer{}, err
	}
	if f.sub == "" {
		return tokenAnswer{}, fmt.Errorf("session %s has no subject: %w", r.ID, ErrToken)
	}
	// Scopes that were taken from the client since are not given again.
	scopes := f.asked
	if len(scopes) == 0 {
		scopes = strings.Fields(r.Scope)
	}
	scopes = slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return !slices.Contains(x.client.Scopes, scope) })
	if len(scopes) == 0 {
		return tokenAnswer{}, errWider
	}
	// What was granted is read only for a session that stands.
	details, err := s.detailsOf(ctx, x, f.request, r.Vault)
	if err != nil {
		return tokenAnswer{}, err
	}
	if err := s.prolong(ctx, r, x.now); err != nil {
		return tokenAnswer{}, err
	}
	answer, err := s.signInAnswer(x, r, f.sub, strings.Join(scopes, " "), "", details)
	answer.RefreshToken = f.successor
	return answer, err
}

// prolong moves the end of a session that is in use, when it has to move by a noticeable step.
func (s *Server) prolong(ctx context.Context, r *sessionRow, now time.Time) error {
	end := s.until(r, true, now)
	if end.Before(r.ExpiresAt.Add(sessionStep)) {
		return nil
	}
	old := r.MAC
	r.ExpiresAt = end
	r.MAC = s.deployment.MAC("sessions", r.columns())
	if _, err := s.pool.Exec(ctx, sqlProlongSession, r.Vault, r.ID, old, r.ExpiresAt, r.MAC); err != nil {
		return fmt.Errorf("prolong session %s: %w", r.ID, pg.Classify(err))
	}
	return nil
}

// refreshFault says why a refresh token of ours found no session that it opens, and ends the session when it is in two hands.
func (s *Server) refreshFault(ctx context.Context, x *exchange, f *refreshed) error {
	r := &f.session
	var lasts, current bool
	var client, jkt, scope string
	rows, err := s.pool.Query(ctx, sqlRefreshFault, r.Vault, r.ID, x.now, f.presented)
	if err != nil {
		return fmt.Errorf("refresh of session %s: %w", r.ID, pg.Classify(err))
	}
	tag, err := pgx.ForEachRow(rows, []any{&lasts, &client, &jkt, &scope, &current}, func() error { return nil })
	if err != nil {
		return fmt.Errorf("refresh of session %s: %w", r.ID, pg.Classify(err))
	}
	granted := strings.Fields(scope)
	switch {
	case tag.RowsAffected() == 0, !lasts:
		return errSignInEnded
	case client != x.client.ID:
		return invalidGrant("the refresh token was issued to another client")
	case x.client.Profile == App && jkt != x.proof.jkt:
		return invalidGrant("the refresh token is bound to another DPoP key")
	case slices.ContainsFunc(f.asked, func(scope string) bool { return !slices.Contains(granted, scope) }):
		return errWider
	case x.client.Profile != App, current:
		return invalidGrant("the refresh token is not valid any more")
	}
	err = s.endSession(ctx, unguarded{}, audit.Entry{
		Vault: r.Vault, Kind: audit.SessionEnded, Actor: audit.Actor{Client: x.client.ID}, Reason: codeRefreshReused,
	}, r.ID)
	if err != nil {
		return err
	}
	return invalidGrant("the refresh token was used before: the sign-in has ended")
}
