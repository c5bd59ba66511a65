package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"vidan/consent"
	"vidan/internal/outside"
)

// The decision page says who asks, which officer and how that is known, why, on what ground, for which fields and for how long; nothing is ticked;
// it can be refused as easily as allowed; what was decided stands, once, and is told on the page afterwards.
func TestMineRequest(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		form   url.Values
		said   string
		after  string
		grants int
	}{
		"yes": {url.Values{"decision": {"allow"}, "field": {"applicant_full_name"}}, "Bạn đã đồng ý", "Yêu cầu này đã được đồng ý", 1},
		"no":  {url.Values{"decision": {"deny"}}, "Bạn đã từ chối", "Yêu cầu này đã bị từ chối", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := build(t)
			vault, du := w.person(duNumber, 1, false)
			w.ask(duNumber, "HS-2026-0042", consent.Once, 0, "applicant_full_name")
			v := w.visitor()
			v.enter(du).shows(t, http.StatusOK, `data-waiting="1"`)
			list := v.get("/me/requests")
			list.shows(t, http.StatusOK, "Trường mầm non Hoa Sen", "Số mục được xin: 1", "Hết hạn lúc")
			there := link(t, list, `/me/requests/[^"]+`)
			p := v.get(there)
			p.shows(t, http.StatusOK, "Trường mầm non Hoa Sen xin dùng thông tin của bạn", "PHẠM VĂN GIẢ, Hiệu trưởng", "do cơ quan nêu tên", "HS-2026-0042",
				"Được xem một lần, trước", "Căn cứ", "Chưa có trong ví của bạn", "mang giấy tờ", `name="decision" value="allow"`, `name="decision" value="deny"`)
			if strings.Contains(p.body, "checked") {
				t.Error("something is ticked")
			}
			v.get(there+"?lang=en").shows(t, http.StatusOK, "Lotus Kindergarten asks to use your details")
			for _, decision := range []url.Values{{}, {"decision": {"maybe"}}, {"decision": {"allow"}}, {"decision": {"allow"}, "field": {"child_ethnicity"}}} {
				v.press(p, "/me/requests/.+", decision).shows(t, http.StatusUnprocessableEntity, "Hãy chọn ít nhất một mục", `role="alert"`)
			}
			if n := w.count(`select count(*) from grant_events`); n != 0 {
				t.Fatalf("%d decisions", n)
			}
			for i := range 2 { // sent twice, it is decided once
				if i > 0 {
					row.form = url.Values{"decision": {row.form.Get("decision")}, "field": row.form["field"]}
				}
				v.press(p, "/me/requests/.+", row.form)
			}
			if n := w.count(`select count(*) from grant_events`); n != 1 {
				t.Errorf("%d decisions", n)
			}
			if n := w.count(`select count(*) from grants`); n != row.grants {
				t.Errorf("%d grants", n)
			}
			v.get("/me/requests?done="+map[string]string{"yes": "allowed", "no": "denied"}[name]).shows(t, http.StatusOK, row.said, "Hiện không có yêu cầu nào")
			after := v.get(there)
			after.shows(t, http.StatusOK, row.after)
			if strings.Contains(after.body, `name="decision"`) {
				t.Error("it can be decided again")
			}
			v.press(p, "/me/requests/.+", url.Values{"decision": {map[string]string{"yes": "deny", "no": "allow"}[name]}, "field": {"applicant_full_name"}}).
				shows(t, http.StatusConflict, row.after)
			if h := strings.Join(w.history(vault), "\n"); !strings.Contains(h, "request_viewed done") || !strings.Contains(h, "decision ") {
				t.Errorf("history:\n%s", h)
			}
		})
	}
}

