package auth

import (
	"net/url"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"vidan/audit"
	"vidan/auth/codes"
	"vidan/identity"
)

// atCounter is the officer who hands out a card.
func (w *town) atCounter() audit.Actor {
	w.tb.Helper()
	name, err := identity.ParseName("LÊ VĂN VÍ")
	if err != nil {
		w.tb.Fatal(err)
	}
	return audit.Actor{Client: "registrar", Officer: audit.Officer{ID: "cb-7", Name: name, Post: "Đăng ký viên", Organisation: "registrar", Assurance: audit.Asserted}}
}

// card issues a card as a counter does.
func (w *town) card(d du) codes.Card {
	w.tb.Helper()
	printed, err := w.IssueCard(w.tb.Context(), free{}, w.atCounter(), d.vault)
	if err != nil {
		w.tb.Fatal(err)
	}
	return printed.Codes
}

// display is a code display in a person's hand: it has read the address that was shown to her.
type display struct{ secret string }

func newDisplay(t testing.TB, uri string) display {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	return display{u.Query().Get("secret")}
}

// shows is the code of a moment.
func (d display) shows(t testing.TB, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(d.secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// display adds a code display to an account and lets its first code pass.
func (w *town) display(d du) display {
	w.tb.Helper()
	offer, err := w.OfferDisplay(w.tb.Context(), free{}, d.vault, "Đồng hồ mã")
	if err != nil {
		w.tb.Fatal(err)
	}
	made := newDisplay(w.tb, offer.URI)
	if _, err := w.AddDisplay(w.tb.Context(), free{}, d.vault, actorOf(d), NewDisplay{
		Name: "Đồng hồ mã", Offer: offer.Offer, Code: identity.NewPrivate(made.shows(w.tb, w.clock.now())),
	}, Authority{vault: d.vault}); err != nil {
		w.tb.Fatal(err)
	}
	w.clock.advance(codes.Period)
	return made
}

// proven is a sign-in of level 2 whose passphrase was right.
func (w *town) proven(s *Server) *SignIn {
	w.tb.Helper()
	x := w.begin(s, 2)
	if verdict, err := x.Passphrase(w.tb.Context(), attempt(duNumber, duPassphrase, "192.0.2.1")); err != nil || verdict != Accepted {
		w.tb.Fatalf("passphrase: %d %v", verdict, err)
	}
	return x
}

// at is proven, at the step that a way asks for.
func (w *town) at(s *Server, way Way) *SignIn {
	w.tb.Helper()
	x := w.proven(s)
	if want := map[Way]SignInStep{WayTOTP: StepCode, WayCard: StepCard, WayDevice: StepConfirm}[way]; x.Step() != want {
		if err := x.Choose(w.tb.Context(), way); err != nil || x.Step() != want {
			w.tb.Fatalf("choose: %s %v", x.Step(), err)
		}
	}
	return x
}

func typedCode(code, address string) CodeAttempt {
	return CodeAttempt{Code: identity.NewPrivate(code), Address: address}
}
