package person_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/audit"
	"vidan/delivery"
	"vidan/identity"
	"vidan/internal/pg"
	"vidan/person"
)

// sent returns the code that went to a person, as the sandbox shows it.
func (o *office) sent(vault identity.VaultID) person.Code {
	o.t.Helper()
	gateway := must(delivery.OpenGateway("sandbox:", o.db.Pool))(o.t)
	messenger := must(delivery.NewMessenger(o.db.Pool, o.vaults, gateway, o.now))(o.t)
	var message string
	if err := o.db.Owner(o.t).QueryRow(o.t.Context(), `select message_id::text from messages where vault_id = $1`, vault).Scan(&message); err != nil {
		o.t.Fatal(err)
	}
	if err := messenger.Send(o.t.Context(), delivery.Task{Vault: vault, Args: []byte(`{"message_id":"` + message + `"}`)}); err != nil {
		o.t.Fatal(err)
	}
	texts := must(delivery.SandboxMessages(o.t.Context(), o.db.Pool, 10))(o.t)
	for _, word := range strings.Fields(texts[0].BodyEN) {
		if code, err := person.ParseCode(strings.Trim(word, ".")); err == nil {
			return code
		}
	}
	o.t.Fatal("no code in the message")
	return person.Code{}
}

// use consumes an activation as the sign-in pages do, beside the credential it was sent for.
func (o *office) use(a person.Activation) error {
	o.t.Helper()
	ctx := context.Background()
	keys, err := o.vaults.OpenOne(ctx, o.db.Pool, a.Vault())
	if err != nil {
		return err
	}
	b := new(pgx.Batch)
	if err := o.QueueActivation(b, keys, a, audit.Actor{Vault: a.Vault(), Client: "app"}, o.now()); err != nil {
		return err
	}
	b.Queue(`insert into credentials (vault_id, credential_id, kind, name, secret, created_at, mac) values ($1, $2, 'device', 'x', 'x', $3, '\x00')`,
		a.Vault(), identity.NewID[identity.CredentialID](), o.now())
	return pg.Pipeline(ctx, o.db.Pool, b)
}

// wrong returns a code that is not c.
func (o *office) wrong(right person.Code) person.Code {
	o.t.Helper()
	for i := range 2 {
		if c := must(person.ParseCode(fmt.Sprintf("1234 567%d", i)))(o.t); c != right {
			return c
		}
	}
	return person.Code{}
}

func TestActivation(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du := o.enrol(o.du())
	code := o.sent(du)
	a := must(o.CheckActivation(t.Context(), byNumber(t, duNumber), code))(t)
	if a.Vault() != du {
		t.Fatalf("the code activates %s", a.Vault())
	}
	must(0, o.use(a))(t)
	if _, err := o.CheckActivation(t.Context(), byNumber(t, duNumber), code); !errors.Is(err, person.ErrCode) {
		t.Errorf("a used code was right again: %v", err)
	}
	if err := o.use(a); pg.Refused(err) != person.CodeUsed {
		t.Errorf("a code was used twice: %v", err)
	}
	o.counts(1, `select count(*) from credentials`)
	o.counts(1, `select count(*) from activation_codes where used_at is not null and failures = 0`)
	if lines := o.record(du); lines[len(lines)-1] != "activated done " || len(lines) != 2 {
		t.Errorf("record %q", lines)
	}
}

// TestN8_OneUse: a hundred who use a code at once have one winner.
func TestN8_OneUse(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du := o.enrol(o.du())
	a := must(o.CheckActivation(t.Context(), byNumber(t, duNumber), o.sent(du)))(t)
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
	o.counts(1, `select count(*) from credentials`)
	o.counts(1, `select count(*) from access_log where kind = 'activated'`)
}

// TestN8_FiveTries: a hundred guesses at once are five, and then the right code is wrong too.
func TestN8_FiveTries(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du := o.enrol(o.du())
	code := o.sent(du)
	wrong := o.wrong(code)
	id := byNumber(t, duNumber)
	for _, err := range together(100, func(int) error { _, err := o.CheckActivation(context.Background(), id, wrong); return err }) {
		if !errors.Is(err, person.ErrCode) {
			t.Error(err)
		}
	}
	o.counts(1, `select count(*) from activation_codes where failures = 5`)
	if _, err := o.CheckActivation(t.Context(), id, code); !errors.Is(err, person.ErrCode) {
		t.Errorf("a sixth try was let through: %v", err)
	}
}

func TestLastTryCounts(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du := o.enrol(o.du())
	code := o.sent(du)
	for range person.ActivationTries - 1 {
		if _, err := o.CheckActivation(t.Context(), byNumber(t, duNumber), o.wrong(code)); !errors.Is(err, person.ErrCode) {
			t.Fatal(err)
		}
	}
	must(0, o.use(must(o.CheckActivation(t.Context(), byNumber(t, duNumber), code))(t)))(t)
	o.counts(1, `select count(*) from activation_codes where failures = 4 and used_at is not null`)
}

