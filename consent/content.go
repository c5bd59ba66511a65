package consent

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"vidan/audit"
	"vidan/identity"
	"vidan/seal"
)

// Mode says how often a grant may be used.
type Mode string

// The modes, from narrow to wide.
const (
	// Once: one reading of pinned revisions.
	Once Mode = "once"
	// Uses: so many readings of what is current then.
	Uses Mode = "uses"
	// Until: any number of readings until a day.
	Until Mode = "until"
)

// Valid reports whether m is one of the modes.
func (m Mode) Valid() bool { return m == Once || m == Uses || m == Until }

// content is everything a request asks, fixed when it is made. It is sealed once for the organisation's side and once for each person
// asked, under the deployment; its JSON in the order of these members is what the digest is of, and the nonce keeps that
// digest from being found by trying out what a request might say.
type content struct {
	Version      int                `json:"v"`
	ID           identity.RequestID `json:"id"`
	Nonce        []byte             `json:"nonce"` // 16 random bytes
	Organisation string             `json:"organisation"`
	Client       string             `json:"client"`
	Officer      officer            `json:"officer"`
	Procedure    string             `json:"procedure"`
	Dossier      string             `json:"dossier"`
	Purpose      string             `json:"purpose"`
	BasisRef     string             `json:"basis_ref"`
	BasisArticle string             `json:"basis_article"`
	Mode         Mode               `json:"mode"`
	Uses         int                `json:"uses"`
	Until        time.Time          `json:"until"`
	Fields       []string           `json:"fields"` // in the order of the form
	Parties      []party            `json:"parties"`
	Created      time.Time          `json:"created"`
	Expires      time.Time          `json:"expires"`
}

// officer is who asks, as the organisation named them.
type officer struct {
	ID        string   `json:"id"`
	Name      openName `json:"name"`
	Post      string   `json:"post"`
	Unit      string   `json:"unit"`
	Assurance uint8    `json:"assurance"`
}

// openName is a name as it stands inside a seal: its JSON is the name, and everything else about it prints masked.
type openName struct{ identity.Name }

// MarshalText implements [encoding.TextMarshaler].
func (n openName) MarshalText() ([]byte, error) { return []byte(n.Reveal()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]; an empty text is an officer asserted without a name.
func (n *openName) UnmarshalText(text []byte) (err error) {
	n.Name = identity.Name{}
	if len(text) > 0 {
		n.Name, err = identity.ParseName(string(text))
	}
	return err
}

// openNumber is a personal number as it stands inside a seal, as openName is a name.
type openNumber struct{ identity.PersonalNumber }

// MarshalText implements [encoding.TextMarshaler].
func (n openNumber) MarshalText() ([]byte, error) { return []byte(n.Reveal()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (n *openNumber) UnmarshalText(text []byte) (err error) {
	n.PersonalNumber, err = identity.ParsePersonalNumber(string(text))
	return err
}

// party is one person of the dossier. An unknown one has a stand-in for a vault (stranger), which looks like any other. Number is kept of everybody
// who was named by it, known or not: the papers of others name a person by it, whether or not that person is enrolled (R5).
type party struct {
	Vault  identity.VaultID `json:"vault"`
	Number openNumber       `json:"number,omitzero"` // by which the organisation named them; zero: by something else
	Roles  []string         `json:"roles"`
	Fields []string         `json:"fields"` // that this person decides about; empty: not asked
}

func (o officer) of(organisation string) audit.Officer {
	return audit.Officer{ID: o.ID, Name: o.Name.Name, Post: o.Post, Organisation: organisation, Unit: o.Unit, Assurance: audit.Assurance(o.Assurance)}
}

// encode returns the JSON that is sealed and digested.
func (c *content) encode() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(c); err != nil {
		return nil, fmt.Errorf("encode request %s: %w", c.ID, err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// digestOf is View.Digest: SHA-256 over the label and the request exactly as it is kept.
func digestOf(encoded []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte("vidan-request\x01"))
	h.Write(encoded)
	return [32]byte(h.Sum(nil))
}

func requestPlace(id identity.RequestID) seal.Place {
	return seal.Place{Table: "consent_requests", Column: "sealed", Object: id.Bytes()}
}

// partyPlace names the row of one person: the deployment's places have no vault of their own.
func partyPlace(vault identity.VaultID, id identity.RequestID) seal.Place {
	return seal.Place{Table: "request_parties", Column: "sealed", Object: seal.ObjectName(vault.String() + " " + id.String())}
}

// openContent reads what was sealed at a place, and its digest.
func (l *Ledger) openContent(at seal.Place, sealed []byte) (*content, [32]byte, error) {
	encoded, err := l.deployment.OpenMessage(seal.Waiting, at, sealed)
	if err != nil {
		return nil, [32]byte{}, err
	}
	var c content
	if err := json.Unmarshal(encoded, &c); err != nil || c.Version != 1 {
		return nil, [32]byte{}, fmt.Errorf("request: %w", seal.ErrSealed)
	}
	return &c, digestOf(encoded), nil
}

// of returns the party with a vault.
func (c *content) of(vault identity.VaultID) (party, bool) {
	i := slices.IndexFunc(c.Parties, func(p party) bool { return p.Vault == vault })
	if i < 0 {
		return party{}, false
	}
	return c.Parties[i], true
}

// vaults are the people who are asked, in ascending order, in which they are locked.
func (c *content) vaults() []identity.VaultID {
	var list []identity.VaultID
	for _, p := range c.Parties {
		if len(p.Fields) > 0 {
			list = append(list, p.Vault)
		}
	}
	slices.SortFunc(list, identity.VaultID.Compare)
	return list
}

// people are all parties, in ascending order.
func (c *content) people() []identity.VaultID {
	list := make([]identity.VaultID, len(c.Parties))
	for i, p := range c.Parties {
		list[i] = p.Vault
	}
	slices.SortFunc(list, identity.VaultID.Compare)
	return list
}

// nonceFor belongs to one person, one actor and one request: a signed decision is worth nothing in another place.
func (c *content) nonceFor(vault, actor identity.VaultID) []byte {
	v, a := vault.Bytes(), actor.Bytes()
	h := sha256.New()
	h.Write([]byte("vidan-decision-nonce\x01"))
	h.Write(c.Nonce)
	h.Write(v[:])
	h.Write(a[:])
	return h.Sum(nil)[:16]
}
