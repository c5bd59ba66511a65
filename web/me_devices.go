package web

import (
	"errors"
	"net/http"

	"vidan/auth"
)

// deviceLine is one way into the account.
type deviceLine struct {
	Path  string // of the page that asks before it ends
	Token string
	Kind  string // key of its words
	Name  string // as its person named it
	Since string
	Left  int // codes left on a card
	Card  bool
}

func deviceLineOf(s *auth.PageSession, language string, c auth.Credential) deviceLine {
	return deviceLine{
		Path: pathMe + "/devices/" + c.ID, Token: s.FormToken("end_device", c.ID+" "), Kind: "way." + string(c.Kind), Name: c.Name,
		Since: moment(language, c.CreatedAt), Left: c.Left, Card: c.Kind == auth.WayCard,
	}
}

// devices lists the ways into the account.
func (p *Pages) devices(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	all, err := p.auth.Credentials(r.Context(), s.Standing(), s.Vault)
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	var lines []deviceLine
	for _, c := range all {
		lines = append(lines, deviceLineOf(s, languageOf(r), c))
	}
	p.page(w, r, http.StatusOK, s, "me_devices", view{Me: lines})
}

// device asks before one of them ends.
func (p *Pages) device(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	p.showDevice(w, r, http.StatusOK, s, "")
}

func (p *Pages) showDevice(w http.ResponseWriter, r *http.Request, status int, s *auth.PageSession, fault string) {
	all, err := p.auth.Credentials(r.Context(), s.Standing(), s.Vault)
	if err != nil {
		p.refuse(w, r, s, err)
		return
	}
	for _, c := range all {
		if c.ID == r.PathValue("id") {
			p.page(w, r, status, s, "me_device", view{Me: deviceLineOf(s, languageOf(r), c), Data: form{Error: fault}})
			return
		}
	}
	p.refuse(w, r, s, auth.ErrNoDevice)
}

// endDevice ends one.
func (p *Pages) endDevice(w http.ResponseWriter, r *http.Request, s *auth.PageSession) {
	err := p.auth.EndCredential(r.Context(), s.Standing(), s.Vault, s.Actor(), r.PathValue("id"))
	switch {
	case errors.Is(err, auth.ErrLastWay):
		p.showDevice(w, r, http.StatusConflict, s, "me_device.last")
	case err != nil:
		p.refuse(w, r, s, err)
	default:
		done(w, r, pathMe+"/devices", "device")
	}
}
