package openapi

import (
	"context"
	"encoding/binary"
	"mime"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"vidan/audit"
	"vidan/identity"
	"vidan/intake"
)

// mediaType returns the type of a Content-Type header without its parameters.
func mediaType(header string) string {
	t, _, err := mime.ParseMediaType(header)
	if err != nil {
		return ""
	}
	return t
}

type httpRequestKey struct{}

// withHTTP keeps the request for the parts of it that only package auth reads: signed headers.
func withHTTP(hctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(hctx)
	next(huma.WithValue(hctx, httpRequestKey{}, r))
}

// next is the Link header that leads to the next page (RFC 8288): the same request with its cursor.
func (a *API) next(ctx context.Context, cursor string) string {
	r, ok := ctx.Value(httpRequestKey{}).(*http.Request)
	if !ok || cursor == "" {
		return ""
	}
	query := r.URL.Query()
	query.Set("cursor", cursor)
	return "<" + a.Issuer + r.URL.EscapedPath() + "?" + query.Encode() + `>; rel="next"`
}

// officer reads the assertion that names the officer behind a call, and the level at which they signed in, 0 where it says nothing; it is required
// wherever a person is touched.
func (a *API) officer(ctx context.Context) (officer audit.Officer, level int, err error) {
	r, ok := ctx.Value(httpRequestKey{}).(*http.Request)
	if !ok {
		return audit.Officer{}, 0, newProblem(ctx, "officer_assertion_required")
	}
	return a.Auth.OfficerLevel(r, caller(ctx))
}

// Cursors are sealed for the sector of their reader, as every id that leaves (E4).
const quarantineCursorKind = "quarantine-page"

func (a *API) quarantineCursor(ctx context.Context, cursor string) (*intake.Entry, error) {
	if cursor == "" {
		return nil, nil
	}
	raw, err := a.Deployment.OpenRef(caller(ctx).Sector, quarantineCursorKind, cursor)
	if err != nil || len(raw) != 24 {
		return nil, newProblem(ctx, codeInvalidRequest, Fault{Pointer: "cursor", Code: "invalid"})
	}
	return &intake.Entry{
		Deadline: time.UnixMicro(int64(binary.BigEndian.Uint64(raw))), ID: identity.FromBytes[identity.ObjectID]([16]byte(raw[8:])),
	}, nil
}

func (a *API) quarantineNext(ctx context.Context, last intake.Entry) string {
	id := last.ID.Bytes()
	raw := binary.BigEndian.AppendUint64(nil, uint64(last.Deadline.UnixMicro()))
	return a.Deployment.Ref(caller(ctx).Sector, quarantineCursorKind, append(raw, id[:]...))
}
