package openapi_test

import (
	"net/http"
	"testing"

	"vidan/openapi"
)

// TestSilenced: "never again" is said and taken back, any number of times; each person's own, and nothing that nobody is called.
func TestSilenced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	me, other := w.citizen("dan", 2), w.citizen("hoa", 1)
	silenced := func(c *citizen) []openapi.SilencedOrganisation {
		return decode[struct {
			Items []openapi.SilencedOrganisation `json:"items"`
		}](t, w.call(c.Client, http.StatusOK, http.MethodGet, "/v1/me/silenced", nil)).Items
	}
	if list := silenced(me); len(list) != 0 {
		t.Fatalf("at first: %+v", list)
	}
	for range 2 {
		w.call(me.Client, http.StatusNoContent, http.MethodPost, "/v1/me/silenced/"+school, nil)
	}
	if list := silenced(me); len(list) != 1 || list[0].Organisation.ID != school || list[0].Organisation.VI == "" || list[0].Since.IsZero() {
		t.Errorf("silenced: %+v", list)
	}
	if list := silenced(other); len(list) != 0 {
		t.Errorf("somebody else's: %+v", list)
	}
	for range 2 {
		w.call(me.Client, http.StatusNoContent, http.MethodDelete, "/v1/me/silenced/"+school, nil)
	}
	if list := silenced(me); len(list) != 0 {
		t.Errorf("taken back: %+v", list)
	}
	for _, nobody := range []string{"khong-co", "x", "099191000013"} {
		if p := w.call(me.Client, http.StatusNotFound, http.MethodPost, "/v1/me/silenced/"+nobody, nil).Problem(); p.Code != "not_found" {
			t.Errorf("%s: %s", nobody, p.Code)
		}
	}
}
