package openapi

// text is a sentence in both languages; Vietnamese is the default.
type text struct{ vi, en string }

func (t text) in(language string) string {
	if language == "en" {
		return t.en
	}
	return t.vi
}

type problemKind struct {
	status      int
	title, next text
	retryAfter  string // seconds
}

// Codes that handlers name; the others come from domain errors through the table in errors.go.
const (
	codeNotFound       = "not_found"
	codeInvalidRequest = "invalid_request"
	codeSchemaInvalid  = "schema_invalid"
	codeTooLarge       = "too_large"
	codeInternal       = "internal"
)

// Next steps that many problems share.
var (
	nextRepeat  = text{"Gửi lại đúng yêu cầu này sau ít phút.", "Send the same request again in a few minutes."}
	nextCorrect = text{"Sửa các lỗi được liệt kê rồi gửi lại.", "Correct the faults listed and send it again."}
	nextSignIn  = text{"Đăng nhập lại.", "Sign in again."}
	nextClient  = text{"Xem lại tài liệu API rồi sửa phần mềm gọi.", "Check the API document and correct the calling program."}
	nextMandate = text{"Liên hệ cơ quan quản lý định danh để được cấp quyền.", "Ask the identity authority for the right."}
	nextNone    = text{"Không cần làm gì thêm.", "Nothing more is needed."}
)

