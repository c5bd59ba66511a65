package openapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"vidan/internal/outside"
	"vidan/openapi"
)

func contains(body []byte, s string) bool { return bytes.Contains(body, []byte(s)) }

func (w *world) lines(status int, lines ...[]byte) (*outside.Answer, []openapi.ResultLine) {
	w.t.Helper()
	a := w.call(w.org[commune], status, http.MethodPost, "/v1/results", bytes.Join(lines, []byte("\n")), "Content-Type", "application/x-ndjson")
	if status != http.StatusOK {
		return a, nil
	}
	var out []openapi.ResultLine
	d := json.NewDecoder(bytes.NewReader(a.Body))
	for d.More() {
		var line openapi.ResultLine
		if err := d.Decode(&line); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, line)
	}
	return a, out
}

// TestArrival_30_GoodPoisonGood: a line that fails stops nothing behind it, wherever the poison stands and whatever it is (P5, RESULTS §6 row 30).
func TestArrival_30_GoodPoisonGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.kept("khang")
	good := func() []byte { return w.paper(commune, "khang", "birth_certificate", nil) }
	foreign := must(w.org[school].Result(map[string]any{"result_id": "x"}))(t)
	for name, poison := range map[string]struct {
		line   []byte
		status int
		code   string
	}{
		"not JSON":       {[]byte(`{"result`), 400, "invalid_request"},
		"another member": {[]byte(`{"result":"x","more":1}`), 400, "invalid_request"},
		"two values":     {[]byte(`{"result":"x"} {}`), 400, "invalid_request"},
		"not signed":     {[]byte(`{"result":"not.a.jws"}`), 400, "signature_invalid"},
		"another's key":  {foreign, 400, "signature_invalid"},
		"too long":       {[]byte(`{"result":"` + strings.Repeat("a", 1<<20) + `"}`), 413, "too_large"},
		"faults":         {w.paper(commune, "khang", "birth_certificate", func(p map[string]any) { p["revision"] = 0 }), 422, "schema_invalid"},
		"no mandate":     {must(w.org[commune].Result(w.edited("khang", "birth_certificate", "issued_by", map[string]string{"organisation": school, "unit": unit, "officer": "x"})))(t), 403, "mandate_missing"},
		"another's number": {w.paper(commune, "khang", "birth_certificate", func(p map[string]any) {
			p["subject"] = map[string]string{"personal_number": w.of("dan").PersonalNumber}
		}), 422, "subject_mismatch"},
	} {
		for at := range 3 {
			lines := [][]byte{good(), good()}
			lines = append(lines[:min(at, 2)], append([][]byte{poison.line}, lines[min(at, 2):]...)...)
			_, answers := w.lines(http.StatusOK, lines...)
			if len(answers) != 3 {
				t.Fatalf("%s at %d: %d answers", name, at, len(answers))
			}
			for i, a := range answers {
				switch {
				case i == at && (a.Problem == nil || a.Status != poison.status || a.Problem.Code != poison.code):
					t.Errorf("%s at %d: %d %+v", name, at, a.Status, a.Problem)
				case i != at && (a.Result == nil || a.Status != http.StatusCreated && a.Status != http.StatusOK && a.Status != http.StatusAccepted):
					t.Errorf("%s at %d: good line %d answered %d %+v", name, at, i, a.Status, a.Problem)
				}
			}
		}
	}
}

// edited is the payload of a paper with one member changed, unsigned.
func (w *world) edited(id, documentType, member string, value any) map[string]any {
	var out map[string]any
	w.paper(commune, id, documentType, func(p map[string]any) { out = p })
	out[member] = value
	return out
}

// TestResults_Bounds: what is too much is refused before anything of it is taken in.
func TestResults_Bounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.kept("khang")
	good := w.paper(commune, "khang", "birth_certificate", nil)
	tooMany := [][]byte{good}
	for range 1000 {
		tooMany = append(tooMany, []byte(`{}`))
	}
	if a, _ := w.lines(http.StatusRequestEntityTooLarge, tooMany...); a.Problem().Code != "too_large" {
		t.Errorf("1,001 lines answered %s", a.Body)
	}
	if a, _ := w.lines(http.StatusBadRequest, []byte(" "), nil); a.Problem().Code != "invalid_request" {
		t.Errorf("no line answered %s", a.Body)
	}
	// Nothing of the 1,001 was taken in: the first line is new.
	w.call(w.org[commune], http.StatusCreated, http.MethodPost, "/v1/results", good)
	w.call(w.org[commune], http.StatusOK, http.MethodPost, "/v1/results", good)
	for _, kind := range []string{"text/plain", "application/xml", "x"} {
		if p := w.call(w.org[commune], http.StatusUnsupportedMediaType, http.MethodPost, "/v1/results", good, "Content-Type", kind).Problem(); p.Code != "unsupported_media_type" {
			t.Errorf("%s answered %s", kind, p.Code)
		}
	}
	if p := w.call(w.org[commune], http.StatusRequestEntityTooLarge, http.MethodPost, "/v1/results", bytes.Repeat([]byte("a"), 33<<20)).Problem(); p.Code != "too_large" {
		t.Errorf("33 MiB answered %s", p.Code)
	}
}