// TestS1_CodesTellNothing: a wrong code, an old one and one for nobody have one answer.
func TestS1_CodesTellNothing(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, thi := o.enrol(o.du()), o.enrol(o.thi())
	code := o.sent(du)
	a := must(o.CheckActivation(t.Context(), byNumber(t, duNumber), code))(t)
	answers := map[string]error{}
	try := func(what string, id person.Identifier, c person.Code) {
		_, answers[what] = o.CheckActivation(t.Context(), id, c)
	}
	try("another's code", byNumber(t, thiNumber), code)
	try("nobody's number", byNumber(t, khangNumber), code)
	try("a notice of nobody", byNotice(t, anNotice), code)
	_, answers["not a code"] = person.ParseCode("12 34")
	o.advance(person.ActivationLife)
	try("an old code", byNumber(t, duNumber), code)
	for what, err := range answers {
		if !errors.Is(err, person.ErrCode) || err.Error() != person.ErrCode.Error() {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := o.use(a); pg.Refused(err) != person.CodeUsed {
		t.Errorf("a code was used after its end: %v", err)
	}
	if err := o.QueueActivation(new(pgx.Batch), o.keys(thi), a, audit.Actor{}, o.now()); !errors.Is(err, person.ErrCode) {
		t.Errorf("used with the keys of another: %v", err)
	}
	if err := o.QueueActivation(new(pgx.Batch), nil, person.Activation{}, audit.Actor{}, o.now()); !errors.Is(err, person.ErrCode) {
		t.Errorf("the zero activation was used: %v", err)
	}
	o.counts(0, `select count(*) from credentials`)
}

// TestN8_WorthlessInADump: neither the code nor a digest of it that could be searched for stands in the database, and one copied to another account does not
// work there.
func TestN8_WorthlessInADump(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, thi := o.enrol(o.du()), o.enrol(o.thi())
	code := o.sent(du)
	o.exec(`update activation_codes set expires_at = expires_at + interval '1 day' where vault_id = $1`, du)
	if _, err := o.CheckActivation(t.Context(), byNumber(t, duNumber), code); !errors.Is(err, person.ErrCode) {
		t.Errorf("a prolonged code was right: %v", err)
	}
	o.exec(`update activation_codes set expires_at = expires_at - interval '1 day' where vault_id = $1`, du)
	o.exec(`update activation_codes a set code_hash = (select code_hash from activation_codes c where c.vault_id = $1 and c.purpose = a.purpose) where vault_id = $2`, du, thi)
	if _, err := o.CheckActivation(t.Context(), byNumber(t, thiNumber), code); !errors.Is(err, person.ErrCode) {
		t.Errorf("a copied code was right: %v", err)
	}
	must(o.CheckActivation(t.Context(), byNumber(t, duNumber), code))(t)
}

// TestBlockedActivatesNothing: whoever may not act does not get an account either.
func TestBlockedActivatesNothing(t *testing.T) {
	t.Parallel()
	for what, sql := range map[string]string{
		"blocked":  `update people set blocked = true`,
		"dead":     `update people set life = 'dead'`,
		"reported": `update people set life = 'death_reported'`,
		"joined":   `update vaults set state = 'joined'`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			o := setup(t)
			du := o.enrol(o.du())
			a := must(o.CheckActivation(t.Context(), byNumber(t, duNumber), o.sent(du)))(t)
			o.exec(sql)
			if err := o.use(a); pg.Refused(err) != person.CodeBlocked {
				t.Errorf("%v", err)
			}
			b := new(pgx.Batch)
			s := person.QueueStanding(b, du)
			if err := pg.Pipeline(t.Context(), o.db.Pool, b); err != nil || s.Good() {
				t.Errorf("standing %+v, %v", *s, err)
			}
			b = new(pgx.Batch)
			person.QueueGoodStanding(b, du)
			if err := pg.Pipeline(t.Context(), o.db.Pool, b); pg.Refused(err) != person.CodeBlocked {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	o := setup(t)
	seen := map[person.Code]bool{}
	for i := range 20 {
		e := o.du()
		e.Number = number(t, fmt.Sprintf("0991930009%02d", i))
		seen[o.sent(o.enrol(e))] = true
	}
	if len(seen) < 19 {
		t.Errorf("%d different codes in 20", len(seen))
	}
	if got := o.count(`select count(distinct expires_at - created_at) from activation_codes where expires_at - created_at = interval '168 hours'`); got != 1 || person.ActivationLife != 168*time.Hour {
		t.Error("codes live for other than seven days")
	}
}

func FuzzParseCode(f *testing.F) {
	for _, s := range []string{"12345678", "1234 5678", " 12345678\n", "1234567", "1234567a", "１２３４５６７８", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := person.ParseCode(s)
		if err != nil && (!errors.Is(err, person.ErrCode) || err.Error() != person.ErrCode.Error() || c != person.Code{}) {
			t.Fatal("a refusal says nothing but that it is one")
		}
		digits := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, s)
		if err == nil && (len(digits) != 8 || must(person.ParseCode(digits))(t) != c) {
			t.Fatalf("%q was read as a code", s)
		}
	})
}
