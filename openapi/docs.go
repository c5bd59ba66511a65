package openapi

import (
	_ "embed"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/swaggest/swgui/v5emb"
)

var (
	//go:embed page/index.html
	docsPage []byte
	//go:embed page/start.js
	docsScript []byte
)

// docsPolicy is the least with which the page works (seen in Chromium, which reports nothing it stops): its own scripts, its own style sheet, the
// pictures inside that, and reading the document. Nothing comes from elsewhere, nothing is sent anywhere, no script or style stands in the page.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Documents registers the API documents and the page that shows them.
func (a *API) Documents(mux *http.ServeMux) {
	mux.HandleFunc("GET /openapi.yaml", document(a.YAML))
	mux.HandleFunc("GET /openapi-3.0.yaml", document(a.YAML30))
	assets := v5emb.New("Vidan API", "/openapi.yaml", "/docs/")
	page := func(kind string, body []byte) http.HandlerFunc {
		tag := contentTag(body)
		return func(w http.ResponseWriter, r *http.Request) {
			docsHeader(w)
			serveTagged(w, r, kind, tag, body)
		}
	}
	mux.HandleFunc("GET /docs", page("text/html; charset=utf-8", docsPage))
	mux.HandleFunc("GET /docs/start.js", page("text/javascript; charset=utf-8", docsScript))
	mux.HandleFunc("GET /docs/{file}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("file") {
		case "swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png":
			docsHeader(w)
			w.Header().Set("Cache-Control", "public, max-age=3600")
			assets.ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	})
}

func docsHeader(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

// document serves one of the two documents; it is written when it is first asked for.
func document(write func() ([]byte, error)) http.HandlerFunc {
	once := sync.OnceValues(write)
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := once()
		if err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		serveTagged(w, r, "application/yaml", contentTag(body), body)
	}
}

func serveTagged(w http.ResponseWriter, r *http.Request, kind, tag string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("ETag", tag)
	if matches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(body) // the other side may have gone
}

func statusText(status string) string {
	n, err := strconv.Atoi(status)
	if err != nil {
		return strings.ToUpper(status)
	}
	return http.StatusText(n)
}
