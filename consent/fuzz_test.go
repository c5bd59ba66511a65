package consent_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vidan/consent"
)

// whole is a decision with every member.
const whole = `{"v":1,"person":"me","authority":{"kind":"self","relation":"","document":"","revision":0},"request_digest":"AA","text_sha256":"BB",` +
	`"language":"vi","decision":"allow","fields":["child_birth_date","child_full_name"],"mode":"once","uses":0,"until":"2026-12-22T08:00:00Z",` +
	`"pinned":[{"document":"x","revision":1}],"replaces":"","nonce":"CC","expires":"2026-11-25T08:00:00Z"}`

// FuzzParseDecided: whatever is read is read in one way: written out and read again it is the same decision.
func FuzzParseDecided(f *testing.F) {
	for _, seed := range []string{whole, "{}", "null", "[]", `{"v":1}`, whole + " ", strings.Replace(whole, `"v":1`, `"v":1,"v":2`, 1), strings.ToUpper(whole)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		d, err := consent.ParseDecided(payload)
		if err != nil {
			if !errors.Is(err, consent.ErrDecision) {
				t.Errorf("another error: %v", err)
			}
			return
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		same, err := consent.ParseDecided(again)
		if err != nil || !cmp.Equal(d, same) {
			t.Errorf("read again: %v %s", err, cmp.Diff(d, same))
		}
	})
}

// TestParseDecided holds what is refused: two programs must not read one signed text in two ways.
func TestParseDecided(t *testing.T) {
	t.Parallel()
	d, err := consent.ParseDecided([]byte(whole))
	if err != nil || d.Fields[0] != "child_birth_date" || d.Pinned[0].Revision != 1 {
		t.Fatal(err)
	}
	spaced := new(bytes.Buffer)
	if err := json.Indent(spaced, []byte(whole), "", "\t"); err != nil {
		t.Fatal(err)
	}
	if same, err := consent.ParseDecided(spaced.Bytes()); err != nil || !cmp.Equal(d, same) {
		t.Errorf("spaces mean something: %v", err)
	}
	for name, edit := range map[string][2]string{
		"a member is unknown":        {`"v":1,`, `"v":1,"extra":true,`},
		"a member is repeated":       {`"mode":"once"`, `"mode":"until","mode":"once"`},
		"a member in other letters":  {`"mode":"once"`, `"MODE":"once"`},
		"a long s":                   {`"uses":0`, `"uſes":0`},
		"a member is missing":        {`"uses":0,`, ``},
		"a member is null":           {`"replaces":""`, `"replaces":null`},
		"a list is null":             {`"pinned":[{"document":"x","revision":1}]`, `"pinned":null`},
		"a nested one is missing":    {`"relation":"",`, ``},
		"a nested one is unknown":    {`"kind":"self"`, `"kind":"self","x":1`},
		"fields are out of order":    {`["child_birth_date","child_full_name"]`, `["child_full_name","child_birth_date"]`},
		"a field is repeated":        {`["child_birth_date","child_full_name"]`, `["child_full_name","child_full_name"]`},
		"a number is a text":         {`"v":1`, `"v":"1"`},
		"a number is no integer":     {`"v":1`, `"v":1.5`},
		"something stands behind it": {`:00Z"}`, `:00Z"}{}`},
		"it is an array":             {`{"v":1`, `[{"v":1`},
	} {
		text := strings.Replace(whole, edit[0], edit[1], 1)
		if text == whole {
			t.Fatalf("%s: nothing was edited", name)
		}
		if _, err := consent.ParseDecided([]byte(text)); !errors.Is(err, consent.ErrDecision) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParseAges: rules that are read are in order, and a person is never of age before they decide at all.
func FuzzParseAges(f *testing.F) {
	const head = "in_force_from,decides_too_from_age,of_age_from,basis\n"
	for _, seed := range []string{head + "2026-01-01,7,18,law", head, head + "2026-01-01,18,7,law", head + "2026-01-01,7,18,a\n2025-01-01,7,18,b", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := consent.ParseAges(strings.NewReader(text))
		if err != nil {
			return
		}
		for i, r := range rules {
			if r.Too > r.OfAge || r.Too < 0 || i > 0 && !rules[i-1].InForce.Before(r.InForce) {
				t.Errorf("%+v", rules)
			}
		}
		if len(rules) == 0 {
			t.Error("no rule was read")
		}
	})
}

// FuzzWho: no string but a handle leads to anybody.
func FuzzWho(f *testing.F) {
	h := setup(f)
	me := h.newborn("an")
	for _, seed := range []string{"", "me", "ME", "AAAA", strings.Repeat("A", 86), "../me"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, handle string) {
		who, err := h.Who(me, app, handle)
		if (err == nil) != (handle == consent.Me) || err != nil && !errors.Is(err, consent.ErrNotFound) || err == nil && !who.Self() {
			t.Errorf("%q: %v", handle, err)
		}
	})
}
