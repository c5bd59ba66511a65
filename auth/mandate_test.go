package auth

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vidan/identity"
)

type mandateTable struct {
	Mandates []struct {
		Name          string
		Client        string
		Organisation  string
		Units         []string
		DocumentTypes []string `json:"document_types"`
		Procedures    []string
		Relations     []string
		Rights        []Right
		From, Until   time.Time
		Ended         bool
	}
	Cases []struct {
		Says         string
		Organisation string
		Unit         string
		DocumentType string `json:"document_type"`
		Procedure    string
		Right        Right
		Allowed      bool
		Also         []Right
		Relations    []string
	}
}

// testdata/mandates.json is the rule; this runs every row of it.
func TestMandateTable(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/mandates.json")
	if err != nil {
		t.Fatal(err)
	}
	var table mandateTable
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.agency("motcua")
	w.agency("congan")
	w.organisation("mam-non-sen", "school")
	w.organisation("benh-vien-sen", "hospital")
	w.organisation("ubnd-xa-cu", "commune")
	for _, m := range table.Mandates {
		if m.Client == "" {
			m.Client = "motcua"
		}
		id, err := w.directory.AddMandate(t.Context(), Mandate{
			Client: m.Client, Organisation: m.Organisation, Units: m.Units, DocumentTypes: m.DocumentTypes,
			Procedures: m.Procedures, Relations: m.Relations, Rights: m.Rights, From: m.From, Until: m.Until,
		})
		if err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
		if m.Ended {
			if err := w.directory.EndMandate(t.Context(), id); err != nil {
				t.Fatalf("%s: %v", m.Name, err)
			}
		}
	}
	if _, err := w.pool.Exec(t.Context(), `update organisations set state = 'ended' where organisation_id = 'ubnd-xa-cu'`); err != nil {
		t.Fatal(err)
	}
	for _, c := range table.Cases {
		g := w.Mandate("motcua", Need{c.Organisation, c.Unit, c.DocumentType, c.Procedure, c.Right})
		err := run(t.Context(), w.Server, g)
		if !c.Allowed {
			if !errors.Is(err, ErrMandate) || Code(err) != "mandate_missing" || len(g.Mandate().IDs) != 0 {
				t.Errorf("%s: %v, want it refused", c.Says, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.Says, err)
			continue
		}
		got := g.Mandate()
		for _, right := range append(c.Also, c.Right) {
			if right != "" && !got.Allows(right) {
				t.Errorf("%s: does not allow %s", c.Says, right)
			}
		}
		if diff := cmp.Diff(c.Relations, got.Relations); diff != "" {
			t.Errorf("%s: %s", c.Says, diff)
		}
		if got.Allows(RightDeath) || got.Covers("guardian") {
			t.Errorf("%s: allows more than any mandate lists", c.Says)
		}
	}
}

// A guard that was never sent lets nobody pass.
func TestGuardsThatDidNotRun(t *testing.T) {
	t.Parallel()
	o := newOffline(t)
	if err := o.Mandate("motcua", Need{Organisation: "ubnd-phuong-sen", Right: RightDeliver}).Check(); !errors.Is(err, ErrMandate) {
		t.Errorf("mandate: %v", err)
	}
	p := &Principal{server: o.Server, token: &accessToken{client: "motcua", clientKey: "motcua-1"}, kids: []string{"motcua-1"}, client: &client{}}
	if err := p.Guard().Check(); err == nil {
		t.Error("a principal's guard passed unsent")
	}
}

// O3: a mandate that ended is missing at the next operation of every process.
func TestO3_MandateEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.agency("motcua")
	there := w.another()
	need := Need{Organisation: "ubnd-phuong-sen", Right: RightEnrol}
	now := w.clock.now()
	id, err := w.directory.AddMandate(t.Context(), Mandate{
		Client: "motcua", Organisation: "ubnd-phuong-sen", Units: []string{AllUnits}, Rights: []Right{RightEnrol}, From: now, Until: now.Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), there, there.Mandate("motcua", need)); err != nil {
		t.Fatal(err)
	}
	if err := w.directory.EndMandate(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), there, there.Mandate("motcua", need)); !errors.Is(err, ErrMandate) {
		t.Errorf("%v", err)
	}
	if err := w.directory.EndMandate(t.Context(), id); err != nil {
		t.Errorf("ended twice: %v", err)
	}
	if err := w.directory.EndMandate(t.Context(), identity.NewID[identity.ObjectID]()); !errors.Is(err, ErrNotRegistered) {
		t.Errorf("ended unknown: %v", err)
	}
}
