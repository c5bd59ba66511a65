package audit

import (
	"regexp"
	"strings"
	"testing"

	"vidan/identity"
)

// TestSentencesArePlain holds every sentence that a citizen can meet to at most 20 words and no code words, in both
// languages.
func TestSentencesArePlain(t *testing.T) {
	t.Parallel()
	me, other := fixed[identity.VaultID](1), fixed[identity.VaultID](2)
	code := regexp.MustCompile(`[{}_<>]|[a-z]\.[a-z0-9]|[0-9a-f]{8}|You was`)
	readers := map[string]Names{
		"own":   {Reader: me, Organisation: "Ủy ban nhân dân phường Ngã Tư Sở"},
		"child": {Reader: other, Owner: "Trần Minh Khôi", Organisation: "Ủy ban nhân dân phường Ngã Tư Sở"},
		"bare":  {Reader: me},
	}
	actors := map[string]Entry{
		"me":           {Actor: Actor{Vault: me, Client: "app"}},
		"other":        {Actor: Actor{Vault: other, Client: "app"}},
		"organisation": {Organisation: "commune-a", Actor: Actor{Client: "commune-a-1", Officer: Officer{ID: "cb-1"}}},
		"service":      {},
	}
	for _, kind := range Kinds() {
		for who, e := range actors {
			for _, outcome := range append(Outcomes(), "") {
				for reading, n := range readers {
					e.Vault, e.Kind, e.Outcome = me, kind, outcome
					e.Fields = []string{"child_full_name", "child_sex"}
					vi, en := e.Sentence(n)
					for _, s := range []string{vi, en} {
						if words := len(strings.Fields(s)); words > 20 {
							t.Errorf("%s by %s, %s, %s: %d words: %s", kind, who, outcome, reading, words, s)
						}
						if code.MatchString(s) || strings.Contains(s, string(kind)) && strings.Contains(string(kind), "_") {
							t.Errorf("%s by %s: code word in %q", kind, who, s)
						}
						if !strings.HasSuffix(s, ".") || strings.Contains(s, "  ") || strings.HasSuffix(s, "..") {
							t.Errorf("%s by %s: not a sentence: %q", kind, who, s)
						}
					}
				}
			}
		}
	}
}

func TestSentences(t *testing.T) {
	t.Parallel()
	me, child := fixed[identity.VaultID](1), fixed[identity.VaultID](2)
	school := Names{Reader: me, Organisation: "Trường Mầm non Hoa Sen"}
	for _, c := range []struct {
		e      Entry
		n      Names
		vi, en string
	}{
		{
			Entry{Vault: me, Kind: DocumentRead, Actor: Actor{Vault: me}}, Names{Reader: me},
			"Bạn đã xem một giấy tờ của mình.", "You looked at one of your documents.",
		},
		{
			Entry{Vault: child, Kind: DocumentRead, Actor: Actor{Vault: me}}, Names{Reader: me, Owner: "Khôi"},
			"Bạn đã xem một giấy tờ của Khôi.", "You looked at one of Khôi’s documents.",
		},
		{
			Entry{Vault: me, Kind: Disclosure, Organisation: "k", Fields: make([]string, 14)}, school,
			"Trường Mầm non Hoa Sen đã nhận 14 mục thông tin của bạn.", "Trường Mầm non Hoa Sen received 14 of your details.",
		},
		{
			Entry{Vault: me, Kind: Disclosure, Organisation: "k", Outcome: Refused}, school,
			"Trường Mầm non Hoa Sen không được nhận thông tin của bạn.",
			"Trường Mầm non Hoa Sen was not allowed to receive some of your details.",
		},
		{
			Entry{Vault: me, Kind: Decision, Outcome: Refused, Actor: Actor{Vault: me}}, school,
			"Bạn đã từ chối cho dùng thông tin của mình.", "You said no to the use of your details.",
		},
		{
			Entry{Vault: me, Kind: SignIn, Outcome: Refused, Actor: Actor{Client: "app"}}, Names{Reader: me},
			"Có người không được đăng nhập vào tài khoản của bạn.", "Somebody was not allowed to sign in to your account.",
		},
		{
			Entry{Vault: me, Kind: AccessRefused, Organisation: "k", Actor: Actor{Officer: Officer{ID: "cb"}}}, Names{Reader: me},
			"Một cơ quan không được xem thông tin của bạn.", "An organisation was not allowed to see your details.",
		},
		{
			Entry{Vault: me, Kind: "unheard_of"}, Names{Reader: me},
			"Có một việc liên quan đến tài khoản này.", "Something happened that concerns this account.",
		},
	} {
		vi, en := c.e.Sentence(c.n)
		if vi != c.vi || en != c.en {
			t.Errorf("%s:\n got %s / %s\nwant %s / %s", c.e.Kind, vi, en, c.vi, c.en)
		}
	}
}
