package consent_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
)

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}

// headmistress is the officer who asks.
func headmistress(t testing.TB) audit.Officer {
	t.Helper()
	return audit.Officer{ID: "hieu-truong-1", Name: must(identity.ParseName("PHẠM VĂN GIẢ"))(t), Post: "Hiệu trưởng", Organisation: school,
		Unit: "van-phong", Assurance: audit.Asserted}
}

// The fields these tests ask for: of the child, of the mother as applicant, sensitive or not.
const (
	childName, childBirth, childEthnicity = "child_full_name", "child_birth_date", "child_ethnicity"
	hersName, hersResidence               = "applicant_full_name", "applicant_residence"
)

// enrolmentRequest is what the kindergarten asks about a family.
func (h *house) enrolmentRequest(f family, key string) consent.NewRequest {
	h.t.Helper()
	return consent.NewRequest{
		Organisation: school, Client: "hoa-sen-client", Officer: headmistress(h.t), Procedure: "kindergarten_enrolment", Dossier: "HS-2026-001",
		Parties: []consent.Party{
			{Roles: []string{"child"}, Ref: consent.ByNumber(number(h.t, h.of("khang").PersonalNumber))},
			{Roles: []string{"mother", "applicant"}, Ref: consent.ByNumber(number(h.t, h.of("dan").PersonalNumber))},
		},
		Fields: []string{childName, childBirth, childEthnicity, hersName}, Mode: consent.Once, Purpose: "enrolment",
		IdempotencyKey: "key-" + key, Trace: "req-1",
	}
}

// ask makes the request and returns its id.
func (h *house) ask(f family, key string) identity.RequestID {
	h.t.Helper()
	id, created, err := h.Create(h.t.Context(), pg.All(), h.enrolmentRequest(f, key))
	if err != nil || !created {
		h.t.Fatalf("created %v: %v", created, err)
	}
	return id
}

// yes is an unsigned once-decision on fields that are not sensitive.
func yes(request identity.RequestID, fields ...string) consent.Decision {
	return consent.Decision{Request: request, Allow: true, Fields: fields, Language: consent.Vietnamese, Pinned: []consent.DocRevision{{Document: paper(1), Revision: 1}}}
}

// decide decides and fails the test if that fails.
func (h *house) decide(who consent.Acting, d consent.Decision) consent.Answer {
	h.t.Helper()
	return must(h.Decide(h.t.Context(), pg.All(), who, d, nil))(h.t)
}

// granted lets mother and child allow what is not sensitive, and returns the request with both grants.
func (h *house) granted(f family, key string) (identity.RequestID, consent.Answer, consent.Answer) {
	h.t.Helper()
	id := h.ask(f, key)
	child := h.decide(h.acting(f.mother), yes(id, childName, childBirth))
	hers := h.decide(h.me(f.mother), yes(id, hersName))
	return id, child, hers
}

// reading is one redemption with its use, as prefill does it: in one transaction of two round trips.
type reading struct {
	again identity.DisclosureID
	once  identity.DisclosureID // drawn by the caller, who does not know whether it was made before
	use   consent.Use
	hold  func() // called while the transaction is open
	seen  *identity.DisclosureID
}

func (h *house) redeem(request identity.RequestID, r reading) (consent.Permit, error) {
	return h.redeemAs(h.t.Context(), school, request, r)
}

func (h *house) redeemAs(ctx context.Context, organisation string, request identity.RequestID, r reading) (consent.Permit, error) {
	plan, err := h.PlanOf(ctx, h.pool, request)
	if err != nil {
		return consent.Permit{}, err
	}
	keys, err := h.vaults.Open(ctx, h.pool, plan.People()...)
	if err != nil {
		return consent.Permit{}, err
	}
	var redemption *consent.Redemption
	var permit consent.Permit
	err = pg.Exchange(ctx, h.pool,
		func(b *pgx.Batch) error {
			if !r.once.IsZero() {
				redemption = h.QueueRedeemOnce(b, plan, organisation, "hoa-sen-client", r.once, h.now())
			} else if r.again.IsZero() {
				redemption = h.QueueRedeem(b, plan, organisation, "hoa-sen-client", h.now())
			} else {
				redemption = h.QueueRedeemAgain(b, plan, organisation, "hoa-sen-client", r.again, h.now())
			}
			return nil
		},
		func(b *pgx.Batch) (err error) {
			mint := redemption.Permit
			if !r.once.IsZero() {
				mint = redemption.PermitOnce
			}
			if permit, err = mint(keys); err != nil {
				return err
			}
			if r.seen != nil {
				*r.seen = permit.Disclosure()
			}
			if r.hold != nil {
				r.hold()
			}
			return h.QueueUse(b, permit, keys, r.use, h.now())
		})
	if err != nil {
		return consent.Permit{}, err
	}
	return permit, nil
}

const day = 24 * time.Hour
