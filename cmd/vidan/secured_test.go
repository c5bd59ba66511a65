package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestSecured: browsers are told to stay with https where there is https, and only there (FAPI 2.0 Security Profile §5.2).
func TestSecured(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{"https://id.example": "max-age=63072000; includeSubDomains", "http://127.0.0.1:8080": ""} {
		w := httptest.NewRecorder()
		secured(issuer, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if got := w.Header().Get("Strict-Transport-Security"); got != want {
			t.Errorf("%s: %q", issuer, got)
		}
	}
}
