package openapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"

	"golang.org/x/text/language"
)

// request is what every answer needs to know of its request: never anything personal.
type request struct {
	id       string
	language string // "vi" or "en"
	issuer   string
}

type requestKey struct{}

func requestOf(ctx context.Context) request {
	if r, ok := ctx.Value(requestKey{}).(request); ok {
		return r
	}
	return request{language: "vi"}
}

// languages are matched in this order: Vietnamese unless the reader prefers English (A5).
var languages = language.NewMatcher([]language.Tag{language.Vietnamese, language.English})

func languageOf(header string) string {
	// Most requests say nothing or the plain word: no parsing for them.
	switch {
	case header == "", strings.HasPrefix(header, "vi"):
		return "vi"
	case header == "en":
		return "en"
	}
	if _, index := language.MatchStrings(languages, header); index == 1 {
		return "en"
	}
	return "vi"
}

// traceID takes the trace id of a W3C traceparent header, or makes one of the same form. What the caller sends
// is used only when it is exactly 32 hexadecimal digits, so that nothing else can travel into logs.
func traceID(r *http.Request) string {
	if parts := strings.Split(r.Header.Get("Traceparent"), "-"); len(parts) == 4 && isHex32(parts[1]) {
		return parts[1]
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails (Go 1.24)
	return hex.EncodeToString(b[:])
}

func isHex32(s string) bool {
	if len(s) != 32 || s == strings.Repeat("0", 32) {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// withRequest gives every request its id and language and every answer the headers that say so (A5, A8).
func withRequest(issuer string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := request{id: traceID(r), language: languageOf(r.Header.Get("Accept-Language")), issuer: issuer}
		h := w.Header()
		values := [...]string{req.id, req.language, "private, no-store", "nosniff"} // one allocation for all four; nothing is added to them
		h["X-Request-Id"], h["Content-Language"] = values[0:1:1], values[1:2:2]
		h["Cache-Control"], h["X-Content-Type-Options"] = values[2:3:3], values[3:4:4]
		h.Add("Vary", "Accept-Language")
		inner := r.WithContext(context.WithValue(r.Context(), requestKey{}, req))
		next.ServeHTTP(w, inner)
		r.Pattern = inner.Pattern // whoever counts requests outside sees the route that was taken
	})
}
