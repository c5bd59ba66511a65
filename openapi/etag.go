package openapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// contentTag is a strong entity tag (RFC 9110 §8.8.3) of public content.
func contentTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`
}

// tagIn is the tag of something in the reader's language: two languages are two representations (RFC 9110 §8.8.3).
func tagIn(ctx context.Context, tag string) string {
	if requestOf(ctx).language == "vi" || tag == "" {
		return tag
	}
	return strings.TrimSuffix(tag, `"`) + `-` + requestOf(ctx).language + `"`
}

// matches reports whether an If-None-Match header names the tag, by weak comparison (RFC 9110 §13.1.2).
func matches(header, tag string) bool {
	if header == "*" {
		return true
	}
	for candidate := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(candidate), "W/") == tag {
			return true
		}
	}
	return false
}

// base64url is base64url without padding (RFC 7515 §2).
func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
