package auth

import (
	"encoding/base64"
	"net/http"
	"sync/atomic"
	"time"

	"vidan/seal"
)

// Nonces of proofs (RFC 9449 §8, §9) are stateless: one for each minute, the MAC of that minute under the deployment's key, so that every
// process knows those of every other and nobody can know one before it was given out. A proof with a nonce was made after that.
//
// What a proof must have:
//
//	no nonce      iat within 60 s of our clock; what is further off is asked for a nonce (use_dpop_nonce)
//	a nonce       one of the last five minutes, else a newer one is asked for; iat within a day: freshness is the nonce's, and a phone
//	              whose clock is wrong is no reason why somebody cannot sign in
//
// Config.RequireNonce asks for a nonce always. A client of an agency whose clock is more than 60 s ahead is refused in any case (FAPI 2.0
// Security Profile §5.3.2.1). A nonce is no secret and binds nothing: key, request and single use are the proof's own.
const (
	nonceMinutes = 5              // how many full minutes a nonce is good for after its own
	clockSpan    = 24 * time.Hour // how wrong the clock of somebody who shows a nonce may be
	nonceBytes   = 16

	headerNonce = "Dpop-Nonce" // canonical spelling of DPoP-Nonce, as net/http keeps it
	codeNonce   = "use_dpop_nonce"
)

// nonces gives out nonces and knows them again.
type nonces struct {
	deployment *seal.Deployment
	required   bool
	known      atomic.Pointer[nonceSet]
}

// nonceSet is what is good within one minute. It is not changed once made.
type nonceSet struct {
	minute int64
	texts  [nonceMinutes + 2]string // first that of the minute to come: a process whose clock is ahead may have given it out
	header []string                 // this minute's, as a header's values
}

// at returns the nonces that are good now. They are drawn once a minute.
func (n *nonces) at(now time.Time) *nonceSet {
	minute := now.Unix() / 60
	if set := n.known.Load(); set != nil && set.minute == minute {
		return set
	}
	set := &nonceSet{minute: minute}
	for i := range set.texts {
		set.texts[i] = n.of(minute + 1 - int64(i))
	}
	set.header = []string{set.texts[1]}
	n.known.Store(set)
	return set
}

// of is the nonce of one minute.
func (n *nonces) of(minute int64) string {
	mac := n.deployment.MAC("proof_ids", new(seal.Columns).Text("nonce").Int(minute))
	return base64.RawURLEncoding.EncodeToString(mac[len(mac)-nonceBytes:])
}

// until returns the last moment at which a nonce is good, which follows from the nonce alone, so that a proof that is shown again is looked
// for where it was left; false when it is none of ours, or too old.
func (n *nonces) until(nonce string, now time.Time) (time.Time, bool) {
	set := n.at(now)
	for i, text := range set.texts {
		if text == nonce {
			return time.Unix((set.minute+1-int64(i)+nonceMinutes)*60+59, 0), true
		}
	}
	return time.Time{}, false
}

// fresh decides whether a proof was made now, and returns the last moment at which it is acceptable. Errors: [ErrNonce], [ErrProof].
func (n *nonces) fresh(c *proofClaims, p Profile, now time.Time) (time.Time, error) {
	if p != App && !c.begun(now) {
		return time.Time{}, ErrProof
	}
	issued := c.IssuedAt.time()
	if c.Nonce == "" {
		ended := c.Expires != 0 && !now.Before(c.Expires.time())
		if n.required || ended || issued.Before(now.Add(-proofWindow)) || !c.begun(now) {
			return time.Time{}, ErrNonce
		}
		return issued.Add(proofWindow), nil
	}
	until, ok := n.until(c.Nonce, now)
	if !ok {
		return time.Time{}, ErrNonce
	}
	first, last := now.Add(-clockSpan), now.Add(clockSpan)
	for _, t := range []seconds{c.IssuedAt, c.NotBefore, c.Expires} {
		if t != 0 && (t.time().Before(first) || t.time().After(last)) {
			return time.Time{}, ErrProof
		}
	}
	return until, nil
}

// message is fresh for what a device signs, which must say when it ends: within life by our clock, or by its own clock with a nonce of ours.
func (n *nonces) message(w window, nonce string, life time.Duration, now time.Time) (time.Time, error) {
	if w.IssuedAt == 0 || w.Expires == 0 || w.Expires-w.IssuedAt > seconds(life/time.Second) {
		return time.Time{}, ErrDevice
	}
	if nonce == "" {
		if !w.holds(now, life) {
			return time.Time{}, ErrNonce
		}
		return w.Expires.time(), nil
	}
	until, ok := n.until(nonce, now)
	if !ok {
		return time.Time{}, ErrNonce
	}
	if off := w.IssuedAt.time().Sub(now); off.Abs() > clockSpan {
		return time.Time{}, ErrDevice
	}
	return until, nil
}

// Nonce returns the nonce that is given out now, for the DPoP-Nonce header of an answer.
func (s *Server) Nonce() string { return s.nonces.at(s.now()).header[0] }

// offerNonce puts the nonce of this minute into an answer. The values are shared: a header replaces them, and does not change them.
func (s *Server) offerNonce(h http.Header) { h[headerNonce] = s.nonces.at(s.now()).header }
