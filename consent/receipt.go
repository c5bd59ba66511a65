package consent

import (
	"encoding/json"
	"fmt"
	"time"

	"vidan/identity"
)

// Receipt is what a person gets at each change of what they allowed: who, when and what, verifiable by anyone with the published receipt
// keys (ISO/IEC TS 27560 names the parts; Decree 356/2025 Art. 6). It is the payload of a JWS of type [ReceiptType]; its ids are references
// in the sector of the app that was used. It holds no value of any paper.
type Receipt struct {
	SchemaVersion string `json:"schema_version"`
	Issuer        string `json:"iss"`
	IssuedAt      int64  `json:"iat"`
	// ReceiptID names this receipt, RecordID the grant it is about: the same on each receipt of one grant.
	ReceiptID string `json:"receipt_id"`
	RecordID  string `json:"record_id"`
	// Principal is whose data it is: a reference, the same on all receipts of one person in one sector.
	Principal      string            `json:"pii_principal_id"`
	Event          ReceiptEvent      `json:"event"`
	Controller     ReceiptController `json:"pii_controller"`
	Purpose        ReceiptPurpose    `json:"purpose"`
	LawfulBasis    ReceiptBasis      `json:"lawful_basis"`
	Information    []ReceiptField    `json:"pii_information"`
	Terms          ReceiptTerms      `json:"terms"`
	PrivacyNotice  ReceiptNotice     `json:"privacy_notice"`
	Authentication ReceiptProof      `json:"authentication"`
	Rights         map[string]string `json:"rights"` // how to see and withdraw, by language
}