// problems is the catalogue of every code: a contract, from which nothing is removed (a test holds it to
// testdata/problem_codes.txt). The same table is the page /problems/{code}.
var problems = map[string]problemKind{
	"invalid_request":            {400, text{"Yêu cầu chưa đúng mẫu.", "The request is not well formed."}, nextCorrect, ""},
	"signature_invalid":          {400, text{"Chữ ký không hợp lệ.", "The signature is not valid."}, text{"Ký lại bằng khoá đã đăng ký.", "Sign again with a registered key."}, ""},
	"invalid_token":              {401, text{"Phiên làm việc không còn hiệu lực.", "The session is no longer valid."}, nextSignIn, ""},
	"invalid_dpop_proof":         {401, text{"Bằng chứng giữ khoá không hợp lệ.", "The proof of possession is not valid."}, nextClient, ""},
	"token_revoked":              {401, text{"Phiên đăng nhập đã kết thúc.", "The session has ended."}, nextSignIn, ""},
	"client_blocked":             {401, text{"Ứng dụng đã bị khoá.", "The client is blocked."}, nextMandate, ""},
	"person_blocked":             {403, text{"Tài khoản đang bị khoá.", "The account is blocked."}, text{"Đến quầy một cửa gần nhất, mang theo giấy tờ tuỳ thân.", "Go to the nearest counter with an identity paper."}, ""},
	"insufficient_scope":         {403, text{"Ứng dụng không có quyền này.", "The client lacks this scope."}, nextMandate, ""},
	"use_dpop_nonce":             {401, text{"Bằng chứng giữ khoá cần mã dùng một lần mới.", "The proof of possession needs a fresh nonce."}, text{"Phần mềm gửi lại với mã trong DPoP-Nonce.", "Send it again with the nonce of DPoP-Nonce in the proof."}, ""},
	"insufficient_level":         {401, text{"Việc này cần đăng nhập lại với xác nhận thêm.", "This needs a fresh sign-in with a second confirmation."}, text{"Đăng nhập lại và xác nhận bằng cách thứ hai.", "Sign in again and confirm by a second way."}, ""},
	"mandate_missing":            {403, text{"Cơ quan không có thẩm quyền cho việc này.", "The organisation has no mandate for this."}, nextMandate, ""},
	"not_granted":                {403, text{"Người dân chưa đồng ý.", "This has not been allowed."}, text{"Chờ người dân quyết định, hoặc nhận giấy tờ trực tiếp.", "Wait for the decision, or accept the paper instead."}, ""},
	"grant_withdrawn":            {403, text{"Người dân đã rút lại đồng ý.", "The permission was withdrawn."}, text{"Gửi yêu cầu mới nếu vẫn cần.", "Make a new request if it is still needed."}, ""},
	"grant_consumed":             {403, text{"Sự đồng ý này đã được dùng hết.", "The permission has been used up."}, text{"Gửi yêu cầu mới nếu vẫn cần.", "Make a new request if it is still needed."}, ""},
	"grant_expired":              {403, text{"Sự đồng ý này đã hết hạn.", "The permission has expired."}, text{"Gửi yêu cầu mới nếu vẫn cần.", "Make a new request if it is still needed."}, ""},
	"signature_required":         {403, text{"Quyết định này cần chữ ký của điện thoại đã đăng ký.", "This decision needs the signature of a registered device."}, text{"Quyết định trong ứng dụng trên điện thoại đã đăng ký.", "Decide in the app on a registered phone."}, ""},
	"representative_needed":      {403, text{"Việc này cần người đại diện hợp pháp quyết định.", "A legal representative has to decide this."}, text{"Nhờ cha, mẹ hoặc người giám hộ quyết định.", "Ask a parent or guardian to decide."}, ""},
	"second_officer_needed":      {403, text{"Cần một cán bộ khác xác nhận.", "Another officer has to confirm this."}, text{"Nhờ cán bộ khác xác nhận.", "Ask another officer to confirm."}, ""},
	"officer_level_needed":       {403, text{"Cán bộ cần đăng nhập ở mức độ 2.", "The officer has to sign in at level 2."}, text{"Cán bộ đăng nhập lại bằng hai yếu tố.", "The officer signs in again with two factors."}, ""},
	"other_office_needed":        {403, text{"Việc này do cơ quan khác quyết định.", "Another office has to decide this."}, text{"Chuyển cho hai cán bộ của cơ quan khác.", "Hand it to two officers of another office."}, ""},
	"other_issuer_needed":        {403, text{"Cần cơ quan khác với nơi báo tử xác nhận.", "Another issuer than the reporter has to confirm."}, text{"Chờ trích lục khai tử từ cơ quan hộ tịch khác.", "Wait for the extract of another registry."}, ""},
	"recently_recovered":         {403, text{"Tài khoản vừa được khôi phục nên việc này phải chờ 72 giờ.", "The account was recovered; this has to wait for 72 hours."}, text{"Thử lại sau 72 giờ kể từ lúc khôi phục.", "Try again 72 hours after the recovery."}, ""},
	"not_found":                  {404, text{"Không tìm thấy.", "Not found."}, text{"Kiểm tra lại đường dẫn hoặc mã.", "Check the address or the id."}, ""},
	"method_not_allowed":         {405, text{"Phương thức không được hỗ trợ.", "The method is not supported here."}, nextClient, ""},
	"not_acceptable":             {406, text{"Không có định dạng trả lời phù hợp.", "No acceptable form of the answer."}, nextClient, ""},
	"request_timeout":            {408, text{"Yêu cầu gửi quá chậm.", "The request arrived too slowly."}, nextRepeat, ""},
	"busy":                       {409, text{"Yêu cầu này đang được xử lý.", "This request is being worked on."}, nextRepeat, "1"},
	"result_id_reused":           {409, text{"Mã kết quả đã dùng cho lần gửi khác.", "The result id was used for another delivery."}, text{"Dùng mã kết quả mới cho lần gửi này.", "Use a new result id for this delivery."}, ""},
	"already_decided":            {409, text{"Yêu cầu này đã được quyết định.", "The request has been decided."}, nextNone, ""},
	"already_resolved":           {409, text{"Mục này đã được giải quyết.", "The entry has been resolved."}, nextNone, ""},
	"number_taken":               {409, text{"Số này đã thuộc về người khác.", "The number belongs to another person."}, text{"Kiểm tra lại hồ sơ gốc.", "Check the original record."}, ""},
	"other_number":               {409, text{"Người này đã có số định danh khác.", "The person has another number."}, text{"Kiểm tra lại hồ sơ gốc; chỉ quyết định xác lập lại số mới đổi được.", "Check the original record; only a decision that replaces the number changes it."}, ""},
	"already_enrolled":           {409, text{"Người này đã có tài khoản.", "The person has an account already."}, nextNone, ""},
	"recovery_needed":            {409, text{"Người này đã có cách đăng nhập.", "The person has a way to sign in already."}, text{"Khôi phục tài khoản thay vì đăng ký mới; cần hai cán bộ.", "Recover the account instead of enrolling; it takes two officers."}, ""},
	"death_reported":             {409, text{"Người này đã được báo tử.", "The death of this person is reported."}, text{"Nếu tin sai, người đó báo còn sống hoặc hai cán bộ huỷ báo tử.", "If it is wrong, the person says so, or two officers take it back."}, ""},
	"account_blocked":            {409, text{"Tài khoản của người này đang bị khoá.", "The account of this person is blocked."}, text{"Mở khoá trước; cần hai cán bộ.", "Unblock it first; it takes two officers."}, ""},
	"too_early":                  {409, text{"Chưa đủ bảy ngày kể từ khi báo tử.", "Seven days have not passed since the report."}, text{"Xác nhận sau khi hết thời hạn.", "Confirm when the time is over."}, ""},
	"state_conflict":             {409, text{"Không làm được ở trạng thái hiện tại.", "Not possible in the present state."}, text{"Đọc lại trạng thái rồi thử lần nữa.", "Read the state again and decide anew."}, ""},
	"last_credential":            {409, text{"Đây là cách đăng nhập cuối cùng.", "This is the last way to sign in."}, text{"Thêm cách khác trước khi gỡ cách này.", "Add another way before you end this one."}, ""},
	"not_joinable":               {409, text{"Không thể gộp hai hồ sơ này.", "These two records cannot be joined."}, text{"Kiểm tra lại hồ sơ gốc.", "Check the original records."}, ""},
	"too_many_open":              {409, text{"Cơ quan đang có quá nhiều yêu cầu chờ người này.", "Too many open requests for this person."}, text{"Chờ các yêu cầu trước được trả lời hoặc hết hạn.", "Wait until earlier requests are answered or expire."}, ""},
	"request_expired":            {410, text{"Yêu cầu đã hết hạn.", "The request has expired."}, text{"Đề nghị cơ quan gửi yêu cầu mới.", "Ask the organisation for a new request."}, ""},
	"too_large":                  {413, text{"Dữ liệu gửi lên quá lớn.", "The input is too large."}, text{"Chia nhỏ dữ liệu rồi gửi lại.", "Send it in smaller parts."}, ""},
	"unsupported_media_type":     {415, text{"Loại dữ liệu không được hỗ trợ.", "The media type is not supported."}, nextClient, ""},
	"schema_invalid":             {422, text{"Giấy tờ có chỗ chưa đúng.", "The document breaks its rules."}, nextCorrect, ""},
	"subject_mismatch":           {422, text{"Số trong giấy tờ khác số của người được nêu.", "The document names another number than the subject."}, nextCorrect, ""},
	"subject_ref_unknown":        {422, text{"Mã tham chiếu người không dùng được.", "The subject reference cannot be used."}, text{"Dùng mã trong biên nhận của chính cơ quan mình.", "Use the reference from your own receipt."}, ""},
	"attachments_not_accepted":   {422, text{"Chưa nhận tệp đính kèm.", "Attachments are not accepted yet."}, text{"Gửi kết quả không kèm tệp.", "Send the result without attachments."}, ""},
	"fields_outside_procedure":   {422, text{"Có mục mà thủ tục này không dùng.", "Fields are asked for that the procedure does not use."}, text{"Bỏ các mục được liệt kê.", "Leave out the fields listed."}, ""},
	"device_refused":             {422, text{"Không đăng ký được thiết bị này.", "The device cannot be registered."}, text{"Tạo khoá mới trên thiết bị rồi đăng ký lại.", "Make a new key on the device and register again."}, ""},
	"passkey_refused":            {422, text{"Không đăng ký được khóa đăng nhập này.", "The passkey cannot be registered."}, text{"Xin thử thách mới rồi tạo khóa lần nữa, hoặc dùng cách khác.", "Ask for a new challenge and make the key again, or use another way."}, ""},
	"code_display_refused":       {422, text{"Không thêm được thiết bị hiện mã này.", "The code display cannot be added."}, text{"Xin mã bí mật mới cho thiết bị rồi thử lại.", "Ask for a new secret for the display and try again."}, ""},
	"code_wrong":                 {422, text{"Mã đang hiện chưa đúng.", "The code is not right."}, text{"Chờ mã kế tiếp; kiểm tra đồng hồ của thiết bị.", "Wait for the next code; check the clock of the display."}, ""},
	"level_not_allowed":          {422, text{"Pháp luật không cho mức độ này với người này.", "The law does not give this person this level."}, text{"Xem lại loại giấy tờ, ngày sinh và mức độ.", "Check the kind of person, the birth date and the level."}, ""},
	"idempotency_conflict":       {422, text{"Khoá chống lặp đã dùng cho nội dung khác.", "The idempotency key was used with another body."}, text{"Dùng khoá mới cho nội dung mới.", "Use a new key for a new body."}, ""},
	"decision_mismatch":          {422, text{"Quyết định đã ký không khớp với yêu cầu.", "The signed decision does not match the request."}, text{"Mở lại yêu cầu và quyết định lần nữa.", "Open the request again and decide once more."}, ""},
	"idempotency_key_required":   {400, text{"Thiếu khoá chống lặp.", "The Idempotency-Key header is missing."}, nextClient, ""},
	"officer_assertion_required": {403, text{"Thiếu tên cán bộ chịu trách nhiệm.", "The responsible officer is not named."}, text{"Gửi kèm chứng thực cán bộ do cơ quan ký, hoặc để cán bộ tự đăng nhập.", "Send an officer assertion signed by the client, or have the officer sign in."}, ""},
	"activation_invalid":         {403, text{"Mã kích hoạt không đúng hoặc đã hết hạn.", "The activation code is wrong or has expired."}, text{"Xin mã mới tại quầy.", "Ask for a new code at a counter."}, ""},
	"too_many_contacts":          {429, text{"Có quá nhiều cách liên lạc.", "There are too many contacts."}, text{"Xoá bớt, hoặc thử lại vào ngày mai.", "Remove some, or try again tomorrow."}, "86400"},
	"rate_limited":               {429, text{"Gửi quá nhiều yêu cầu.", "Too many requests."}, text{"Chờ một lát rồi thử lại.", "Wait a moment and try again."}, "5"},
	"internal":                   {500, text{"Hệ thống gặp lỗi.", "The system failed."}, text{"Thử lại; nếu vẫn lỗi, báo mã yêu cầu cho bộ phận hỗ trợ.", "Try again; if it persists, give the request id to support."}, ""},
	"unavailable":                {503, text{"Hệ thống đang bận.", "The system is busy."}, nextRepeat, "2"},
	"record_unavailable":         {503, text{"Không ghi được nhật ký truy cập nên không thể trả lời.", "The access record cannot be written, so nothing is answered."}, nextRepeat, "2"},
	"keys_unavailable":           {503, text{"Chưa mở được khoá bảo vệ dữ liệu.", "The protecting keys cannot be opened."}, nextRepeat, "2"},
	"outcome_unknown":            {503, text{"Chưa biết yêu cầu đã được lưu hay chưa.", "It is not known whether the request was stored."}, text{"Gửi lại đúng yêu cầu này: nó sẽ không bị làm hai lần.", "Send the same request again: it will not be done twice."}, "1"},
}

// ProblemText gives the page of a problem code: its title, the next step, and the status it comes with; ok is false for a code that does not exist.
func ProblemText(code, language string) (title, next string, status int, ok bool) {
	kind, ok := problems[code]
	return kind.title.in(language), kind.next.in(language), kind.status, ok
}