// What needs the signature of a device is not to be had on a page, and the page says so with a way on; a form made by hand is refused by the ledger.
func TestMineRequestOfTheApp(t *testing.T) {
	t.Parallel()
	w := build(t)
	_, du := w.person(duNumber, 2, false)
	w.ask(duNumber, "HS-1", consent.Uses, 3, "applicant_full_name")
	v := w.visitor()
	v.enter(du)
	p := v.get(link(t, v.get("/me/requests"), `/me/requests/[^"]+`))
	p.shows(t, http.StatusOK, "chỉ đồng ý được trong ứng dụng", "Bạn luôn có thể từ chối ở đây và mang giấy tờ đến quầy")
	v.press(p, "/me/requests/.+", url.Values{"decision": {"allow"}, "field": {"applicant_full_name"}, "mode": {"uses"}, "uses": {"3"}, "pin": {"1.x", "x"}})
	if n := w.count(`select count(*) from grants where mode = 'once'`); n != 1 {
		t.Errorf("%d grants for once: a page gives nothing wider", n)
	}
	if n := w.count(`select count(*) from grants where mode <> 'once'`); n != 0 {
		t.Errorf("%d grants for longer", n)
	}
}

// P4: of a hundred forms sent at once, one decides.
func TestP4_MineDecidesOnce(t *testing.T) {
	t.Parallel()
	w := build(t)
	_, du := w.person(duNumber, 1, false)
	w.ask(duNumber, "HS-1", consent.Once, 0, "applicant_full_name")
	v := w.visitor()
	v.enter(du)
	p := v.get(link(t, v.get("/me/requests"), `/me/requests/[^"]+`))
	token := found(t, p, `action="/me/requests/[^"]+">\s*<input type="hidden" name="token" value="([^"]+)"`)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			form := url.Values{"token": {token}, "decision": {[]string{"allow", "deny"}[i%2]}, "field": {"applicant_full_name"}}
			r, err := v.http.PostForm(w.server.URL+p.path, form)
			if err != nil {
				t.Error(err)
				return
			}
			_ = r.Body.Close()
			if r.StatusCode != http.StatusOK && r.StatusCode != http.StatusConflict && r.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("status %d", r.StatusCode)
			}
		})
	}
	all.Wait()
	if n := w.count(`select count(*) from grant_events`); n != 1 {
		t.Errorf("%d decisions", n)
	}
}

// A request whose time is over says so, and what that means.
func TestMineRequestLapsed(t *testing.T) {
	t.Parallel()
	w := build(t)
	_, du := w.person(duNumber, 1, false)
	w.ask(duNumber, "HS-1", consent.Once, 0, "applicant_full_name")
	v := w.visitor()
	v.enter(du)
	there := link(t, v.get("/me/requests"), `/me/requests/[^"]+`)
	w.advance(consent.DefaultExpiry + time.Hour)
	v.enter(du)
	v.get(there).shows(t, http.StatusOK, "đã hết hạn mà không có câu trả lời", "Không ai được xem gì", "Về danh sách")
}

// R3: who represents a child reads and answers for it, by name; when the relation ends, the child's pages are as if they had never been.
func TestR3_MineForAChild(t *testing.T) {
	t.Parallel()
	w := build(t)
	mother, du := w.person(duNumber, 1, false)
	const childNumber = "001224000014"
	w.childOf(mother, duNumber, childNumber)
	w.ask(childNumber, "HS-7", consent.Once, 0, "applicant_full_name")
	v := w.visitor()
	v.enter(du).shows(t, http.StatusOK, `data-waiting="1"`)
	relations := v.get("/me/relations")
	relations.shows(t, http.StatusOK, "Bạn là mẹ", "NGUYỄN THỊ DỤ")
	history := link(t, relations, `/me/accesses[^"]+`)
	v.get(history).shows(t, http.StatusOK, "Về:", "NGUYỄN THỊ DỤ")
	there := link(t, v.get("/me/requests"), `/me/requests/[^"]+`)
	p := v.get(there)
	p.shows(t, http.StatusOK, "người mà bạn đại diện", "Về:", "lang=en")
	stranger := w.visitor()
	_, lan := w.person("099190000004", 1, false)
	stranger.enter(lan)
	stranger.get(there).shows(t, http.StatusNotFound, "không phải của bạn")
	stranger.get(history).shows(t, http.StatusNotFound, "không phải của bạn")

	w.exec(`update relations set valid_until = '2026-11-01' where side = 'home'`)
	v.get(there).shows(t, http.StatusNotFound, "không phải của bạn")
	v.get(history).shows(t, http.StatusNotFound)
	v.press(p, "/me/requests/.+", url.Values{"decision": {"deny"}}).shows(t, http.StatusNotFound)
	v.get("/me/relations").shows(t, http.StatusOK, "Hiện bạn không thay mặt ai")
	if n := w.count(`select count(*) from grant_events`); n != 0 {
		t.Errorf("%d decisions", n)
	}
}

