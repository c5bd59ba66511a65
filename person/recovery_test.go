package person_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// TestRecovery walks through a lost phone: told by all contacts, a day in which anybody with a way in may object, a code to a contact of the person alone,
// and then the account, which gives nothing lasting away for three days.
func TestRecovery(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du := o.recovering(2)
	o.work()
	if n := len(o.texts(delivery.RecoveryStarted)); n != 2 {
		t.Errorf("%d contacts were told", n)
	}
	o.advance(person.RecoveryWait - time.Minute)
	o.work()
	if s := o.recovery(du); s != person.RecoveryWaiting || len(o.texts(delivery.RecoveryCode)) != 0 {
		t.Errorf("%s before the day was over", s)
	}
	o.advance(time.Minute)
	o.work()
	if texts := o.texts(delivery.RecoveryCode); o.recovery(du) != person.RecoveryCoded || len(texts) != 1 || texts[0].Channel != "sms" {
		t.Errorf("%s: %d codes", o.recovery(du), len(texts))
	}
	code := o.codeIn(delivery.RecoveryCode)
	if _, err := o.CheckDevice(t.Context(), byNumber(t, duNumber), code); !errors.Is(err, person.ErrCode) {
		t.Errorf("a device before the passphrase: %v", err)
	}
	a := must(o.CheckActivation(t.Context(), byNumber(t, duNumber), code))(t)
	if !a.Recovers() {
		t.Error("the code is not that of a recovery")
	}
	must(0, o.use(a))(t)
	o.work()
	if o.recovery(du) != "" || len(o.texts(delivery.Recovered)) != 2 {
		t.Errorf("%s, %d told", o.recovery(du), len(o.texts(delivery.Recovered)))
	}
	if _, err := o.CheckActivation(t.Context(), byNumber(t, duNumber), code); !errors.Is(err, person.ErrCode) {
		t.Errorf("used twice: %v", err)
	}
	if d := must(o.CheckDevice(t.Context(), byNumber(t, duNumber), code))(t); d.Recovers() {
		t.Error("a device would end every way in")
	}
	for after, want := range map[time.Duration]string{0: person.CodeRecovered, person.RecoveryRest - time.Hour: person.CodeRecovered, person.RecoveryRest: ""} {
		b := new(pgx.Batch)
		person.QueueNotRecovering(b, du, o.now().Add(after))
		if err := pg.Pipeline(t.Context(), o.db.Pool, b); pg.Refused(err) != want {
			t.Errorf("%s after the recovery: %v", after, err)
		}
	}
	add := person.NewContact{Channel: delivery.SMS, Address: must(person.ParseAddress(delivery.SMS, "0900000044"))(t)}
	if _, err := o.AddContact(t.Context(), open{}, self(du), du, add); pg.Refused(err) != person.CodeRecovered {
		t.Errorf("a contact of a fresh recovery: %v", err)
	}
	if lines := o.record(du); !slices.Contains(lines, "recovery_started done identity_card") || !slices.Contains(lines, "recovery_code done sent") || !slices.Contains(lines, "recovered done ") {
		t.Errorf("the record: %v", lines)
	}
}

// TestRecoveryWithoutWaiting: at level 1, and where nobody could object.
func TestRecoveryWithoutWaiting(t *testing.T) {
	t.Parallel()
	for what, prepare := range map[string]func(o *office) identity.VaultID{
		"level 1": func(o *office) identity.VaultID { return o.recovering(1) },
		"no way in": func(o *office) identity.VaultID {
			du := o.enrol(o.du())
			o.advance(8 * 24 * time.Hour)
			o.agreed(du, second, func() (person.Approval, error) {
				return o.Recover(o.t.Context(), open{}, first(o.t), du, evidence(person.IdentityCard))
			})
			return du
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			o := setup(t)
			du := prepare(o)
			o.work()
			if s := o.recovery(du); s != person.RecoveryCoded {
				t.Errorf("%s", s)
			}
		})
	}
}

