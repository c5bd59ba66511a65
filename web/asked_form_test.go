package web

import (
	"bytes"
	"encoding/json"
	"html/template"
	"strings"
	"testing"

	"vidan/consent"
	"vidan/identity"
	"vidan/prefill"
)

// named names every paper alike.
type named struct{}

func (named) PinRef(p consent.DocRevision) string             { return "1.paper" }
func (named) OpenPin(text string) (consent.DocRevision, bool) { return consent.DocRevision{}, false }

// E2: present values stand beside their fields, as text whatever is in them; a sensitive field shows its value and has no box.
func TestE2_PresentValues(t *testing.T) {
	t.Parallel()
	v := consent.View{
		Mode: consent.Once, Texts: map[string]consent.Text{"vi": {Body: identity.NewPrivate("Một.\nHai.")}},
		Fields: []consent.Field{{Name: "name", TitleVI: "Họ tên"}, {Name: "home", TitleVI: "Nơi ở"}, {Name: "ethnicity", TitleVI: "Dân tộc", Sensitive: true}, {Name: "phone", TitleVI: "Điện thoại"}},
	}
	asked := askedFormOf("vi", named{}, v, prefill.Preview{
		Fields: []prefill.PreviewField{
			{Name: "name", Value: json.RawMessage(`"<b>DỤ</b>"`)}, {Name: "ethnicity", Value: json.RawMessage(`"Kinh"`)},
			{Name: "home", Value: json.RawMessage(`{"unit":{"name":"Đại Sơn"},"code":7,"detail":"Thôn 1"}`)},
		},
		Pinned: []consent.DocRevision{{Revision: 1}},
	})
	if len(asked.Lines) != 2 || !asked.Here || !asked.App || len(asked.Pins) != 1 {
		t.Errorf("%+v", asked)
	}
	page, err := template.ParseFS(templateFiles, "templates/ask.html")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := page.ExecuteTemplate(&out, "ask", view{Lang: "vi", Data: form{Ask: asked}}); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"&lt;b&gt;DỤ&lt;/b&gt;", "Thôn 1, Đại Sơn", "Kinh", "Chưa có trong ví của bạn", `value="1.paper"`, `value="home"`, "chỉ đồng ý được trong ứng dụng"} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("no %s in\n%s", words, &out)
		}
	}
	for _, never := range []string{"<b>", "checked", `value="ethnicity"`, "later"} {
		if strings.Contains(out.String(), never) {
			t.Errorf("%s in\n%s", never, &out)
		}
	}
}
