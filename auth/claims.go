package auth

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

// errClaims reports a payload that is not a JSON object of the expected members, or repeats one.
var errClaims = errors.New("auth: claims are not a plain JSON object")

// decodeClaims reads the claims of a verified message. Names are compared exactly and a repeated one is refused
// (go-jose's decoder); members that are not asked for are ignored, as RFC 7519 §4 demands.
func decodeClaims(payload []byte, into any) error {
	if len(payload) == 0 || payload[0] != '{' {
		return errClaims // a message of ours and of every library begins with the object itself
	}
	if json.Unmarshal(payload, into) != nil {
		return errClaims
	}
	return nil
}

// seconds is a NumericDate (RFC 7519 §2): seconds since 1970. A fraction is cut off; zero means the claim is absent.
type seconds int64

// UnmarshalJSON accepts a positive JSON number below the year 10000.
func (s *seconds) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(string(text), 64)
		if err != nil || math.IsNaN(f) {
			return errClaims
		}
		n = int64(min(max(f, 0), 1<<53))
	}
	if n <= 0 || n > 253402300799 {
		return errClaims
	}
	*s = seconds(n)
	return nil
}

func (s seconds) time() time.Time { return time.Unix(int64(s), 0) }

// window is the part of the claims that bounds a message in time.
type window struct {
	IssuedAt  seconds `json:"iat"`
	NotBefore seconds `json:"nbf"`
	Expires   seconds `json:"exp"`
}

// skew is how far two clocks may be apart (RFC 7519 §4.1.4 allows "a small leeway").
const skew = 60 * time.Second

// holds reports whether a message that must expire is valid at now and lives no longer than life, seen from now.
func (w window) holds(now time.Time, life time.Duration) bool {
	exp := w.Expires.time()
	return w.Expires != 0 && now.Before(exp) && !exp.After(now.Add(life+skew)) && w.begun(now)
}

// begun reports whether neither iat nor nbf, where present, lies in the future.
func (w window) begun(now time.Time) bool {
	limit := seconds(now.Add(skew).Unix())
	return w.IssuedAt <= limit && w.NotBefore <= limit
}