// TestN10_Objection: any way in stops a recovery, before the code is out and after; only two officers of another office overrule that, once and for all.
func TestN10_Objection(t *testing.T) {
	t.Parallel()
	for _, coded := range []bool{false, true} {
		o := setup(t)
		ctx, card := t.Context(), evidence(person.IdentityCard)
		du := o.recovering(2)
		var code person.Code
		if coded {
			o.advance(person.RecoveryWait)
			o.work()
			code = o.codeIn(delivery.RecoveryCode)
		}
		must(0, o.Object(ctx, open{}, self(du), du))(t)
		must(0, o.Object(ctx, open{}, self(du), du))(t)
		if coded {
			if _, err := o.CheckActivation(ctx, byNumber(t, duNumber), code); !errors.Is(err, person.ErrCode) {
				t.Errorf("the code of a frozen recovery: %v", err)
			}
		}
		o.advance(person.RecoveryWait)
		o.work()
		if s := o.recovery(du); s != person.RecoveryFrozen {
			t.Errorf("%s after an objection", s)
		}
		if _, err := o.Settle(ctx, open{}, first(t), du, card); !errors.Is(err, person.ErrSameOffice) {
			t.Errorf("settled by the same office: %v", err)
		}
		p := must(o.Settle(ctx, open{}, other(t), du, card))(t)
		if err := o.Approve(ctx, open{}, second(t), du, p.Kind, p.ID); !errors.Is(err, person.ErrSameOffice) {
			t.Errorf("confirmed by the same office: %v", err)
		}
		must(0, o.Approve(ctx, open{}, another(t), du, p.Kind, p.ID))(t)
		o.work()
		if s := o.recovery(du); s != person.RecoveryCoded {
			t.Errorf("%s after it was settled", s)
		}
		if err := o.Object(ctx, open{}, self(du), du); !errors.Is(err, person.ErrState) {
			t.Errorf("objected again: %v", err)
		}
		a := must(o.CheckActivation(ctx, byNumber(t, duNumber), o.codeIn(delivery.RecoveryCode)))(t)
		must(0, o.use(a))(t)
	}
}

// TestRecoveryRunsOut: a frozen one after seven days, and one whose code nobody used.
func TestRecoveryRunsOut(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du := o.recovering(2)
	must(0, o.Object(t.Context(), open{}, self(du), du))(t)
	o.advance(person.RecoveryHold)
	o.work()
	if s := o.recovery(du); s != "" {
		t.Errorf("%s after seven days", s)
	}
	o.agreed(du, second, func() (person.Approval, error) {
		return o.Recover(t.Context(), open{}, first(t), du, evidence(person.IdentityCard))
	})
	o.advance(person.RecoveryWait)
	o.work()
	code := o.codeIn(delivery.RecoveryCode)
	o.advance(person.ActivationLife)
	o.work()
	if s := o.recovery(du); s != "" {
		t.Errorf("%s after another seven", s)
	}
	if _, err := o.CheckActivation(t.Context(), byNumber(t, duNumber), code); !errors.Is(err, person.ErrCode) {
		t.Errorf("an old code: %v", err)
	}
	o.counts(2, `select count(*) from recoveries where state = 'expired'`)
}

// TestRecoveryAtACounter: whoever has no contact that may have a code gets it from an officer; drawn again, the first is void.
func TestRecoveryAtACounter(t *testing.T) {
	t.Parallel()
	for what, spoil := range map[string]func(e *person.Enrolment){
		"shared": func(e *person.Enrolment) { e.Contacts[0].Shared = true },
		"not verified": func(e *person.Enrolment) {
			e.Contacts[0].Verified, e.Contacts[0].VerifiedAt = person.NotVerified, time.Time{}
		},
		"none":      func(e *person.Enrolment) { e.Contacts, e.PreferredChannel = nil, person.Counter },
		"too young": nil,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			o := setup(t)
			ctx, card := t.Context(), evidence(person.IdentityCard)
			e := o.du()
			e.Level = 1
			if spoil != nil {
				spoil(&e)
			}
			du := o.enrol(e)
			o.credential(du)
			if spoil != nil {
				o.advance(8 * 24 * time.Hour)
			}
			if _, _, err := o.CounterCode(ctx, open{}, second(t), du, card); !errors.Is(err, person.ErrState) {
				t.Errorf("a code without a recovery: %v", err)
			}
			o.agreed(du, second, func() (person.Approval, error) { return o.Recover(ctx, open{}, first(t), du, card) })
			o.work()
			if o.recovery(du) != person.RecoveryCoded || len(o.texts(delivery.RecoveryCode)) != 0 {
				t.Errorf("%s, %d codes sent", o.recovery(du), len(o.texts(delivery.RecoveryCode)))
			}
			void, _, err := o.CounterCode(ctx, open{}, second(t), du, card)
			if err != nil {
				t.Fatal(err)
			}
			code, until, err := o.CounterCode(ctx, open{}, second(t), du, card)
			if err != nil || until.Before(o.now()) {
				t.Fatal(err)
			}
			if _, err := o.CheckActivation(ctx, byNumber(t, duNumber), void); !errors.Is(err, person.ErrCode) {
				t.Errorf("the first one: %v", err)
			}
			must(0, o.use(must(o.CheckActivation(ctx, byNumber(t, duNumber), code))(t)))(t)
		})
	}
}

