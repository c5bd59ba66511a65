package web_test

import (
	"net/http"
	"testing"
)

// A person signs in through the plain pages: level 1 by passphrase, level 2 with the phone; the token opens what it should.
func TestSignIn(t *testing.T) {
	t.Parallel()
	w := build(t)
	vault, du := w.person(duNumber, 2, true)
	app := w.app()
	if err := app.SignIn(t.Context(), du, appBack, "openid wallet", false); err != nil {
		t.Fatal(err)
	}
	if status, said := papers(t, app); status != http.StatusOK || said != `{"amr":["pwd"],"level":1}` {
		t.Errorf("level 1: %d %s", status, said)
	}
	if err := app.SignIn(t.Context(), du, appBack, "openid wallet", true); err != nil {
		t.Fatal(err)
	}
	if status, said := papers(t, app); status != http.StatusOK || said != `{"amr":["pwd","pop"],"level":2}` {
		t.Errorf("level 2: %d %s", status, said)
	}
	agency := w.agency()
	if err := agency.SignIn(t.Context(), du, agencyBack, "openid", true); err != nil {
		t.Fatal(err)
	}
	if lines := w.history(vault); len(lines) != 6 || lines[5] != "signin done " {
		t.Errorf("record %q", lines)
	}
}