// ReceiptEvent is what happened.
type ReceiptEvent struct {
	Type   string `json:"type"`   // EventKind
	Time   string `json:"time"`   // RFC 3339, UTC
	State  string `json:"state"`  // active, paused, withdrawn, denied, or awaiting another decision
	Entity string `json:"entity"` // person, or representative
	// NoAccount says that the child's own decision was not asked for, because the child has no account.
	NoAccount bool   `json:"no_account,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// ReceiptController is the organisation.
type ReceiptController struct {
	ID     string `json:"id"`
	NameVI string `json:"name_vi"`
	NameEN string `json:"name_en"`
	Post   string `json:"officer_post,omitempty"`
	Unit   string `json:"officer_unit,omitempty"`
}

// ReceiptPurpose is why.
type ReceiptPurpose struct {
	Code      string `json:"code"`
	Procedure string `json:"procedure"`
	TitleVI   string `json:"title_vi"`
	TitleEN   string `json:"title_en"`
	Dossier   string `json:"dossier"`
}

// ReceiptBasis is the ground.
type ReceiptBasis struct {
	Kind    string `json:"kind"` // consent
	Law     string `json:"law"`
	Article string `json:"article"`
}

// ReceiptField is one kind of data.
type ReceiptField struct {
	Name      string `json:"name"`
	TitleVI   string `json:"title_vi"`
	Sensitive bool   `json:"sensitive"`
}

// ReceiptTerms is how often and how long.
type ReceiptTerms struct {
	Mode       Mode   `json:"mode,omitempty"`
	Uses       int    `json:"uses,omitempty"`
	ValidFrom  string `json:"valid_from,omitempty"`
	ValidUntil string `json:"valid_until,omitempty"`
	Pinned     int    `json:"pinned_papers,omitempty"`
	Replaces   string `json:"replaces,omitempty"` // record_id of the grant that ended with this one
}

// ReceiptNotice is what was read before.
type ReceiptNotice struct {
	RequestDigest string `json:"request_digest"`
	TextSHA256    string `json:"text_sha256,omitempty"`
	Language      string `json:"language,omitempty"`
}

// ReceiptProof is how the act is known to be the actor's.
type ReceiptProof struct {
	Signed     bool      `json:"signed"`
	Credential string    `json:"credential,omitempty"` // reference of the device key
	Authority  Authority `json:"authority"`
}

// receipt signs a receipt.
func (l *Ledger) receipt(r Receipt) (string, error) {
	claims, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode receipt: %w", err)
	}
	signed, err := l.sign(claims)
	if err != nil {
		return "", fmt.Errorf("sign receipt: %w", err)
	}
	return signed, nil
}

// blank is what all receipts to an actor have in common.
func (l *Ledger) blank(who Acting, id identity.ObjectID, grant identity.GrantID, kind EventKind, at time.Time) Receipt {
	entity := "person"
	if !who.Self() {
		entity = "representative"
	}
	return Receipt{
		SchemaVersion: "vidan-27560-1", Issuer: l.issuer, IssuedAt: at.Unix(), ReceiptID: ref(l, who.Sector, "receipt", id),
		RecordID: ref(l, who.Sector, "grant", grant), Principal: ref(l, who.Sector, "principal", who.Vault),
		Event:       ReceiptEvent{Type: string(kind), Time: stamp(at), Entity: entity},
		LawfulBasis: ReceiptBasis{Kind: "consent"},
		Rights: map[string]string{
			Vietnamese: "Xem và rút lại bất cứ lúc nào trong ứng dụng, trên trang web hoặc tại quầy. Có thể khiếu nại với cơ quan tiếp nhận.",
			English:    "See and withdraw at any time in the app, on the web pages or at a counter. You may complain to the receiving organisation.",
		},
	}
}

// fields names the data of a receipt.
func (l *Ledger) fields(procedureID string, names []string) []ReceiptField {
	p, ok := l.catalogue.Procedure(procedureID)
	list := make([]ReceiptField, 0, len(names))
	for _, name := range names {
		line := ReceiptField{Name: name}
		if ok {
			if f, known := p.Field(name); known {
				line.TitleVI, line.Sensitive = f.TitleVI, f.Sensitive
			}
		}
		list = append(list, line)
	}
	return list
}

// claims are the receipt of a decision.
func (w *decisionAtWork) claims(l *Ledger, e *event, grant *grantRow, complete bool) Receipt {
	v, who := &w.view, w.desk.who
	r := l.blank(who, e.id, e.grant, e.kind, e.at)
	r.Controller = ReceiptController{ID: v.Organisation, NameVI: v.OrganisationVI, NameEN: v.OrganisationEN, Post: v.Officer.Post, Unit: v.Officer.Unit}
	r.Purpose = ReceiptPurpose{Code: v.Purpose, Procedure: v.Procedure, TitleVI: v.ProcedureVI, TitleEN: v.ProcedureEN, Dossier: v.Dossier}
	r.LawfulBasis = ReceiptBasis{Kind: "consent", Law: v.BasisRef, Article: v.BasisArticle}
	r.PrivacyNotice = ReceiptNotice{RequestDigest: v.Digest, TextSHA256: w.decided.TextSHA256, Language: w.decided.Language}
	r.Authentication = ReceiptProof{Signed: w.in.Signature != "", Authority: v.Authority}
	if !e.body.Credential.IsZero() {
		r.Authentication.Credential = ref(l, who.Sector, "credential", e.body.Credential)
	}
	r.Event.NoAccount = w.deciders.noAccount
	switch {
	case !w.in.Allow:
		r.Event.State = string(Denied)
	case !complete:
		r.Event.State = "awaiting"
		r.Information = l.fields(v.Procedure, w.decided.Fields)
	case grant == nil || len(grant.body.Fields) == 0:
		r.Event.State = string(Denied) // the two decisions have no field in common
	default:
		r.Event.State = string(GrantActive)
		r.Information = l.fields(v.Procedure, grant.body.Fields)
		r.Terms = ReceiptTerms{
			Mode: grant.mode, Uses: grant.body.Uses, ValidFrom: stamp(grant.from), ValidUntil: stamp(grant.until), Pinned: len(grant.documents),
			Replaces: w.decided.Replaces,
		}
	}
	return r
}
