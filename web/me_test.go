package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"vidan/auth"
	"vidan/consent"
)

var mine = []string{"/me", "/me/sessions", "/me/not-me", "/me/devices", "/me/relations", "/me/requests", "/me/accesses"}

// E4: nobody who is signed out meets a dead end, and whoever is signed in reaches every page in both languages.
func TestE4_Mine(t *testing.T) {
	t.Parallel()
	w := build(t)
	_, du := w.person(duNumber, 2, true)
	v := w.visitor()
	v.get("/").shows(t, http.StatusOK, `href="/me"`)
	for _, path := range mine {
		v.get(path).shows(t, http.StatusOK, "Bạn cần số định danh", `action="/me/sign-in"`)
		v.do(http.MethodPost, "/me/sign-out", url.Values{}).shows(t, http.StatusForbidden, `action="/me/sign-in"`)
	}
	choose := v.post(v.do(http.MethodPost, "/me/sign-in", url.Values{}), typed(du.PersonalNumber, du.Passphrase))
	choose.shows(t, http.StatusOK, "Xác nhận trên điện thoại", "Cách khác")
	if at := v.post(v.post(choose, way("")), way("passphrase")); at.path != "/me" {
		t.Fatalf("went to %s:\n%s", at.path, at.body)
	}
	for _, path := range mine {
		v.get(path).shows(t, http.StatusOK, "Đăng xuất", `<html lang="vi">`, `<nav aria-label=`)
		v.get(path+"?lang=en").shows(t, http.StatusOK, "Sign out", `<html lang="en">`, `href="/me?lang=en"`)
	}
	v.get("/me/relations").shows(t, http.StatusOK, "Không ai được thay mặt bạn", "Hiện bạn không thay mặt ai")
	cancelled := v.post(v.do(http.MethodPost, "/me/sign-in", url.Values{}), url.Values{"action": {"cancel"}})
	cancelled.shows(t, http.StatusOK, "Trang của bạn")
}

// O3: the page after the end of a session says so and what next: ended elsewhere, idle, blocked, or the pages switched off.
func TestO3_MineEnds(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		end   func(w *town)
		words []string
	}{
		"ended":   {func(w *town) { w.exec(`update sessions set state = 'ended', mac = ''`) }, []string{"Phiên đăng nhập đã kết thúc", `action="/me/sign-in"`}},
		"idle":    {func(w *town) { w.advance(auth.PagesIdle + time.Minute) }, []string{"15 phút", `action="/me/sign-in"`}},
		"blocked": {func(w *town) { w.exec(`update people set blocked = true`) }, []string{"bị khóa", "quầy một cửa"}},
		"dead":    {func(w *town) { w.exec(`update people set life = 'death_reported'`) }, []string{"bị khóa", "quầy một cửa"}},
		"off": {func(w *town) {
			if err := auth.NewDirectory(w.db.Pool, w.d).BlockClient(w.t.Context(), auth.PagesClient); err != nil {
				w.t.Fatal(err)
			}
		}, []string{"đang tắt", "ứng dụng"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := build(t)
			_, du := w.person(duNumber, 1, false)
			v := w.visitor()
			p := v.enter(du)
			row.end(w)
			v.press(p, "/me/sign-out", nil).shows(t, http.StatusForbidden, row.words...)
			if name == "off" {
				v.get("/me/devices").shows(t, http.StatusForbidden, row.words...)
				v.do(http.MethodPost, "/me/sign-in", url.Values{}).shows(t, http.StatusForbidden, row.words...)
			}
			if n := w.count(`select count(*) from access_log where kind = 'session_ended'`); n != 0 {
				t.Errorf("%d ends recorded", n)
			}
		})
	}
}

