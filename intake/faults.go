package intake

import (
	"vidan/procedure"
)

// Invalid is a result refused for its content: every fault, no value (R1).
type Invalid struct {
	Code   string // of the problem: schema_invalid, subject_mismatch, attachments_not_accepted or subject_ref_unknown
	Faults []procedure.Fault
}

func (e *Invalid) Error() string { return "intake: " + e.Code }

// Codes of problems, which some faults share.
const (
	codeSchema      = "schema_invalid"
	codeMismatch    = "subject_mismatch"
	codeAttachments = "attachments_not_accepted"
	codeRefUnknown  = "subject_ref_unknown"
)

// refUnknown is the answer to every subject_ref that leads nowhere, whatever the reason.
func refUnknown() error {
	return &Invalid{Code: codeRefUnknown, Faults: []procedure.Fault{fault("/subject/subject_ref", codeRefUnknown)}}
}

// fault is a fault of the envelope; those of the document come from the catalogue.
func fault(pointer, code string) procedure.Fault {
	rule := rules[code]
	return procedure.Fault{Pointer: pointer, Code: procedure.Code(code), TitleVI: titles[pointer], RuleVI: rule.vi, RuleEN: rule.en}
}

// rules are what was broken, in one sentence.
var rules = map[string]struct{ vi, en string }{
	"invalid_json":      {"Nội dung phải là một đối tượng JSON đúng chuẩn.", "The value must be one JSON object."},
	"duplicate_key":     {"Có mục xuất hiện nhiều lần.", "A member appears twice."},
	"too_large":         {"Nội dung không được quá 256 KiB.", "The payload must not exceed 256 KiB."},
	"unknown_field":     {"Có mục không được định nghĩa.", "A member is not defined."},
	"required":          {"Trường này là bắt buộc.", "The field is required."},
	"type":              {"Sai kiểu dữ liệu.", "The value has the wrong type."},
	"format":            {"Sai mẫu.", "The value does not have its form."},
	"range":             {"Ngoài khoảng cho phép.", "The value is out of range."},
	"enum":              {"Không thuộc các giá trị cho phép.", "The value is not one of those allowed."},
	"in_the_future":     {"Thời điểm ở tương lai.", "The time lies in the future."},
	"unknown_type":      {"Loại giấy tờ không có trong danh mục.", "The catalogue has no such document type."},
	"unknown_procedure": {"Thủ tục không có trong danh mục.", "The catalogue has no such procedure."},
	"type_not_produced": {"Thủ tục này không cấp loại giấy tờ này.", "The procedure does not produce this document type."},
	"names_two":         {"Giấy tờ về hai người: phải gửi kèm nội dung, cả khi thu hồi.", "A paper about two people comes with its content, also when it is revoked."},
	"synthetic":         {"Giấy tờ mẫu chỉ dùng trong môi trường thử, và môi trường thử chỉ nhận giấy tờ mẫu.", "Synthetic papers are for the sandbox alone, and the sandbox takes nothing else."},
	codeAttachments:     {"Chưa nhận tệp đính kèm.", "Attachments are not accepted yet."},
	codeMismatch:        {"Số trong giấy tờ khác số của người được nêu.", "The document names another number than the subject."},
	codeRefUnknown:      {"Mã tham chiếu người không dùng được.", "The subject reference cannot be used."},
}

// titles are the names of the members of the envelope, as they are shown to officers.
var titles = map[string]string{
	"":                                   "Kết quả",
	"/result_id":                         "Mã lần gửi",
	"/document_ref":                      "Số tham chiếu giấy tờ",
	"/revision":                          "Lần sửa đổi",
	"/state":                             "Trạng thái",
	"/issued_at":                         "Thời điểm cấp",
	"/origin":                            "Nguồn",
	"/document_type":                     "Loại giấy tờ",
	"/procedure":                         "Thủ tục",
	"/dossier_code":                      "Mã hồ sơ",
	"/subject":                           "Người được cấp",
	"/subject/personal_number":           "Số định danh cá nhân",
	"/subject/birth_notice_number":       "Số giấy chứng sinh",
	"/subject/registration":              "Sổ đăng ký khai sinh",
	"/subject/registration/organisation": "Cơ quan đăng ký",
	"/subject/registration/book":         "Quyển số",
	"/subject/registration/number":       "Số đăng ký",
	"/subject/subject_ref":               "Mã tham chiếu người",
	"/issued_by":                         "Nơi cấp",
	"/issued_by/organisation":            "Cơ quan cấp",
	"/issued_by/unit":                    "Đơn vị cấp",
	"/issued_by/officer":                 "Mã cán bộ",
	"/attachments":                       "Tệp đính kèm",
	"/document":                          "Nội dung giấy tờ",
	"/document/synthetic":                "Giấy tờ mẫu",
}
