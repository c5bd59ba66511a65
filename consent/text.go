package consent

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"vidan/audit"
	"vidan/identity"
)

// Languages in which a request is put to people.
const (
	Vietnamese = "vi"
	English    = "en"
)

// Text is what a person reads before they decide, in one language. It is made from data alone and nobody can change a word of it: the
// hash of exactly this text stands in the decision and in the receipt (Law 91/2025 Art. 9(2)-(4), Decree 356/2025 Art. 6).
type Text struct {
	Body   identity.Private // plain text, one statement a line
	SHA256 [32]byte
}

// writeText makes the text: who asks, why, on what ground, for which data and which of them are sensitive, how often and how long, and
// what the person may do about it. Yes and no weigh the same, and silence is no consent.
func writeText(v *View, language string) Text {
	var lines []string
	if language == English {
		lines = english(v)
	} else {
		lines = vietnamese(v)
	}
	body := strings.Join(lines, "\n")
	return Text{Body: identity.NewPrivate(body), SHA256: sha256.Sum256([]byte(body))}
}

func vietnamese(v *View) []string {
	whose := "của bạn"
	if !v.Self {
		whose = "của người mà bạn đại diện"
	}
	lines := []string{
		v.OrganisationVI + " xin dùng thông tin " + whose + ".",
		"Để làm thủ tục: " + v.ProcedureVI + ". Mã hồ sơ: " + v.Dossier + ".",
		"Người yêu cầu: " + officerLine(v) + howKnown(v, ", đã tự đăng nhập", ", do cơ quan nêu tên") + ".",
		"Căn cứ: sự đồng ý " + whose + " (" + v.BasisRef + ", " + articleVI(v.BasisArticle) + "). Không dùng vào việc khác.",
		"Những mục được xin:",
	}
	sensitive := false
	for _, f := range v.Fields {
		line := "- " + f.TitleVI
		if f.Required {
			line += " (mẫu đơn cần)"
		}
		if f.Sensitive {
			line, sensitive = line+" (nhạy cảm)", true
		}
		lines = append(lines, line)
	}
	if sensitive {
		lines = append(lines, "Mục ghi “nhạy cảm” được pháp luật bảo vệ chặt chẽ hơn.")
	}
	switch v.Mode {
	case Once:
		lines = append(lines, "Được xem một lần, trước "+momentVI(v.Until)+".")
	case Uses:
		lines = append(lines, fmt.Sprintf("Được xem tối đa %d lần, trước %s.", v.Uses, momentVI(v.Until)))
	case Until:
		lines = append(lines, "Được xem nhiều lần, trước "+momentVI(v.Until)+".")
	}
	lines = append(lines,
		"Bạn có thể đồng ý từng mục, hoặc từ chối. Từ chối không ảnh hưởng đến việc khác.",
		"Bạn có thể mang giấy tờ đến thay cho việc đồng ý ở đây.",
		"Bạn có thể rút lại bất cứ lúc nào. Từ lúc đó không ai xem được nữa; việc đã làm trước đó vẫn giữ nguyên.",
		"Bạn có quyền biết, xem, sửa, xóa, hạn chế, phản đối, khiếu nại và yêu cầu bảo vệ thông tin của mình.",
		"Không trả lời không phải là đồng ý: yêu cầu này tự hết hạn lúc "+momentVI(v.Expires)+".",
	)
	if v.Both {
		lines = append(lines, "Người từ "+fmt.Sprint(v.tooAge)+" tuổi cũng phải tự đồng ý, cùng với người đại diện.")
	}
	return lines
}

func english(v *View) []string {
	whose := "your"
	if !v.Self {
		whose = "the represented person’s"
	}
	lines := []string{
		v.OrganisationEN + " asks to use " + whose + " details.",
		"For the procedure: " + v.ProcedureEN + ". Dossier: " + v.Dossier + ".",
		"Asked by: " + officerLine(v) + howKnown(v, ", who signed in themselves", ", as named by the organisation") + ".",
		"Ground: " + whose + " consent (" + v.BasisRef + ", " + v.BasisArticle + "). For nothing else.",
		"What is asked for:",
	}
	sensitive := false
	for _, f := range v.Fields {
		line := "- " + strings.TrimSuffix(f.TitleEN, ".")
		if f.Required {
			line += " (the form needs it)"
		}
		if f.Sensitive {
			line, sensitive = line+" (sensitive)", true
		}
		lines = append(lines, line)
	}
	if sensitive {
		lines = append(lines, "What is marked “sensitive” is protected more strictly by law.")
	}
	switch v.Mode {
	case Once:
		lines = append(lines, "To be seen once, before "+momentEN(v.Until)+".")
	case Uses:
		lines = append(lines, fmt.Sprintf("To be seen at most %d times, before %s.", v.Uses, momentEN(v.Until)))
	case Until:
		lines = append(lines, "To be seen any number of times, before "+momentEN(v.Until)+".")
	}
	lines = append(lines,
		"You may agree item by item, or refuse. Refusing has no effect on anything else.",
		"You may bring the papers instead of agreeing here.",
		"You may withdraw at any time. From then on nobody can see them; what was done before stays as it is.",
		"You have the right to know, see, correct, erase, restrict, object, complain and ask for protection.",
		"Not answering is not agreeing: this request ends by itself at "+momentEN(v.Expires)+".",
	)
	if v.Both {
		lines = append(lines, "From the age of "+fmt.Sprint(v.tooAge)+" the person has to agree too, beside a representative.")
	}
	return lines
}

// officerLine is how the organisation named its officer: name, post, unit, as far as they are known.
func officerLine(v *View) string {
	var parts []string
	for _, part := range []string{v.Officer.Name.Reveal(), v.Officer.Post, v.Officer.Unit} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return v.Officer.ID
	}
	return strings.Join(parts, ", ")
}

// howKnown says whether the officer signed in themselves or the organisation's client vouches for the name.
func howKnown(v *View, signedIn, asserted string) string {
	if v.Officer.Assurance == audit.SignedIn {
		return signedIn
	}
	return asserted
}

// articleVI writes an article as Vietnamese law cites it; the catalogue cites it the English way.
func articleVI(s string) string {
	return strings.NewReplacer("Arts.", "Điều", "Art.", "Điều").Replace(s)
}

func momentVI(t time.Time) string { return t.In(vietnam()).Format("15:04 ngày 02/01/2006") }

func momentEN(t time.Time) string { return t.In(vietnam()).Format("15:04 on 2 January 2006") }
