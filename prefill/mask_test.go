package prefill_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"vidan/consent"
	"vidan/prefill"
)

// TestS5_NothingPrints sends everything that holds a value through fmt, slog and JSON, alone and inside of something else.
func TestS5_NothingPrints(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("kindergarten_khang")
	w.put(paper{who: "dan", what: "citizen_identity_card", ref: "second", json: w.altered("dan", "citizen_identity_card", "mobile_phone", `"0900000099"`)})
	w.household("driving_licence_thi")
	w.put(paper{who: "thi", what: "driving_licence", ref: "second", json: w.altered("thi", "driving_licence", "full_name", `"TRẦN VĂN THỊ"`)})
	answer := must(w.fill(w.granted("kindergarten_khang", terms{mode: consent.Until}), "1"))(t)
	licence := must(w.fill(w.granted("driving_licence_thi", terms{mode: consent.Until, fields: []string{"applicant_full_name"}}), "2"))(t)
	shown := w.preview("dan", w.ask("kindergarten_khang", terms{mode: consent.Once}))
	things := map[string]any{
		"answer": answer, "pointer": &answer, "fields": answer.Fields, "preview": shown, "preview pointer": &shown, "shown": shown.Fields,
		"conflicts": licence.Conflicts, "conflict": &licence.Conflicts[0], "side": licence.Conflicts[0].Left,
		"inside": struct{ Exported prefill.Answer }{answer}, "in a map": map[string]prefill.Field{"x": answer.Fields[0]},
	}
	for _, f := range answer.Fields {
		things["field "+f.Name], things["source "+f.Name], things["address "+f.Name], things["choices "+f.Name] = f, f.Source, f.Address, f.Choices
		if f.Source != nil {
			things["source itself "+f.Name] = *f.Source
		}
		if f.Address != nil {
			things["address itself "+f.Name] = *f.Address
		}
	}
	for name, v := range things {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		all := log.String() + string(encoded)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			all += fmt.Sprintf(verb, v)
		}
		for _, canary := range []string{"GIA KHANG", "099221000012", "birth_certificate", "citizen_identity_card", "driving_licence", "Gia Lộc", "0900000", "TRẦN VĂN", registry, fmt.Sprintf("%x", "GIA KHANG")} {
			if strings.Contains(all, canary) {
				t.Errorf("%s shows %q", name, canary)
			}
		}
	}
}

// TestS5_ErrorsNameOpaqueIDs: no error says who or what it is about.
func TestS5_ErrorsNameOpaqueIDs(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.household("kindergarten_khang")
	request := w.granted("kindergarten_khang", terms{mode: consent.Uses, uses: 1})
	must(w.fill(request, "the-client's-key"))(t)
	var all []error
	add := func(_ prefill.Answer, err error) { all = append(all, err) }
	add(w.fill(request, "another-key"))
	add(w.fill(w.ask("kindergarten_khang", terms{mode: consent.Once}), "the-client's-key"))
	w.exec(`update document_revisions set sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)`)
	add(w.fill(request, "the-client's-key"))
	w.exec(`update grants set mac = set_byte(mac, 20, get_byte(mac, 20) # 1)`)
	add(w.fill(request, "the-client's-key"))
	w.exec(`revoke insert on access_log from vidan_serve`)
	add(w.fill(request, "a-third-key"))
	for i, err := range all {
		if err == nil {
			t.Errorf("%d: no error", i)
			continue
		}
		for _, canary := range []string{"KHANG", "DẪN", "0992", "birth", "key", registry, school} {
			if text := strings.ReplaceAll(err.Error(), "idempotency key", ""); strings.Contains(text, canary) {
				t.Errorf("%q shows %q", text, canary)
			}
		}
	}
}
