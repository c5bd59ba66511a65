package openapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vidan/identity"
)

// Session is a sign-in that lasts.
type Session struct {
	ID           string    `json:"session_id" doc:"sid of its access tokens."`
	Current      bool      `json:"current" doc:"Whether it is the session of this request."`
	ClientID     string    `json:"client_id"`
	ClientName   string    `json:"client_name" doc:"Name of the program that was signed in to."`
	Organisation string    `json:"organisation,omitempty" doc:"Who runs it; absent for an app."`
	Level        int       `json:"level" minimum:"1" maximum:"2" doc:"Account level of the sign-in."`
	AMR          []string  `json:"amr" doc:"How the person signed in (RFC 8176)."`
	Since        time.Time `json:"since"`
	Until        time.Time `json:"until" doc:"When it ends by itself, unless it is used before."`
	Lasting      bool      `json:"lasting" doc:"Whether the program can go on without the person: it has a refresh token."`
}

type sessionsOutput struct {
	Body struct {
		Items []Session `json:"items"`
	}
}

type endSessionInput struct {
	ID string `path:"id" maxLength:"200"`
}

type endSessionsInput struct {
	Others bool `query:"others" doc:"Spare the session of this request."`
}

func (a *API) registerSessions() {
	tags := []string{"citizen"}
	faults := []string{"keys_unavailable", "record_unavailable", "outcome_unknown"}
	operation(a, huma.Operation{OperationID: "list-sessions", Method: http.MethodGet, Path: "/v1/me/sessions", Tags: tags,
		Summary: "Where you are signed in", Description: "Sessions that last, newest first."}, citizen(1), nil, a.listSessions)
	operation(a, huma.Operation{OperationID: "end-session", Method: http.MethodDelete, Path: "/v1/me/sessions/{id}", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "End a session", Description: "No token of it works from the next request on. Ending it again changes nothing."},
		citizen(1), append([]string{codeNotFound}, faults...), a.endSession)
	operation(a, huma.Operation{OperationID: "end-sessions", Method: http.MethodDelete, Path: "/v1/me/sessions", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "End all sessions", Description: "No token of any works from the next request on; this session goes too, unless others=true."},
		citizen(1), faults, a.endSessions)
}

func (a *API) listSessions(ctx context.Context, _ *struct{}) (*sessionsOutput, error) {
	me := caller(ctx)
	sessions, err := a.Auth.Sessions(ctx, guarded(ctx), me.Vault)
	if err != nil {
		return nil, err
	}
	out := &sessionsOutput{}
	out.Body.Items = make([]Session, len(sessions))
	for i, s := range sessions {
		id, err := a.Auth.SessionID(me.Vault, s.ID)
		if err != nil {
			return nil, err
		}
		out.Body.Items[i] = Session{
			ID: s.ID, Current: id == me.Session, ClientID: s.Client, ClientName: s.ClientName, Organisation: s.Organisation,
			Level: s.Level, AMR: s.AMR, Since: s.Since, Until: s.Until, Lasting: s.Lasting,
		}
	}
	return out, nil
}

func (a *API) endSession(ctx context.Context, in *endSessionInput) (*struct{}, error) {
	me := caller(ctx)
	session, err := a.Auth.SessionID(me.Vault, in.ID)
	if err != nil {
		return nil, a.missing(ctx, guarded(ctx))
	}
	return nil, a.Auth.EndSession(ctx, guarded(ctx), reading(ctx, me.Vault).Actor, me.Vault, session)
}

func (a *API) endSessions(ctx context.Context, in *endSessionsInput) (*struct{}, error) {
	me := caller(ctx)
	var except identity.SessionID
	if in.Others {
		except = me.Session
	}
	return nil, a.Auth.EndAllSessions(ctx, guarded(ctx), reading(ctx, me.Vault).Actor, me.Vault, except)
}
