package delivery

import "strings"

// Template is a text that people receive. All but the codes are content-free: they say that there is something to read, never
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
	// CredentialAdded: another way to sign in was added to the account.
	CredentialAdded Template = "credential_added"
	// CardLow: few codes are left on the printed card, or none.
	CardLow Template = "card_low"
	// Withdrawal: a permission was withdrawn.
	Withdrawal Template = "withdrawal"
	// LevelChanged: the level of the account changed.
	LevelChanged Template = "level_changed"
	// AccountBlocked: the account was blocked, by the person or by the registrar.
	AccountBlocked Template = "account_blocked"
	// AccountUnblocked: the account can be used again.
	AccountUnblocked Template = "account_unblocked"
	// ContactChanged: a way to reach the person was added or removed; the old ones and the new one are told.
	ContactChanged Template = "contact_changed"
	// RecoveryStarted: somebody said at a counter that the ways into the account are lost; whoever has one can object.
	RecoveryStarted Template = "recovery_started"
	// RecoveryFrozen: somebody objected.
	RecoveryFrozen Template = "recovery_frozen"
	// Recovered: the ways into the account were replaced.
	Recovered Template = "recovered"
	// DeathReported: the person's death was reported; a person who lives says so.
	DeathReported Template = "death_reported"
	// ActivationCode carries the one-time code with which an account is activated. It, RecoveryCode and ContactCode are the only texts with
	// something in them.
	ActivationCode Template = "activation_code"
	// RecoveryCode carries the one-time code with which a lost account is recovered.
	RecoveryCode Template = "recovery_code"
	// ContactCode carries the one-time code that proves that a new contact is the person's.
	ContactCode Template = "contact_code"
)

// Templates returns the closed set.
func Templates() []Template {
	return []Template{RequestWaiting, ReadingTookPlace, RelationProposed, RelationActive, DeviceAdded, CredentialAdded, CardLow, Withdrawal, ActivationCode}
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
	case CredentialAdded:
		return "Vidan: Một cách đăng nhập vừa được thêm vào tài khoản. Nếu không phải bạn, hãy báo ngay.",
			"Vidan: A way to sign in was just added to your account. If it was not you, report it at once.", true
	case CardLow:
		return "Vidan: Thẻ mã in của bạn sắp hết mã. Hãy đến quầy một cửa để nhận thẻ mới.",
			"Vidan: Your printed card is nearly used up. Ask for a new one at a counter.", true
	case Withdrawal:
		return "Vidan: Một sự cho phép vừa được rút lại. Từ nay không ai được dùng nó nữa.",
			"Vidan: A permission was just withdrawn. From now on nobody can use it.", true
	}
	return t.accountText()
}

// accountText is text for what happens to an account.
func (t Template) accountText() (vi, en string, ok bool) {
	switch t {
	case LevelChanged:
		return "Vidan: Mức độ định danh của bạn vừa thay đổi. Nếu không phải bạn, hãy báo ngay.",
			"Vidan: The level of your account was just changed. If it was not you, report it at once.", true
	case AccountBlocked:
		return "Vidan: Tài khoản của bạn đã bị khoá. Hãy đến quầy, mang theo giấy tờ tuỳ thân, để mở lại.",
			"Vidan: Your account was blocked. Go to a counter with an identity paper to open it again.", true
	case AccountUnblocked:
		return "Vidan: Tài khoản của bạn đã được mở khoá. Nếu không phải bạn, hãy báo ngay.",
			"Vidan: Your account was unblocked. If it was not you, report it at once.", true
	case ContactChanged:
		return "Vidan: Cách liên lạc với bạn vừa thay đổi. Nếu không phải bạn, hãy báo ngay.",
			"Vidan: How you are reached was just changed. If it was not you, report it at once.", true
	case RecoveryStarted:
		return "Vidan: Có yêu cầu khôi phục tài khoản của bạn. Nếu không phải bạn, hãy mở ứng dụng và phản đối ngay.",
			"Vidan: Somebody asked to recover your account. If it was not you, open the app and object at once.", true
	case RecoveryFrozen:
		return "Vidan: Việc khôi phục tài khoản đã dừng vì có người phản đối. Hãy đến quầy để biết thêm.",
			"Vidan: The recovery of your account stopped because somebody objected. Ask at a counter.", true
	case Recovered:
		return "Vidan: Tài khoản của bạn đã được khôi phục. Cách đăng nhập cũ không còn dùng được.",
			"Vidan: Your account was recovered. The old ways to sign in no longer work.", true
	case DeathReported:
		return "Vidan: Có tin báo quan trọng về tài khoản của bạn. Hãy mở ứng dụng hoặc đến quầy ngay.",
			"Vidan: Something important was reported about your account. Open the app or go to a counter now.", true
	case RecoveryCode:
		return "Vidan: Mã khôi phục của bạn là {code}. Đừng đưa mã này cho bất kỳ ai.",
			"Vidan: Your recovery code is {code}. Do not give it to anyone.", true
	case ContactCode:
		return "Vidan: Mã xác nhận liên lạc là {code}. Đừng đưa mã này cho bất kỳ ai.",
			"Vidan: Your contact code is {code}. Do not give it to anyone.", true
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
