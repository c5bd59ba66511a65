package web

import "fmt"

// text is one sentence or label in both languages (E5).
type text struct{ vi, en string }

// say returns a text. A key that does not exist is a mistake of a template, which a test finds.
func say(language, key string) (string, error) {
	t, ok := texts[key]
	switch {
	case !ok:
		return "", fmt.Errorf("web: no text %q", key)
	case language == "en":
		return t.en, nil
	}
	return t.vi, nil
}

// texts are all words of all pages. A page has a title and, where it says something, lead and next; next says what the person can do.
var texts = map[string]text{
	"name":     {"Ví dân", "Vidan"},
	"other":    {"English", "Tiếng Việt"},
	"skip":     {"Đến nội dung chính", "Skip to the content"},
	"to_home":  {"Về trang đầu", "To the first page"},
	"back":     {"Quay lại nơi bạn đến", "Go back to where you came from"},
	"retry":    {"Đăng nhập lại", "Sign in again"},
	"number":   {"Số định danh cá nhân", "Personal number"},
	"number_h": {"12 chữ số, in trên thẻ căn cước", "12 digits, printed on your identity card"},

	"home.title":    {"Ví dân: giấy tờ của bạn, ở một nơi", "Vidan: your papers in one place"},
	"home.lead":     {"Kết quả mỗi thủ tục được giữ kín trong ví của bạn. Lần sau, bạn cho phép dùng lại thay vì khai lại từ đầu.", "The result of every procedure is kept sealed in your wallet. Next time you allow its use instead of filling in everything again."},
	"home.control":  {"Bạn luôn thấy ai đã xem gì, vì sao, và rút lại được sự đồng ý.", "You always see who looked at what and why, and you can withdraw your permission."},
	"home.activate": {"Kích hoạt tài khoản bằng mã đã gửi cho bạn", "Activate your account with the code sent to you"},
	"home.docs":     {"Tài liệu cho người viết phần mềm", "Documentation for developers"},
	"home.signin":   {"Để đăng nhập, hãy mở ứng dụng Ví dân hoặc trang của cơ quan bạn đang làm thủ tục.", "To sign in, open the Vidan app or the site of the office whose procedure you are in."},

	"signin.title":        {"Đăng nhập", "Sign in"},
	"signin.for":          {"Bạn đăng nhập để dùng:", "You are signing in to use:"},
	"signin.by":           {"Đơn vị:", "Run by:"},
	"signin.passphrase":   {"Cụm mật khẩu", "Passphrase"},
	"signin.passphrase_h": {"Cụm từ bạn đã chọn khi kích hoạt tài khoản", "The words you chose when you activated the account"},
	"signin.go":           {"Tiếp tục", "Continue"},
	"signin.wrong":        {"Số định danh hoặc cụm mật khẩu chưa đúng. Hãy kiểm tra bộ gõ và phím viết hoa rồi thử lại.", "The number or the passphrase is not right. Check the keyboard and try again."},
	"signin.malformed":    {"Hãy điền đủ 12 chữ số của số định danh và cụm mật khẩu.", "Fill in all 12 digits of the number, and the passphrase."},
	"signin.activate":     {"Chưa có hoặc quên cụm mật khẩu? Kích hoạt bằng mã một lần", "No passphrase yet, or forgotten? Activate with a one-time code"},
	"signin.code":         {"Cán bộ tại quầy một cửa gửi mã cho bạn khi bạn mang theo giấy tờ tùy thân.", "An officer at the counter sends you a code when you come with an identity paper."},
	"signin.cancel":       {"Không đăng nhập", "Do not sign in"},

	"confirm.title":  {"Xác nhận trên điện thoại", "Confirm on your phone"},
	"confirm.lead":   {"Mở ứng dụng trên điện thoại đã đăng ký và chọn đúng số này:", "Open the app on your registered phone and pick this number:"},
	"confirm.wait":   {"Trang này tự xem lại sau vài giây.", "This page looks again by itself in a few seconds."},
	"confirm.done":   {"Tôi đã chọn số, tiếp tục", "I picked the number, continue"},
	"confirm.not_me": {"Nếu bạn không đang đăng nhập, hãy bấm từ chối trên điện thoại.", "If you are not signing in, say no on the phone."},
	"confirm.none":   {"Không có điện thoại bên mình? Hãy quay lại và chọn cách khác, hoặc đến quầy một cửa.", "No phone at hand? Go back and choose another way, or go to a counter."},
	"confirm.cancel": {"Không đăng nhập", "Do not sign in"},

	"activate.title":    {"Kích hoạt tài khoản", "Activate your account"},
	"activate.lead":     {"Bạn cần mã gồm 8 chữ số đã được gửi cho bạn. Mã dùng được một lần, trong 7 ngày.", "You need the code of 8 digits that was sent to you. It works once, for 7 days."},
	"activate.code":     {"Mã một lần", "One-time code"},
	"activate.code_h":   {"8 chữ số trong tin nhắn hoặc thư", "8 digits in the message or letter"},
	"activate.choose":   {"Chọn cụm mật khẩu", "Choose a passphrase"},
	"activate.choose_h": {"Ít nhất 10 ký tự. Vài từ không liên quan nhau dễ nhớ và khó đoán.", "At least 10 characters. A few unrelated words are easy to remember and hard to guess."},
	"activate.repeat":   {"Nhập lại cụm mật khẩu", "Repeat the passphrase"},
	"activate.go":       {"Kích hoạt", "Activate"},
	"activate.wrong":    {"Số định danh hoặc mã chưa đúng, hoặc mã đã hết hạn. Bạn có thể thử 5 lần; sau đó hãy xin mã mới tại quầy một cửa.", "The number or the code is not right, or the code is too old. You can try 5 times; then ask for a new code at a counter."},
	"activate.weak":     {"Cụm mật khẩu này dễ đoán hoặc quá ngắn. Hãy chọn ít nhất 10 ký tự, không chứa số định danh của bạn.", "This passphrase is short or easy to guess. Choose at least 10 characters, without your personal number."},
	"activate.differ":   {"Hai lần nhập cụm mật khẩu không giống nhau.", "The two passphrases are not the same."},

	"activated.title": {"Tài khoản đã được kích hoạt", "Your account is active"},
	"activated.lead":  {"Từ nay bạn đăng nhập bằng số định danh và cụm mật khẩu vừa chọn.", "From now on you sign in with your number and the passphrase you just chose."},
	"activated.next":  {"Mở ứng dụng Ví dân trên điện thoại và đăng nhập. Trong ứng dụng, hãy đăng ký điện thoại để xác nhận những việc quan trọng.", "Open the Vidan app on your phone and sign in. In the app, register the phone to confirm important acts."},

	"dead.title": {"Chưa đăng nhập", "Not signed in"},
	"dead.lead":  {"Lần đăng nhập này đã bị từ chối trên điện thoại, hoặc số được chọn không đúng.", "This sign-in was refused on the phone, or another number was picked."},
	"dead.next":  {"Nếu chính bạn đang đăng nhập, hãy bắt đầu lại. Nếu không phải bạn, hãy đổi cụm mật khẩu tại quầy một cửa.", "If it is you, begin again. If it is not you, change your passphrase at a counter."},

	"complete.title": {"Đã đăng nhập xong", "The sign-in is complete"},
	"complete.lead":  {"Lần đăng nhập này đã kết thúc.", "This sign-in has ended."},
	"complete.next":  {"Hãy quay lại ứng dụng hoặc trang bạn đến. Nếu nơi đó chưa nhận ra bạn, hãy bắt đầu đăng nhập lại từ đó.", "Go back to the app or site you came from. If it does not know you yet, begin again from there."},

	"no_signin.title": {"Không có lần đăng nhập nào đang mở", "No sign-in is under way"},
	"no_signin.lead":  {"Lần đăng nhập đã quá 15 phút, đã xong, hoặc trình duyệt không giữ cookie.", "The sign-in is older than 15 minutes, is over, or the browser keeps no cookies."},
	"no_signin.next":  {"Hãy quay lại ứng dụng hoặc trang bạn đến và bắt đầu đăng nhập lại.", "Go back to the app or site you came from and begin again."},

	"untrusted.title": {"Không thể đăng nhập từ nơi này", "You cannot sign in from there"},
	"untrusted.lead":  {"Trang hoặc ứng dụng đưa bạn đến đây chưa được đăng ký, hoặc yêu cầu của nó bị sai. Bạn chưa bị gửi đi đâu.", "The site or app that brought you here is not registered, or asked wrongly. You were not sent anywhere."},
	"untrusted.next":  {"Hãy mở ứng dụng Ví dân hoặc trang của cơ quan bằng địa chỉ bạn biết rõ. Nếu bạn nhận đường dẫn qua tin nhắn lạ, đừng dùng nó.", "Open the Vidan app or the office's site by an address you know. If the link came in a message from a stranger, do not use it."},

	"foreign_form.title": {"Mẫu này không gửi được", "This form cannot be sent"},
	"foreign_form.lead":  {"Mẫu được gửi từ một trang khác, hoặc quá dài.", "The form was sent from another site, or is too long."},
	"foreign_form.next":  {"Hãy quay lại ứng dụng hoặc trang bạn đến và bắt đầu lại.", "Go back to the app or site you came from and begin again."},

	"account_closed.title": {"Tài khoản đang bị khóa", "The account is blocked"},
	"account_closed.lead":  {"Hiện không ai đăng nhập được vào tài khoản này.", "Nobody can sign in to this account at present."},
	"account_closed.next":  {"Hãy đến quầy một cửa gần nhất, mang theo giấy tờ tùy thân, để được mở khóa.", "Go to the nearest counter with an identity paper to have it unblocked."},

	"no_account.title": {"Tài khoản chưa dùng để đăng nhập được", "This account cannot sign in yet"},
	"no_account.lead":  {"Tài khoản chưa được xác định mức độ định danh.", "The level of the account has not been set."},
	"no_account.next":  {"Hãy đến quầy một cửa gần nhất, mang theo giấy tờ tùy thân.", "Go to the nearest counter with an identity paper."},

	"needs_level.title": {"Việc này cần tài khoản mức độ 2", "This needs an account of level 2"},
	"needs_level.lead":  {"Tài khoản của bạn đang ở mức độ 1.", "Your account has level 1."},
	"needs_level.next":  {"Hãy đến quầy một cửa hoặc công an cấp xã, mang theo thẻ căn cước, để nâng lên mức độ 2. Ở quầy, bạn cũng làm được thủ tục này mà không cần tài khoản.", "Go to a counter or the commune police with your identity card to raise it to level 2. At a counter you can also do this without an account."},

	"needs_device.title": {"Việc này cần một điện thoại đã đăng ký", "This needs a registered phone"},
	"needs_device.lead":  {"Tài khoản của bạn chưa có điện thoại nào để xác nhận.", "Your account has no phone yet to confirm with."},
	"needs_device.next":  {"Hãy mở ứng dụng Ví dân, đăng nhập và đăng ký điện thoại bằng mã một lần do quầy một cửa gửi. Không có điện thoại thông minh? Bạn làm được thủ tục này tại quầy.", "Open the Vidan app, sign in and register the phone with a one-time code that a counter sends you. No smartphone? You can do this at a counter."},

	"throttled.title":   {"Đã thử quá nhiều lần", "Too many tries"},
	"throttled.lead":    {"Để bảo vệ tài khoản, việc đăng nhập tạm dừng.", "To protect the account, signing in is paused."},
	"throttled.wait":    {"Số phút cần chờ:", "Minutes to wait:"},
	"throttled.next":    {"Sau thời gian đó hãy thử lại. Trình duyệt mà bạn từng đăng nhập và điện thoại đã đăng ký vẫn dùng được. Nếu cần gấp, hãy đến quầy một cửa.", "Try again after that time. A browser in which you signed in before, and your registered phone, still work. If it is urgent, go to a counter."},
	"busy.title":        {"Đang có nhiều người đăng nhập", "Many people are signing in"},
	"busy.lead":         {"Chưa xử lý được yêu cầu của bạn. Chưa có gì thay đổi.", "Your request could not be served yet. Nothing changed."},
	"busy.next":         {"Hãy chờ vài giây rồi tải lại trang.", "Wait a few seconds and load the page again."},
	"failed.title":      {"Có lỗi ở phía chúng tôi", "Something is wrong on our side"},
	"failed.lead":       {"Lỗi đã được ghi lại để người vận hành xử lý.", "The fault was noted for the operator."},
	"failed.next":       {"Hãy thử lại sau vài phút. Nếu cần gấp, hãy đến quầy một cửa.", "Try again in a few minutes. If it is urgent, go to a counter."},
	"signed_out.title":  {"Bạn đã đăng xuất", "You are signed out"},
	"signed_out.lead":   {"Lần đăng nhập đó không dùng được nữa, ở bất cứ nơi nào.", "That sign-in cannot be used any more, anywhere."},
	"signed_out.next":   {"Nếu đây là máy dùng chung, hãy đóng trình duyệt.", "If others use this computer, close the browser."},
	"no_page.title":     {"Không có trang này", "There is no such page"},
	"no_page.next":      {"Hãy kiểm tra lại địa chỉ.", "Check the address."},
	"problem.title":     {"Vì sao yêu cầu không được thực hiện", "Why the request was not carried out"},
	"problem.next_step": {"Bạn có thể làm gì:", "What you can do:"},
}