// TestRecoveryIsUsedOnce of a hundred at once.
func TestRecoveryIsUsedOnce(t *testing.T) {
	t.Parallel()
	o := setup(t)
	o.recovering(1)
	o.work()
	code := o.codeIn(delivery.RecoveryCode)
	a := must(o.CheckActivation(t.Context(), byNumber(t, duNumber), code))(t)
	won := 0
	for _, err := range together(100, func(int) error { return o.use(a) }) {
		switch {
		case err == nil:
			won++
		case pg.Refused(err) != person.CodeUsed:
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d used the code", won)
	}
	o.counts(1, `select count(*) from recoveries where state = 'used'`)
}

// TestRecoveryIsRefused where there is nothing to recover, or one is under way.
func TestRecoveryIsRefused(t *testing.T) {
	t.Parallel()
	o := setup(t)
	card := evidence(person.IdentityCard)
	du := o.recovering(2)
	kept := o.thi()
	kept.Level = 0
	for what, vault := range map[string]identity.VaultID{"under way": du, "no account": o.enrol(kept)} {
		if _, err := o.Recover(t.Context(), open{}, first(t), vault, card); !errors.Is(err, person.ErrState) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := o.Recover(t.Context(), open{}, first(t), identity.NewVaultID(), card); !errors.Is(err, person.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

// TestN2_RecoveriesAreBelieved only as they were written.
func TestN2_RecoveriesAreBelieved(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		`update recoveries set ready_at = started_at`, `update recoveries set state = 'coded'`, `update recoveries set settled = true`,
		`update recoveries set organisation_id = 'registrar-2'`, `update recoveries set expires_at = expires_at + interval '1 day'`,
	} {
		o := setup(t)
		du := o.recovering(2)
		o.exec(sql)
		if err := o.Object(t.Context(), open{}, self(du), du); err == nil {
			t.Errorf("it was believed: %s", sql)
		}
	}
}

// TestRecoveryGraph lets people, officers and time do whatever they like in whatever order: a code is good only while the recovery stands, an objection
// always stops what is not settled, and nothing comes back from its end.
func TestRecoveryGraph(t *testing.T) {
	t.Parallel()
	o := setup(t)
	rapid.Check(t, func(rt *rapid.T) {
		states := person.RecoveryStates()
		from, to := rapid.SampledFrom(states).Draw(rt, "from"), rapid.SampledFrom(states).Draw(rt, "to")
		ended := from == person.RecoveryUsed || from == person.RecoveryExpired
		switch may := from.May(to); {
		case ended && may:
			rt.Errorf("%s comes back as %s", from, to)
		case !ended && to == person.RecoveryExpired && !may:
			rt.Errorf("%s never ends", from)
		case to == person.RecoveryUsed && may != (from == person.RecoveryCoded):
			rt.Errorf("a code is used in %s", from)
		case from == person.RecoveryFrozen && to == person.RecoveryCoded && may:
			rt.Error("an objection is passed over")
		}
	})
	var listed []string
	rows, err := o.db.Owner(t).Query(t.Context(), `select (regexp_matches(pg_get_constraintdef(oid), '''([a-z]+)''::text', 'g'))[1] from pg_constraint where conname = 'recoveries_state_check'`)
	if err != nil {
		t.Fatal(err)
	}
	if listed, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		t.Fatal(err)
	}
	for _, s := range person.RecoveryStates() {
		if !slices.Contains(listed, string(s)) {
			t.Errorf("the constraint does not know %s", s)
		}
	}
	if len(listed) != len(person.RecoveryStates()) {
		t.Errorf("the constraint knows %v", listed)
	}
}
