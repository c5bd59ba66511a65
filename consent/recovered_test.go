package consent_test

import (
	"testing"
	"time"

	"vidan/consent"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// TestN10_NothingStandingAfterARecovery: for three days after an account was recovered its person gives no permission that stands, for themselves or for whom they
// represent, and may allow one reading.
func TestN10_NothingStandingAfterARecovery(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	r := h.enrolmentRequest(f, "")
	r.Fields, r.Mode, r.Until = []string{childName, childBirth}, consent.Until, h.now().AddDate(0, 6, 0)
	r.Parties = r.Parties[:1]
	id, _, err := h.Create(t.Context(), pg.All(), r)
	if err != nil {
		t.Fatal(err)
	}
	who, phone := h.acting(f.mother), newDevice(t)
	v := must(h.View(t.Context(), pg.All(), who, id))(t)
	d := consent.Decision{Request: id, Allow: true, Fields: []string{childName, childBirth}, Language: "vi", Mode: consent.Until}
	d.Signature = phone.sign(decided(v, d))
	h.exec(`insert into recoveries (vault_id, recovery_id, state, organisation_id, level, settled, sent, started_at, ready_at, expires_at, used_at, mac)
  values ($1, $2, 'used', 'registrar', 2, false, true, $3, $3, $3, $3, '\x00')`, f.mother, identity.NewID[identity.ObjectID](), h.now())
	if _, err := h.Decide(t.Context(), pg.All(), who, d, phone.verify); pg.Refused(err) != person.CodeRecovered {
		t.Errorf("a standing permission: %v", err)
	}
	once := h.ask(f, "2")
	h.decide(who, yes(once, childName, childBirth))
	h.exec(`update recoveries set used_at = $1`, h.now().Add(-person.RecoveryRest-time.Second))
	must(h.Decide(t.Context(), pg.All(), who, d, phone.verify))(t)
}