// TestS3_AProofWorksOnce, also when the request that used it was a list whose first line failed in the database.
func TestS3_AProofWorksOnceForAList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.org[commune]
	proof := must(c.DPoP.Proof(http.MethodPost, issuer+"/v1/results", c.Token, w.now()))(t)
	bad := w.paper(commune, "khang", "birth_certificate", func(p map[string]any) { p["revision"] = 0 })
	send := func() int {
		r := must(http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/v1/results", bytes.NewReader(append(append(bad, '\n'), bad...))))(t)
		r.Header = http.Header{"Authorization": {"DPoP " + c.Token}, "Dpop": {proof}, "Content-Type": {"application/x-ndjson"}}
		return must(w.http.Do(r))(t).StatusCode
	}
	if first, second := send(), send(); first != http.StatusOK || second != http.StatusUnauthorized {
		t.Errorf("the first answered %d, the second %d", first, second)
	}
}

// TestQuarantine: a valid but ambiguous result is listed to its holder alone, and decided once.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.kept("khang")
	w.deliver(commune, "khang", "birth_certificate")
	other := w.paper(commune, "khang", "birth_certificate", func(p map[string]any) { p["issued_at"] = "2026-11-02T08:00:00+07:00" })
	held := decode[openapi.ResultAnswer](t, w.call(w.org[commune], http.StatusAccepted, http.MethodPost, "/v1/results", other))
	if held.Status != "quarantined" || held.Reason != "revision_conflict" || held.Deadline == nil {
		t.Fatalf("%+v", held)
	}
	list := func(c *outside.Client, organisation, holder string) []openapi.QuarantineEntry {
		return decode[struct {
			Items []openapi.QuarantineEntry `json:"items"`
		}](t, w.call(c, http.StatusOK, http.MethodGet, "/v1/quarantine?organisation="+organisation+"&holder="+holder, nil)).Items
	}
	if mine := list(w.org[commune], commune, "organisation"); len(mine) != 1 || mine[0].ID != held.QuarantineID {
		t.Errorf("the holder sees %+v", mine)
	}
	if theirs := list(w.org[registrar], registrar, "registrar"); len(theirs) != 0 {
		t.Errorf("the registrar sees %+v", theirs)
	}
	w.call(w.org[commune], http.StatusForbidden, http.MethodGet, "/v1/quarantine?organisation="+commune+"&holder=registrar", nil)
	path := "/v1/quarantine/" + held.QuarantineID + "/resolve?organisation="
	discard := map[string]string{"action": "discard", "reason": "sai"}
	w.as(registrar, http.StatusNotFound, http.MethodPost, path+registrar, discard)
	w.as(commune, http.StatusNotFound, http.MethodPost, "/v1/quarantine/x/resolve?organisation="+commune, discard)
	if p := w.call(w.org[commune], http.StatusForbidden, http.MethodPost, path+commune, discard, "Officer-Assertion",
		must(w.org[commune].Officer(registrar, unit, "cb-1", officerName, "Văn thư"))(t)).Problem(); p.Code != "mandate_missing" {
		t.Errorf("another organisation's officer: %s", p.Code)
	}
	w.as(commune, http.StatusNoContent, http.MethodPost, path+commune, discard)
	if p := w.as(commune, http.StatusConflict, http.MethodPost, path+commune, discard).Problem(); p.Code != "already_resolved" {
		t.Errorf("resolved again: %s", p.Code)
	}
	w.drain()
	events := w.call(w.org[commune], http.StatusOK, http.MethodGet, "/v1/events?organisation="+commune, nil)
	if !contains(events.Body, "result.quarantined") || !contains(events.Body, "quarantine.resolved") {
		t.Errorf("events: %s", events.Body)
	}
}
