package delivery

import "strings"

// Template is a text that people receive. All but one are content-free: they say that there is something to read, never
// what, about whom or from whom, because a telephone is shared, lost and read over the shoulder.
type Template string

const (
	// RequestWaiting: an organisation asks for facts and waits for an answer.
	RequestWaiting Template = "request_waiting"
	// ReadingTookPlace: facts were released to an organisation.
	ReadingTookPlace Template = "reading_took_place"
	// RelationProposed: somebody was named as a representative; there is time to object.
	RelationProposed Template = "relation_proposed"
	// RelationActive: a relation of representation took effect.
	RelationActive Template = "relation_active"
	// DeviceAdded: a device was registered for the account.
	DeviceAdded Template = "device_added"
	// Withdrawal: a permission was withdrawn.
	Withdrawal Template = "withdrawal"
	// ActivationCode carries the one-time code with which an account is activated: the only text with something in it.
	ActivationCode Template = "activation_code"
)

// Templates returns the closed set.
func Templates() []Template {
	return []Template{RequestWaiting, ReadingTookPlace, RelationProposed, RelationActive, DeviceAdded, Withdrawal, ActivationCode}
}

// codeMark is where a one-time code stands in a text.
const codeMark = "{code}"

// text returns what a template says, Vietnamese and English, and whether it exists. No text holds a link: people must
// not get used to following one.
func (t Template) text() (vi, en string, ok bool) {
	switch t {
	case RequestWaiting:
		return "Vidan: Có một yêu cầu đang chờ bạn trả lời. Hãy mở ứng dụng hoặc đến quầy để xem.",
			"Vidan: A request is waiting for your answer. Open the app or ask at a counter to see it.", true
	case ReadingTookPlace:
		return "Vidan: Thông tin của bạn vừa được sử dụng. Hãy mở lịch sử truy cập để biết ai đã xem.",
			"Vidan: Your details were just used. Open your access history to see by whom.", true
	case RelationProposed:
		return "Vidan: Có đề nghị ghi nhận một quyền đại diện. Nếu không đúng, hãy báo trong 7 ngày.",
			"Vidan: A right of representation was proposed. If it is wrong, say so within 7 days.", true
	case RelationActive:
		return "Vidan: Một quyền đại diện đã có hiệu lực. Hãy mở ứng dụng hoặc đến quầy để xem.",
			"Vidan: A right of representation took effect. Open the app or ask at a counter to see it.", true
	case DeviceAdded:
		return "Vidan: Một thiết bị vừa được thêm vào tài khoản. Nếu không phải bạn, hãy báo ngay.",
			"Vidan: A device was just added to your account. If it was not you, report it at once.", true
	case Withdrawal:
		return "Vidan: Một sự cho phép vừa được rút lại. Từ nay không ai được dùng nó nữa.",
			"Vidan: A permission was just withdrawn. From now on nobody can use it.", true
	case ActivationCode:
		return "Vidan: Mã kích hoạt của bạn là {code}. Đừng đưa mã này cho bất kỳ ai.",
			"Vidan: Your activation code is {code}. Do not give it to anyone.", true
	}
	return "", "", false
}

// render fills in the code. A template and its arguments fit each other, or [ErrTemplate].
func (t Template) render(a Args) (vi, en string, err error) {
	vi, en, ok := t.text()
	if !ok || strings.Contains(vi, codeMark) != (a.Code != "") {
		return "", "", ErrTemplate
	}
	code := string(a.Code)
	return strings.ReplaceAll(vi, codeMark, code), strings.ReplaceAll(en, codeMark, code), nil
}
