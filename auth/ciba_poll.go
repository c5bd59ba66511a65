package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// Answers of the token endpoint to a client that polls (CIBA Core §11).
var (
	errPending   = &tokenError{http.StatusBadRequest, "authorization_pending", "nobody has answered yet"}
	errSlowDown  = &tokenError{http.StatusBadRequest, "slow_down", "nobody has answered yet; wait five seconds longer between two polls from now on"}
	errAskedOver = &tokenError{http.StatusBadRequest, "expired_token", "the time of this question is over"}
	errSaidNo    = &tokenError{http.StatusBadRequest, errorDenied, "the person said no"}
	errAskedID   = invalidGrant("auth_req_id is not one of this client's, or was used")
)

// backchannel is the grant by which a client collects what came of a question (CIBA Core §10.1). The token is issued when the person picked the right
// number and has answered the request; of many polls at once one gets it. A phone alone is one factor: the session is of level 1.
func (s *Server) backchannel(ctx context.Context, x *exchange) (step, error) {
	if x.key == nil {
		return step{}, &tokenError{http.StatusBadRequest, "unauthorized_client", "this client asks nobody on the back channel"}
	}
	id := x.form.Get("auth_req_id")
	if id == "" {
		return step{}, invalidRequest("auth_req_id is needed")
	}
	row, err := s.readBackchannel(ctx, sqlBackchannel, hashRequest(id))
	switch {
	case errors.Is(err, errNoBackchannel):
		return step{}, errAskedID
	case err != nil:
		return step{}, err
	case row.Client != x.client.ID, row.State == backUsed, row.JKT != "" && row.JKT != x.proof.jkt:
		return step{}, errAskedID
	case row.State == backDenied:
		return step{}, errSaidNo
	case !x.now.Before(row.ExpiresAt):
		return step{}, errAskedOver
	}
	// Read for everybody, so that who waits for a number takes as long as who waits for an answer.
	told, err := s.consent.Told(ctx, row.Request, row.Vault)
	if err != nil {
		return step{}, fmt.Errorf("poll of client %q: %w", x.client.ID, err)
	}
	switch {
	case row.State != backAllowed || told.State == consent.Asked:
		return row.pending(x.now), nil
	case told.State != consent.Allowed:
		return step{}, errSaidNo
	}
	return s.collect(ctx, x, row)
}

// next is what a poll is told that came before an answer, and the pause from then on.
func (r *backchannelRow) next(now time.Time) (pause int, told error) {
	if r.PolledAt != nil && now.Before(r.PolledAt.Add(time.Duration(r.Pause)*time.Second)) {
		return min(r.Pause+backchannelPause, maxPause), errSlowDown
	}
	return r.Pause, errPending
}

// pending answers a poll that came before an answer, and notes it.
func (r *backchannelRow) pending(now time.Time) step {
	pause, told := r.next(now)
	return step{
		queue:  func(b *pgx.Batch) { b.Queue(sqlPolled, r.Hash, now, pause) },
		answer: func() (tokenAnswer, error) { return tokenAnswer{}, told },
	}
}

// collect begins the session and issues its token, in the batch that uses the question up.
func (s *Server) collect(ctx context.Context, x *exchange, row backchannelRow) (step, error) {
	details, err := s.detailsOf(ctx, x, row.Request, row.Vault)
	if err != nil {
		return step{}, err
	}
	keys, err := s.people.vaults.OpenOne(ctx, s.pool, row.Vault)
	if err != nil {
		return step{}, fmt.Errorf("poll of client %q: %w", x.client.ID, err)
	}
	record, err := s.people.audit.Row(keys, audit.Entry{
		Vault: row.Vault, Kind: audit.SignIn, Actor: audit.Actor{Vault: row.Vault, Client: row.Client}, Reason: "asked_on_phone",
	}, s.calendar())
	if err != nil {
		return step{}, err
	}
	session := sessionRow{
		Vault: row.Vault, ID: identity.NewID[identity.SessionID](), Client: row.Client, Level: 1, AMR: []string{MethodDevice}, Scope: row.Scope,
		AuthTime: x.now, ExpiresAt: x.now.Add(codeLife),
	}
	lasting := slices.Contains(strings.Fields(row.Scope), ScopeOffline)
	bound := session
	bound.JKT, bound.ExpiresAt = x.proof.jkt, s.until(&session, lasting, x.now)
	bound.MAC = s.deployment.MAC("sessions", bound.columns())
	var refresh string
	var refreshSum []byte
	if lasting {
		refresh, refreshSum = s.newRefresh(row.Vault, session.ID, row.Request)
	}
	var subject *Subject
	return step{
		queue: func(b *pgx.Batch) {
			row.queueMove(b, s.deployment, backUsed, x.now)
			person.QueueGoodStanding(b, row.Vault)
			b.Queue(sqlLevelStands, row.Vault, session.Level)
			session.queueInsert(b, s.deployment)
			b.Queue(sqlBindSession, row.Vault, session.ID, bound.JKT, bound.ExpiresAt, refreshSum, bound.MAC)
			subject = QueueSubject(b, x.client.sector, row.Vault, x.now)
			record.Queue(b)
		},
		answer: func() (tokenAnswer, error) {
			answer, err := s.signInAnswer(x, &bound, subject.Sub(), row.Scope, "", details)
			answer.RefreshToken = refresh
			return answer, err
		},
		fault: func(refusal string) error {
			switch refusal {
			case codeBackchannelMoved:
				return errAskedID
			case codePersonBlocked, codeLevel:
				pause, told := row.next(x.now) // S1: who was blocked since is silent
				if _, err := s.pool.Exec(ctx, sqlPolled, row.Hash, x.now, pause); err != nil {
					return fmt.Errorf("poll of client %q: %w", x.client.ID, pg.Classify(err))
				}
				return told
			}
			return nil
		},
	}, nil
}