// Sign-out ends the session and is recorded; its cookie opens nothing any more; the cookie cannot be read by a script or sent from elsewhere.
func TestMineSignOut(t *testing.T) {
	t.Parallel()
	w := build(t)
	vault, du := w.person(duNumber, 1, false)
	v := w.visitor()
	v.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	begun := v.do(http.MethodPost, "/me/sign-in", url.Values{})
	if begun.status != http.StatusSeeOther {
		t.Fatal(begun.status)
	}
	v.post(v.get("/signin"), typed(du.PersonalNumber, du.Passphrase))
	finished := v.get("/signin")
	if cookies := strings.Join(finished.header.Values("Set-Cookie"), "\n"); !strings.Contains(cookies, "vidan-session=") || !strings.Contains(cookies, "HttpOnly; SameSite=Lax") ||
		finished.header.Get("Location") != "/me" {
		t.Fatalf("%q %q", finished.header.Get("Location"), cookies)
	}
	kept := finished.header.Values("Set-Cookie")[0]
	if out := v.press(v.get("/me"), "/me/sign-out", nil); out.header.Get("Location") != "/signed-out" {
		t.Fatalf("%d %q", out.status, out.header.Get("Location"))
	}
	v.get("/me").shows(t, http.StatusOK, "Bạn cần số định danh")
	thief := w.visitor()
	thief.header.Set("Cookie", strings.SplitN(kept, ";", 2)[0])
	thief.get("/me").shows(t, http.StatusForbidden, "Phiên đăng nhập đã kết thúc")
	if h := strings.Join(w.history(vault), "\n"); !strings.HasSuffix(h, "signin done \nsession_ended done ") {
		t.Errorf("history:\n%s", h)
	}
}

// Sessions are listed with where, when and at which level; each ends alone, the others together, and all of them when it was not the person.
func TestMineSessions(t *testing.T) {
	t.Parallel()
	w := build(t)
	vault, du := w.person(duNumber, 1, false)
	app := w.app()
	if err := app.SignIn(t.Context(), du, appBack, "wallet", false); err != nil {
		t.Fatal(err)
	}
	v, other := w.visitor(), w.visitor()
	v.enter(du)
	other.enter(du)
	list := v.get("/me/sessions")
	list.shows(t, http.StatusOK, "Ứng dụng Ví dân", "Trang web Ví dân", "trình duyệt này", "ngày 23/11/2026", "Mức độ 1")
	if n := strings.Count(list.body, "<li><strong>"); n != 3 {
		t.Errorf("%d sessions", n)
	}
	rest := list
	rest.body = list.body[strings.Index(list.body, "Ứng dụng Ví dân"):]
	v.press(rest, "/me/sessions/[^/]+/end", nil).shows(t, http.StatusOK, "Phiên đăng nhập đó đã kết thúc")
	if status, _ := papers(t, app); status != http.StatusUnauthorized {
		t.Errorf("the app still reads: %d", status)
	}
	v.press(v.get("/me/sessions"), "/me/sessions/end", nil).shows(t, http.StatusOK, "Mọi phiên đăng nhập khác đã kết thúc")
	other.get("/me").shows(t, http.StatusForbidden, "Phiên đăng nhập đã kết thúc")

	other.enter(du)
	asked := v.get("/me/not-me")
	asked.shows(t, http.StatusOK, "kể cả ở trình duyệt này", "quầy một cửa")
	v.press(asked, "/me/not-me", nil).shows(t, http.StatusOK, "Mọi phiên đăng nhập đã kết thúc", "quầy một cửa gần nhất ngay hôm nay")
	v.get("/me").shows(t, http.StatusOK, "Bạn cần số định danh")
	other.get("/me").shows(t, http.StatusForbidden)
	if n := w.count(`select count(*) from sessions where vault_id = $1 and state = 'active'`, vault); n != 0 {
		t.Errorf("%d sessions stand", n)
	}
}

