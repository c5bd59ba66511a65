package auth

import (
	"crypto/rand"
	"time"

	"vidan/identity"
)

// A known browser is named by a cookie that seals for whom it is known. It lets nobody in: it chooses the lane in which failures are counted.
// There are two, because what proves one is no proof for the other: whoever knows the passphrase could else make browsers known without end
// and guess at the second factor from each.
const (
	browserSector = "auth"
	browserKind   = "browser" // a right passphrase was typed in it: account and id
	browserFactor = "factor"  // a sign-in of level 2 ended in it: vault and id
	browserID     = 16
	// BrowserLife is how long a browser stays known.
	BrowserLife = 180 * 24 * time.Hour
)

func (s *Server) sealBrowser(kind string, of []byte) string {
	var id [browserID]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return s.deployment.Ref(browserSector, kind, append(append([]byte(nil), of...), id[:]...))
}

// browserOf returns the id of a browser that is known for this account or vault, else nil.
func (s *Server) browserOf(kind, cookie string, of []byte) []byte {
	if cookie == "" || len(cookie) > 200 {
		return nil
	}
	raw, err := s.deployment.OpenRef(browserSector, kind, cookie)
	if err != nil || len(raw) != len(of)+browserID || string(raw[:len(of)]) != string(of) {
		return nil
	}
	return raw[len(of):]
}

// Browser returns the cookie by which the browser is known from now on, after a right passphrase; an older one of the same account stays good.
func (x *SignIn) Browser() string { return x.browser }

// Factor returns the cookie by which the browser is known for second factors from now on, of a sign-in of level 2 that was finished; else "".
func (x *SignIn) Factor() string {
	if x.row.Step != StepDone || x.row.Level < 2 {
		return ""
	}
	vault := x.row.Vault.Bytes()
	return x.server.sealBrowser(browserFactor, vault[:])
}

// factorBrowser is the id of a browser that is known for the second factors of a vault, or nil.
func (s *Server) factorBrowser(vault identity.VaultID, cookie string) []byte {
	of := vault.Bytes()
	return s.browserOf(browserFactor, cookie, of[:])
}
