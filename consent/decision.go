package consent

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// DecisionType is the typ of a signed decision (RFC 8725 §3.11).
const DecisionType = "vidan-decision+jwt"

var (
	// ErrDecision reports a decision that is not about this request as it was shown, or that allows more than was asked.
	ErrDecision = errors.New("consent: the decision does not fit the request")
	// ErrSignatureRequired reports a decision that a device has to sign: a standing grant, or a sensitive field.
	ErrSignatureRequired = errors.New("consent: this decision has to be signed")
)

// Decided is the canonical decision: what a person says yes or no to, in one object. A device signs its JSON as the payload of a JWS of
// type [DecisionType]; without a device the server writes the same object down, unsigned.
//
// Every member is always present, in this order when the server writes it; a signed text may order members and space as it
// likes, but an unknown, repeated or missing member, or null, is refused. Lists are in ascending byte order without repetition.
type Decided struct {
	// Version is 1.
	Version int `json:"v"`
	// Person is who is decided for: "me", or the handle under which the actor represents them.
	Person string `json:"person"`
	// Authority is in which right the actor decides.
	Authority Authority `json:"authority"`
	// RequestDigest is View.Digest: SHA-256 of the request as it is kept, in base64url without padding.
	RequestDigest string `json:"request_digest"`
	// TextSHA256 is View.Texts[Language].SHA256: of the text the person read, in base64url without padding.
	TextSHA256 string `json:"text_sha256"`
	// Language is the language the person read it in: "vi" or "en".
	Language string `json:"language"`
	// Decision is "allow" or "deny". After "deny" every member up to Replaces is empty or zero.
	Decision string `json:"decision"`
	// Fields are the form fields allowed: any of View.Fields, at least one.
	Fields []string `json:"fields"`
	// Mode is once, uses or until; never wider than the request's.
	Mode Mode `json:"mode"`
	// Uses is how many times with mode uses, else 0.
	Uses int `json:"uses"`
	// Until is the first second at which the grant no longer holds, in RFC 3339, UTC; not after the request's.
	Until string `json:"until"`
	// Pinned are the papers a once-grant opens, in exactly these revisions; empty for other modes.
	Pinned []Pin `json:"pinned"`
	// Replaces names an older grant to the same organisation that ends with this one, or is "".
	Replaces string `json:"replaces"`
	// Nonce is View.Nonce: it belongs to this person, this actor and this request.
	Nonce string `json:"nonce"`
	// Expires is View.Expires in RFC 3339, UTC: a decision cannot be handed in later.
	Expires string `json:"expires"`
}

// Authority is in which right somebody decides.
type Authority struct {
	// Kind is "self" or "relation"; with "self" the other members are empty or zero.
	Kind string `json:"kind"`
	// Relation is the reference of the relation in the actor's sector.
	Relation string `json:"relation"`
	// Document is the reference of the paper the relation stands on, in the same sector.
	Document string `json:"document"`
	// Revision is that paper's revision.
	Revision int `json:"revision"`
}

// Pin is one paper in one revision.
type Pin struct {
	// Document is the reference of the paper in the actor's sector.
	Document string `json:"document"`
	// Revision is positive.
	Revision int `json:"revision"`
}

// The two decisions.
const (
	allow = "allow"
	deny  = "deny"
)

// canonical returns the JSON the server writes, and signs nothing with: no HTML escapes, no line break.
func (d Decided) canonical() []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(d.normal()); err != nil {
		panic("consent: a decision does not marshal") // strings and numbers
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// normal returns d with its lists sorted and never nil.
func (d Decided) normal() Decided {
	d.Fields = sortedSet(d.Fields)
	pins := slices.Clone(d.Pinned)
	slices.SortFunc(pins, func(a, b Pin) int {
		if c := strings.Compare(a.Document, b.Document); c != 0 {
			return c
		}
		return a.Revision - b.Revision
	})
	d.Pinned = append([]Pin{}, slices.Compact(pins)...)
	return d
}

// digest identifies the decision: the same words again are the same decision, whatever signature they carry.
func (d Decided) digest() [32]byte { return sha256.Sum256(d.canonical()) }

// ParseDecided reads the payload of a signed decision. It checks form alone; whether it fits the request is Decide's business.
// Errors: [ErrDecision].
func ParseDecided(payload []byte) (Decided, error) {
	// Pointers tell a missing member from an empty one.
	var all struct {
		Version   *int    `json:"v"`
		Person    *string `json:"person"`
		Authority *struct {
			Kind     *string `json:"kind"`
			Relation *string `json:"relation"`
			Document *string `json:"document"`
			Revision *int    `json:"revision"`
		} `json:"authority"`
		RequestDigest *string  `json:"request_digest"`
		TextSHA256    *string  `json:"text_sha256"`
		Language      *string  `json:"language"`
		Decision      *string  `json:"decision"`
		Fields        []string `json:"fields"`
		Mode          *Mode    `json:"mode"`
		Uses          *int     `json:"uses"`
		Until         *string  `json:"until"`
		Pinned        []Pin    `json:"pinned"`
		Replaces      *string  `json:"replaces"`
		Nonce         *string  `json:"nonce"`
		Expires       *string  `json:"expires"`
	}
	if strictJSON(payload, &all) != nil {
		return Decided{}, fmt.Errorf("%w: not its form", ErrDecision)
	}
	a := all.Authority
	if all.Version == nil || all.Person == nil || a == nil || a.Kind == nil || a.Relation == nil || a.Document == nil || a.Revision == nil ||
		all.RequestDigest == nil || all.TextSHA256 == nil || all.Language == nil || all.Decision == nil || all.Fields == nil || all.Mode == nil ||
		all.Uses == nil || all.Until == nil || all.Pinned == nil || all.Replaces == nil || all.Nonce == nil || all.Expires == nil {
		return Decided{}, fmt.Errorf("%w: a member is missing", ErrDecision)
	}
	d := Decided{
		Version: *all.Version, Person: *all.Person,
		Authority:     Authority{Kind: *a.Kind, Relation: *a.Relation, Document: *a.Document, Revision: *a.Revision},
		RequestDigest: *all.RequestDigest, TextSHA256: *all.TextSHA256, Language: *all.Language, Decision: *all.Decision, Fields: all.Fields,
		Mode: *all.Mode, Uses: *all.Uses, Until: *all.Until, Pinned: all.Pinned, Replaces: *all.Replaces, Nonce: *all.Nonce, Expires: *all.Expires,
	}
	// One text form per decision, so that digests of equal decisions are equal.
	if n := d.normal(); !slices.Equal(n.Fields, d.Fields) || !slices.Equal(n.Pinned, d.Pinned) {
		return Decided{}, fmt.Errorf("%w: a list is not in order", ErrDecision)
	}
	return d, nil
}

// equal reports whether two decisions say the same.
func (d Decided) equal(other Decided) bool { return d.digest() == other.digest() }

func sortedSet(list []string) []string {
	out := append([]string{}, list...)
	slices.Sort(out)
	return slices.Compact(out)
}

// encode64 is base64url without padding (RFC 7515 §2).
func encode64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// stamp is a moment in a canonical text: whole seconds, UTC; "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}