// Ways in are listed, and each ends after a question; the last one stays.
func TestMineDevices(t *testing.T) {
	t.Parallel()
	w := build(t)
	vault, du := w.person(duNumber, 2, false)
	w.card(vault)
	v := w.visitor()
	choose := v.post(v.do(http.MethodPost, "/me/sign-in", url.Values{}), typed(du.PersonalNumber, du.Passphrase))
	v.post(v.post(choose, way("")), way("passphrase"))
	list := v.get("/me/devices")
	list.shows(t, http.StatusOK, "Cụm mật khẩu", "Thẻ mã in", "Số mã còn lại: 40")
	asked := v.get(link(t, page{body: list.body[strings.Index(list.body, "Thẻ mã in"):]}, `/me/devices/[^"]+`))
	asked.shows(t, http.StatusOK, "Ngừng dùng cách đăng nhập này?", "Thẻ mã in", "Không, quay lại")
	if n := w.count(`select count(*) from credentials where state = 'active'`); n != 2 {
		t.Errorf("a question ended something: %d left", n)
	}
	v.press(asked, "/me/devices/.+", nil).shows(t, http.StatusOK, "Từ nay không ai đăng nhập bằng cách đó")
	v.press(asked, "/me/devices/.+", nil).shows(t, http.StatusNotFound, "không phải của bạn")
	last := v.get(link(t, v.get("/me/devices"), `/me/devices/[^"]+`))
	v.press(last, "/me/devices/.+", nil).shows(t, http.StatusConflict, "cách cuối cùng", `role="alert"`)
	if n := w.count(`select count(*) from credentials where state = 'active'`); n != 1 {
		t.Errorf("%d left", n)
	}
}

// E3: a form works for one session, one act and one object, and from this origin.
func TestE3_Mine(t *testing.T) {
	t.Parallel()
	w := build(t)
	_, du := w.person(duNumber, 1, false)
	v, other := w.visitor(), w.visitor()
	v.enter(du)
	theirs := other.enter(du)
	list := v.get("/me/sessions")
	out := found(t, list, `action="/me/sign-out">\s*<input type="hidden" name="token" value="([^"]+)"`)
	for name, token := range map[string]string{
		"none": "", "of another session": found(t, theirs, `name="token" value="([^"]+)"`), "of another act": found(t, list, `action="/me/sessions/end">\s*<input type="hidden" name="token" value="([^"]+)"`),
	} {
		v.do(http.MethodPost, "/me/sign-out", url.Values{"token": {token}}).shows(t, http.StatusForbidden, "Mẫu này đã cũ", `href="/me"`)
		if name == "none" {
			v.do(http.MethodPost, "/me/not-me", url.Values{"token": {out}}).shows(t, http.StatusForbidden)
		}
	}
	foreign := *v
	foreign.header = http.Header{"Sec-Fetch-Site": {"cross-site"}}
	for _, path := range []string{"/me/sign-in", "/me/sign-out", "/me/sessions/end", "/me/not-me"} {
		foreign.do(http.MethodPost, path, url.Values{"token": {out}}).shows(t, http.StatusForbidden, "Mẫu này không gửi được")
	}
	v.do(http.MethodPost, "/me/sign-out", url.Values{"token": {strings.Repeat("x", 32<<10)}}).shows(t, http.StatusForbidden)
	if n := w.count(`select count(*) from sessions where state = 'active'`); n != 2 {
		t.Errorf("%d sessions", n)
	}
}

// S1: what belongs to somebody else answers as what does not exist.
func TestS1_MineForeignIDs(t *testing.T) {
	t.Parallel()
	w := build(t)
	_, du := w.person(duNumber, 1, false)
	_, lan := w.person("099190000004", 1, false)
	w.ask(lan.PersonalNumber, "HS-1", consent.Once, 0, "applicant_full_name")
	v, other := w.visitor(), w.visitor()
	v.enter(du)
	other.enter(lan)
	for kind, there := range map[string]string{
		"request": link(t, other.get("/me/requests"), `/me/requests/[^"]+`), "device": link(t, other.get("/me/devices"), `/me/devices/[^"]+`),
	} {
		other.get(there).shows(t, http.StatusOK)
		foreign, missing := v.get(there), v.get(there[:strings.LastIndex(there, "/")]+"/khong-co")
		foreign.shows(t, http.StatusNotFound, "không phải của bạn")
		if foreign.body != missing.body || foreign.status != missing.status {
			t.Errorf("%s: a foreign one and a missing one differ", kind)
		}
	}
	for _, path := range []string{"/me/requests/x?for=x", "/me/accesses?for=x", "/me/accesses?cursor=x"} {
		v.get(path).shows(t, http.StatusNotFound)
	}
}
