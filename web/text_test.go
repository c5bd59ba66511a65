package web

import (
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vidan/auth"
	"vidan/consent"
)

// E5: every text has both languages, every text that a template asks for exists, and none is left over.
func TestTexts(t *testing.T) {
	t.Parallel()
	for key, text := range texts {
		if strings.TrimSpace(text.vi) == "" || strings.TrimSpace(text.en) == "" || text.vi == text.en {
			t.Errorf("%s: %+v", key, text)
		}
		page, part, ok := strings.Cut(key, ".")
		if ok && !slices.Contains([]string{"way", "done", "relation"}, page) && part != "title" && texts[page+".title"].vi == "" {
			t.Errorf("page %s has no title", page)
		}
	}
	mine, named := regexp.MustCompile(`\.Mine "([a-z_]+)"`), regexp.MustCompile(`\.T "([a-z_.]+)"`)
	files, err := os.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	used := []string{"signin.wrong", "signin.malformed", "activate.wrong", "activate.weak", "activate.differ"}
	for _, page := range wayPages {
		if page[1] != "choose" {
			used = append(used, page[1]+".wrong", page[1]+".malformed")
		}
	}
	for _, way := range []auth.Way{auth.WayPassphrase, auth.WayDevice, auth.WayPasskey, auth.WayTOTP, auth.WayCard} {
		used = append(used, "way."+string(way))
	}
	for _, key := range notices {
		used = append(used, key)
	}
	for _, kind := range []consent.Kind{consent.Mother, consent.Father, consent.LegalRepresentative} {
		used = append(used, "relation."+string(kind), "relation.my_"+string(kind))
	}
	for state := range shownStates {
		used = append(used, "relation."+string(state))
	}
	for _, state := range []consent.PartyState{consent.Asked, consent.Allowed, consent.Denied, consent.Lapsed, "others"} {
		used = append(used, "me_request."+string(state))
	}
	for _, key := range used {
		if _, ok := texts[key]; !ok {
			t.Errorf("no text %s", key)
		}
	}
	for _, file := range files {
		raw, err := os.ReadFile("templates/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		names := []string{strings.TrimSuffix(file.Name(), ".html")}
		if names[0] == "code" {
			names = append(names, "card") // one template, two pages
		}
		for _, m := range named.FindAllStringSubmatch(string(raw), -1) {
			used = append(used, m[1])
			if _, ok := texts[m[1]]; !ok {
				t.Errorf("%s asks for %s", file.Name(), m[1])
			}
		}
		for _, m := range mine.FindAllStringSubmatch(string(raw), -1) {
			for _, name := range names {
				used = append(used, name+"."+m[1])
				optional := name == "message" || name == "layout" || strings.Contains(string(raw), `.Has "left"`) && (m[1] == "left" || m[1] == "low")
				if _, ok := texts[name+"."+m[1]]; !ok && !optional {
					t.Errorf("%s asks for its %s", file.Name(), m[1])
				}
			}
		}
	}
	for key := range texts {
		page, part, ok := strings.Cut(key, ".")
		if (!ok || slices.Contains([]string{"me", "me_sessions", "me_not_me", "me_devices", "me_relations", "me_requests", "me_request", "me_accesses", "home", "signin", "choose", "confirm", "code", "card", "passkey", "activate", "way"}, page) && part != "title") && !slices.Contains(used, key) {
			t.Errorf("nothing shows %s", key)
		}
	}
}

func TestSourceOf(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"https://app.example/back?x=1": "https://app.example", "http://127.0.0.1:4/back": "http://127.0.0.1:4", "vn.vidan.app:/back": "vn.vidan.app:",
		"http://[::1]:4/back": "http:", "": "", "https://a;b.example/": "", "https://a,b.example/": "", "https://a b/": "", "https://a'b.example": "",
	} {
		if got := sourceOf(uri); got != want {
			t.Errorf("%q: %q, want %q", uri, got, want)
		}
	}
}

func TestPeer(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1:1": "192.0.2.1", "[2001:db8:1:2:3::4]:1": "2001:db8:1:2::/64", "[::ffff:192.0.2.1]:1": "192.0.2.1", "[fe80::1%eth0]:1": "fe80::/64", "@": "@", "x:1": "x",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		if got := Peer(r); got != want {
			t.Errorf("%q: %q, want %q", remote, got, want)
		}
	}
}