// A4: who looked is told in plain sentences, newest first, page after page; reading it is told too.
func TestMineAccesses(t *testing.T) {
	t.Parallel()
	w := build(t)
	vault, du := w.person(duNumber, 1, false)
	v := w.visitor()
	v.enter(du)
	for range 55 {
		v.get("/me/relations")
	}
	first := v.get("/me/accesses")
	first.shows(t, http.StatusOK, "Bạn đã", "23/11/2026", "Xem những lần trước đó")
	second := v.get(link(t, first, `/me/accesses\?cursor=[^"]+`))
	second.shows(t, http.StatusOK, "LÊ VĂN VÍ, Đăng ký viên", "do cơ quan nêu tên")
	v.get("/me/accesses?lang=en").shows(t, http.StatusOK, "You ", "23 November 2026")
	if n := w.count(`select count(*) from access_log where vault_id = $1 and kind = 'history_read'`, vault); n != 3 {
		t.Errorf("%d readings of the record are recorded", n)
	}
	if n := w.count(`select count(*) from access_log where vault_id = $1 and kind = 'relations_read'`, vault); n != 55 {
		t.Errorf("%d readings of relations are recorded", n)
	}
}

// E2, S5: values are escaped, and nothing that was typed comes back in a page, a header or a log line.
func TestS5_MineCanary(t *testing.T) {
	t.Parallel()
	w := build(t)
	vault, du := w.person(duNumber, 2, false)
	must(w.auth.AddDevice(t.Context(), vault, `<b onload="x">&`, must(outside.NewKey("dien-thoai"))(t).Public()))(t)
	w.ask(duNumber, "HS-1", consent.Once, 0, "applicant_full_name")
	const secret, number = "CANARY<script>alert(1)</script>", "001090123456"
	v := w.visitor()
	choose := v.post(v.do(http.MethodPost, "/me/sign-in", url.Values{}), typed(du.PersonalNumber, du.Passphrase))
	v.post(v.post(choose, way("")), way("passphrase"))
	if devices := v.get("/me/devices"); !strings.Contains(devices.body, "&lt;b onload=&#34;x&#34;&gt;&amp;") || strings.Contains(devices.body, "<b ") {
		t.Errorf("a name is not escaped:\n%s", devices.body)
	}
	there := link(t, v.get("/me/requests"), `/me/requests/[^"]+`)
	var said strings.Builder
	hear := func(p page) {
		said.WriteString(p.body)
		for name, values := range p.header {
			said.WriteString(name + strings.Join(values, " "))
		}
	}
	for _, path := range append([]string{there, "/me/devices/x", "/me/sessions/x/end"}, mine...) {
		for _, typed := range []string{secret, number} {
			q := url.QueryEscape(typed)
			hear(v.get(path + "?lang=" + q + "&done=" + q + "&for=" + q + "&cursor=" + q))
			hear(v.do(http.MethodPost, path, url.Values{"token": {typed}, "decision": {typed}, "field": {typed}}))
			hear(v.get("/me/devices/" + url.PathEscape(typed)))
			hear(v.get("/me/requests/" + url.PathEscape(typed)))
		}
	}
	p := v.get(there)
	hear(v.press(p, "/me/requests/.+", url.Values{"decision": {"allow"}, "field": {secret, number}, "pin": {secret}}))
	w.exec(`update sessions set level = 2 where client_id = 'vidan-web'`) // altered by another hand
	hear(v.get("/me"))
	for where, heard := range map[string]string{"pages": said.String(), "logs": w.logs.String()} {
		for _, canary := range []string{"CANARY", "<script", number} {
			if strings.Contains(heard, canary) {
				t.Errorf("%s show %q", where, canary)
			}
		}
	}
	if !strings.Contains(w.logs.String(), "page failed") {
		t.Error("no fault was logged: this test would prove nothing")
	}
	if strings.Contains(w.logs.String(), duNumber) {
		t.Error("the logs name her")
	}
}
