package person_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
	"vidan/person"
	"vidan/seal"
)

// TestS1_ResolveTellsNothing: whoever is named, known or not, of this sector or another's, a vault comes back; only the guarded act says that nobody lives
// there, and says it alike.
func TestS1_ResolveTellsNothing(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, an := o.enrol(o.du()), o.pending(anNotice)
	resolve := func(id person.Identifier) identity.VaultID { return must(o.Resolve(t.Context(), o.db.Pool, id))(t) }
	byRef := func(sector, ref string) identity.VaultID {
		return must(o.ResolveRef(t.Context(), o.db.Pool, sector, ref))(t)
	}
	ref := o.Ref("registry", du)
	for name, c := range map[string]struct{ got, want identity.VaultID }{
		"number": {resolve(byNumber(t, duNumber)), du},
		"notice": {resolve(byNotice(t, anNotice)), an},
		"ref":    {byRef("registry", ref), du},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", name, c.got, c.want)
		}
	}
	if o.Ref("registry", du) != ref || o.Ref("insurance", du) == ref {
		t.Error("a sector names a person once, and two sectors differently")
	}
	for name, vault := range map[string]identity.VaultID{
		"unknown number":    resolve(byNumber(t, khangNumber)),
		"foreign sector":    byRef("insurance", ref),
		"made up":           byRef("registry", "AAAA"),
		"empty":             byRef("registry", ""),
		"another kind":      byRef("registry", o.d.Ref("registry", "document", make([]byte, 16))),
		"another length":    byRef("registry", o.d.Ref("registry", "person", make([]byte, 15))),
		"a vault of nobody": byRef("registry", o.Ref("registry", identity.NewVaultID())),
	} {
		if vault.IsZero() || vault == du || vault == an {
			t.Errorf("%s leads to %s", name, vault)
		}
		err := o.bind(vault, number(t, anNumber))
		if !errors.Is(err, person.ErrNotFound) || err.Error() != person.ErrNotFound.Error() {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(0, o.join(du, an))(t)
	if got := byRef("registry", o.Ref("registry", an)); got != du {
		t.Errorf("a reference to a joined vault leads to %s", got)
	}
	if got := resolve(byNotice(t, anNotice)); got != du {
		t.Errorf("a notice of a joined vault leads to %s", got)
	}
}

// TestLevelIsSealed: raising the column raises nobody.
func TestLevelIsSealed(t *testing.T) {
	t.Parallel()
	o := setup(t)
	e := o.du()
	e.Level = 1
	du := o.enrol(e)
	o.exec(`update people set level = 2`)
	if p, err := o.Profile(t.Context(), o.db.Pool, o.keys(du)); !errors.Is(err, seal.ErrTampered) || p.Level != 0 {
		t.Errorf("level %d, %v", p.Level, err)
	}
}

func TestProfileOfNobody(t *testing.T) {
	t.Parallel()
	o := setup(t)
	du, thi := o.enrol(o.du()), o.enrol(o.thi())
	b := new(pgx.Batch)
	nobody, foreign := o.QueueProfile(b, identity.NewVaultID()), o.QueueProfile(b, du)
	if err := pg.Pipeline(t.Context(), o.db.Pool, b); err != nil {
		t.Fatal(err)
	}
	for what, reading := range map[string]*person.ProfileReading{"nobody": nobody, "foreign keys": foreign} {
		if _, err := reading.Result(o.keys(thi)); !errors.Is(err, person.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	o.exec(`update people set sealed_profile = (select sealed_profile from people where vault_id = $1) where vault_id = $2`, du, thi)
	if _, err := o.Profile(t.Context(), o.db.Pool, o.keys(thi)); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("another's profile opened: %v", err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	o := setup(t)
	all := person.Deps{Pool: o.db.Pool, Deployment: o.d, Vaults: o.vaults, Audit: o.audit, Now: o.now}
	for _, spoil := range []func(*person.Deps){
		func(d *person.Deps) { d.Pool = nil }, func(d *person.Deps) { d.Deployment = nil }, func(d *person.Deps) { d.Vaults = nil },
		func(d *person.Deps) { d.Audit = nil }, func(d *person.Deps) { d.Now = nil },
	} {
		d := all
		spoil(&d)
		if r, err := person.New(d); err == nil || r != nil {
			t.Error("a registry was made of too little")
		}
	}
}

// TestStatementsPrepare prepares every statement of the package as the service would.
func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	tx := pgtest.Rollback(t)
	for name, sql := range person.Statements() {
		if _, err := tx.Prepare(t.Context(), name, sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
