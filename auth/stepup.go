package auth

import (
	"fmt"
	"strconv"
	"time"
)

// StepUp is the error of an act for which the sign-in behind a token is too weak or too long ago (RFC 9470). A client that repeats its
// authorization request with the acr_values and max_age of the challenge gets a token that will do, or is told that there is none. It is
// [ErrLevel] too.
type StepUp struct {
	Level  int           // least account level of the session, 1 or 2
	MaxAge time.Duration // how long ago the sign-in may be; zero: any time
}

func (e *StepUp) Error() string {
	return fmt.Sprintf("auth: needs level %d within %s", e.Level, e.MaxAge)
}

// Is makes a StepUp an [ErrLevel].
func (e *StepUp) Is(target error) bool { return target == ErrLevel }

// challenge is the auth-params of RFC 9470 §3.
func (e *StepUp) challenge() string {
	params := `DPoP error="insufficient_user_authentication", error_description="sign in again, as asked for here", acr_values="` + acrOf(e.Level) + `"`
	if e.MaxAge > 0 {
		params += `, max_age="` + strconv.Itoa(int(e.MaxAge/time.Second)) + `"`
	}
	return params
}

// Require returns a [*StepUp] unless the principal is a person whose sign-in has the level and, where within is not zero, is not older.
func (p *Principal) Require(level int, within time.Duration) error {
	return p.require(level, within, p.server.now())
}

func (p *Principal) require(level int, within time.Duration, now time.Time) error {
	if p.Kind != Citizen || p.Level < level || within > 0 && now.Sub(p.AuthTime) > within {
		return &StepUp{Level: level, MaxAge: within}
	}
	return nil
}
