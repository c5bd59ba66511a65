package intake

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
)

// ReceiptType is the typ of a receipt (docs/RESULTS.md §4).
const ReceiptType = "vidan-receipt+jwt"

// Status is what a receipt says became of a result.
type Status string

// Accepted covers stored and waiting alike (R5).
const (
	Accepted    Status = "accepted"
	Quarantined Status = "quarantined"
)

// Claims are the payload of a receipt.
type Claims struct {
	Issuer       string    `json:"iss"`
	IssuedAt     int64     `json:"iat"`
	ReceiptID    string    `json:"receipt_id"`
	ResultID     string    `json:"result_id"`
	Organisation string    `json:"organisation"`
	DocumentType string    `json:"document_type"`
	DocumentRef  string    `json:"document_ref"`
	Revision     int       `json:"revision"`
	DocumentID   string    `json:"document_id"`
	PayloadSHA   string    `json:"payload_sha256"`
	SubjectRef   string    `json:"subject_ref"`
	Status       Status    `json:"status"`
	Quarantine   string    `json:"quarantine_id,omitempty"`
	Reason       Reason    `json:"reason,omitempty"`
	Holder       string    `json:"holder,omitempty"`
	Deadline     time.Time `json:"deadline,omitzero"`
	Warnings     []Warning `json:"warnings,omitempty"`
}

// Answer is what the deliverer is told.
type Answer struct {
	Claims
	Receipt  string // compact JWS, byte for byte the stored one
	Repeated bool   // the same delivery came before
}

// receipt is what a row of receipts says of an earlier delivery.
type receipt struct {
	sha    []byte
	stored string
}

const sqlInsertReceipt = `insert into receipts
  (organisation_id, result_id, document_id, revision, payload_sha256, status, client_id, receipt, received_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

// Kinds of reference in a receipt: the paper, and its person, who is named by the paper.
const (
	refDocument = "document"
	refSubject  = "subject"
)

// sign makes the receipt of an arrival (R4).
func (in *Intake) sign(a *arrival, w *world, q *quarantined, now time.Time) (Answer, error) {
	id, result := identity.NewID[identity.ObjectID](), a.ResultID
	document := a.id.Bytes()
	c := Claims{
		Issuer: in.issuer, IssuedAt: now.Unix(), ReceiptID: id.String(), ResultID: result.String(), Organisation: a.Organisation,
		DocumentType: a.DocumentType, DocumentRef: a.DocumentRef, Revision: a.Revision,
		DocumentID: in.deployment.Ref(w.sector, refDocument, document[:]),
		PayloadSHA: base64.RawURLEncoding.EncodeToString(a.sha[:]),
		SubjectRef: in.deployment.Ref(w.sector, refSubject, document[:]),
		Status:     Accepted, Warnings: a.warnings(),
	}
	if q != nil {
		c.Status, c.Quarantine, c.Reason, c.Holder, c.Deadline = Quarantined, q.id.String(), q.reason, q.reason.holder(a.Organisation), q.deadline
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return Answer{}, err
	}
	signed, err := in.receipts().Sign(ReceiptType, payload)
	return Answer{Claims: c, Receipt: signed}, err
}

// repeat is the answer to a delivery that came before, read back from its stored receipt (R3).
func repeat(stored string) (Answer, error) {
	parts := strings.Split(stored, ".")
	if len(parts) != 3 {
		return Answer{}, errors.New("intake: stored receipt is not a JWS")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return Answer{}, errors.New("intake: stored receipt is not a JWS")
	}
	answer := Answer{Receipt: stored, Repeated: true}
	return answer, json.Unmarshal(payload, &answer.Claims)
}

func queueInsertReceipt(b *pgx.Batch, a *arrival, answer Answer, now time.Time) {
	b.Queue(sqlInsertReceipt, a.Organisation, a.ResultID, a.id, a.Revision, a.sha[:], string(answer.Status), a.client, answer.Receipt, now)
}
