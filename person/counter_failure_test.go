package person_test

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"vidan/delivery"
	"vidan/identity"
	"vidan/person"
)

// counterActs are the acts at a counter and of people on their own account, for [TestP3_FailedWritesAreTriedAgain]: each prepares an office and returns the
// act, and what a second try may say once the first was done.
func counterActs() map[string]func(o *office) (func(*office) error, func(error) bool) {
	acts := map[string]func(o *office) (func(*office) error, func(error) bool){
		"block": func(o *office) (func(*office) error, func(error) bool) {
			du := o.enrol(o.du())
			return func(o *office) error { return o.Block(context.Background(), open{}, self(du), du, person.Evidence{}) }, nil
		},
		"object": func(o *office) (func(*office) error, func(error) bool) {
			du := o.recovering(2)
			return func(o *office) error { return o.Object(context.Background(), open{}, self(du), du) }, nil
		},
		"send the code of a recovery": func(o *office) (func(*office) error, func(error) bool) {
			task := o.step(o.recovering(1))
			return func(o *office) error { return o.StepRecovery(context.Background(), task) }, nil
		},
		"end a recovery": func(o *office) (func(*office) error, func(error) bool) {
			task := o.step(o.recovering(1))
			o.advance(8 * 24 * time.Hour)
			return func(o *office) error { return o.StepRecovery(context.Background(), task) }, nil
		},
		"recover": func(o *office) (func(*office) error, func(error) bool) {
			o.recovering(1)
			o.work()
			code := o.codeIn(delivery.RecoveryCode)
			return func(o *office) error {
				a, err := o.CheckActivation(context.Background(), byNumber(o.t, duNumber), code)
				if err != nil {
					return err
				}
				return o.use(a)
			}, func(err error) bool { return errors.Is(err, person.ErrCode) }
		},
		"report a death": func(o *office) (func(*office) error, func(error) bool) {
			du := o.enrol(o.du())
			return func(o *office) error {
				return o.ReportDeath(context.Background(), open{}, first(o.t), du, "registry", evidence(person.CivilRegister))
			}, nil
		},
		"say alive": func(o *office) (func(*office) error, func(error) bool) {
			du := o.reported()
			return func(o *office) error { return o.Alive(context.Background(), open{}, self(du), du) }, nil
		},
		"confirm a death": func(o *office) (func(*office) error, func(error) bool) {
			du := o.reported()
			o.advance(person.DeathWait)
			return func(o *office) error {
				return o.ConfirmDeath(context.Background(), open{}, other(o.t), du, evidence(person.CivilRegister))
			}, nil
		},
		"suspend a contact": func(o *office) (func(*office) error, func(error) bool) {
			du := o.enrol(o.du())
			task := delivery.Task{Kind: person.KindSuspend, Vault: du, Args: json.RawMessage(`{"contact_id":"` + o.contact(du, "900000003").ID.String() + `"}`)}
			return func(o *office) error { return o.SuspendContact(context.Background(), task) }, nil
		},
		"add a contact": func(o *office) (func(*office) error, func(error) bool) {
			du := o.enrol(o.du())
			return func(o *office) error {
				_, err := o.AddContact(context.Background(), open{}, self(du), du, phone(o.t, "0900000033"))
				return err
			}, nil
		},
		"confirm a contact": func(o *office) (func(*office) error, func(error) bool) {
			du := o.enrol(o.du())
			added := must(o.AddContact(context.Background(), open{}, self(du), du, phone(o.t, "0900000033")))(o.t)
			o.work()
			code := o.codeIn(delivery.ContactCode)
			return func(o *office) error {
				return o.ConfirmContact(context.Background(), open{}, self(du), du, added.ID, code, false)
			}, nil
		},
		"end a contact": func(o *office) (func(*office) error, func(error) bool) {
			du := o.enrol(o.du())
			id := o.contact(du, "900000003").ID
			return func(o *office) error { return o.EndContact(context.Background(), open{}, self(du), du, id) }, nil
		},
	}
	for kind, prepare := range proposals() {
		two := second
		if kind == person.ApproveSettlement {
			two = another
		}
		acts["approve a "+string(kind)] = func(o *office) (func(*office) error, func(error) bool) {
			du, propose := prepare(o)
			p := must(propose(first(o.t)))(o.t)
			return func(o *office) error { return o.Approve(context.Background(), open{}, two(o.t), du, kind, p.ID) }, nil
		}
	}
	acts["propose"] = func(o *office) (func(*office) error, func(error) bool) {
		du := o.enrol(o.du())
		return func(o *office) error {
			_, err := o.Recover(context.Background(), open{}, first(o.t), du, evidence(person.IdentityCard))
			return err
		}, nil
	}
	return acts
}

// reported is a person whose death was reported.
func (o *office) reported() identity.VaultID {
	o.t.Helper()
	du := o.enrol(o.du())
	must(0, o.ReportDeath(o.t.Context(), open{}, first(o.t), du, "registry", evidence(person.CivilRegister)))(o.t)
	return du
}

// step is the task that takes a person's recovery further.
func (o *office) step(vault identity.VaultID) delivery.Task {
	o.t.Helper()
	t := delivery.Task{Kind: person.KindRecovery, Vault: vault}
	if err := o.db.Owner(o.t).QueryRow(o.t.Context(), `select args from outbox where kind = 'recovery.step' and vault_id = $1 limit 1`, vault).Scan(&t.Args); err != nil {
		o.t.Fatal(err)
	}
	return t
}
