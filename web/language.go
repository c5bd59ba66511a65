package web

import (
	"net/http"

	"golang.org/x/text/language"
)

// languages is in order of preference: whoever asks for neither reads Vietnamese.
var languages = language.NewMatcher([]language.Tag{language.Vietnamese, language.English})

func supported(name string) bool { return name == "vi" || name == "en" }

// languageOf returns vi or en: the one chosen by ?lang=, else the one the browser asks for.
func languageOf(r *http.Request) string {
	if chosen := r.URL.Query().Get("lang"); supported(chosen) {
		return chosen
	}
	header := r.Header.Get("Accept-Language")
	if header == "" || len(header) > 500 {
		return "vi"
	}
	wanted, _, err := language.ParseAcceptLanguage(header)
	if err != nil {
		return "vi"
	}
	if _, i, _ := languages.Match(wanted...); i == 1 {
		return "en"
	}
	return "vi"
}
