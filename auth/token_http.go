package auth

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"vidan/internal/pg"
)

// maxForm bounds the body of a token request.
const maxForm = 32 << 10

// tokenError is an error answer of the token endpoint (RFC 6749 §5.2, RFC 9449 §5). The description is a constant: nothing of the
// request is repeated.
type tokenError struct {
	status      int
	code        string
	description string
}

func (e *tokenError) Error() string { return "auth: token request: " + e.code }

// invalidClient is a client that did not prove itself. A 401 would need a challenge (RFC 9110 §15.5.2), and client libraries show a challenge
// in place of the error; RFC 6749 §5.2 asks for one only of those who tried with an Authorization header.
func invalidClient(description string) *tokenError {
	return &tokenError{http.StatusBadRequest, "invalid_client", description}
}

func invalidRequest(description string) *tokenError {
	return &tokenError{http.StatusBadRequest, "invalid_request", description}
}

// clientFault makes an unknown client look like one that did not prove itself.
func clientFault(err error) error {
	if errors.Is(err, ErrNotRegistered) {
		return invalidClient("client_assertion does not verify")
	}
	return err
}

// serveToken is POST /oauth/token.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	s.offerNonce(w.Header())
	form, err := readForm(w, r)
	if err != nil {
		s.writeTokenError(w, r, err)
		return
	}
	answer, err := s.token(r, form)
	if err != nil {
		s.writeTokenError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// readForm reads a body of parameters, each at most once (RFC 6749 §3.2). Nothing is taken from the URL: it is logged by proxies.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, invalidRequest("the body must be application/x-www-form-urlencoded")
	}
	if r.URL.RawQuery != "" {
		return nil, invalidRequest("parameters belong into the body")
	}
	if len(r.Header.Values("Authorization")) != 0 {
		return nil, &tokenError{http.StatusUnauthorized, "invalid_client", "clients authenticate with " + authMethod + " in the body"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, &tokenError{http.StatusRequestEntityTooLarge, "invalid_request", "the body is too large"}
		}
		return nil, invalidRequest("the body could not be read")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidRequest("the body is not a form")
	}
	for _, values := range form {
		if len(values) != 1 {
			return nil, invalidRequest("a parameter is repeated")
		}
	}
	return form, nil
}

// writeTokenError answers err. What is not a fault of the request is logged and told as such, without detail.
func (s *Server) writeTokenError(w http.ResponseWriter, r *http.Request, err error) {
	var known *tokenError
	var wait *Throttled
	switch {
	case errors.As(err, &known):
	case errors.As(err, &wait):
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.RetryAfter.Seconds()))))
		known = &tokenError{http.StatusTooManyRequests, "temporarily_unavailable", "too many requests from this address"}
	case pg.Transient(err), errors.Is(err, pg.ErrOutcomeUnknown):
		s.log.WarnContext(r.Context(), "token request not served", "error", err)
		w.Header().Set("Retry-After", "1")
		known = &tokenError{http.StatusServiceUnavailable, "temporarily_unavailable", "try again with a new proof and assertion"}
	default:
		s.log.ErrorContext(r.Context(), "token request failed", "error", err)
		known = &tokenError{http.StatusInternalServerError, "server_error", "the request could not be served"}
	}
	if known.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", Challenge(nil)) // RFC 9110 §15.5.2: a 401 has one
	}
	writeJSON(w, known.status, map[string]string{"error": known.code, "error_description": known.description})
}

// writeJSON writes an answer that no cache may keep (RFC 6749 §5.1).
func writeJSON(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the other side may have gone
}
