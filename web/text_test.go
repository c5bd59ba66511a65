package web

import (
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// E5: every text has both languages, every text that a template asks for exists, and none is left over.
func TestTexts(t *testing.T) {
	t.Parallel()
	for key, text := range texts {
		if strings.TrimSpace(text.vi) == "" || strings.TrimSpace(text.en) == "" || text.vi == text.en {
			t.Errorf("%s: %+v", key, text)
		}
		page, part, ok := strings.Cut(key, ".")
		if ok && part != "title" && texts[page+".title"].vi == "" {
			t.Errorf("page %s has no title", page)
		}
	}
	mine, named := regexp.MustCompile(`\.Mine "([a-z_]+)"`), regexp.MustCompile(`\.T "([a-z_.]+)"`)
	files, err := os.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	used := []string{"signin.wrong", "signin.malformed", "activate.wrong", "activate.weak", "activate.differ"}
	for _, file := range files {
		raw, err := os.ReadFile("templates/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(file.Name(), ".html")
		for _, m := range named.FindAllStringSubmatch(string(raw), -1) {
			used = append(used, m[1])
			if _, ok := texts[m[1]]; !ok {
				t.Errorf("%s asks for %s", file.Name(), m[1])
			}
		}
		for _, m := range mine.FindAllStringSubmatch(string(raw), -1) {
			used = append(used, name+"."+m[1])
			if _, ok := texts[name+"."+m[1]]; !ok && name != "message" && name != "layout" {
				t.Errorf("%s asks for its %s", file.Name(), m[1])
			}
		}
	}
	for key := range texts {
		page, part, ok := strings.Cut(key, ".")
		if (!ok || slices.Contains([]string{"home", "signin", "confirm", "activate"}, page) && part != "title") && !slices.Contains(used, key) {
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
