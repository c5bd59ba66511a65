package procedure

import (
	"fmt"
	"strings"
)

// Code is the stable name of what is wrong with a document. Codes are a contract with organisations: none is ever
// removed or given another meaning.
type Code string

// What can be wrong with the text of a document.
const (
	CodeTooLarge         Code = "too_large"
	CodeTooDeep          Code = "too_deep"
	CodeInvalidJSON      Code = "invalid_json"
	CodeTrailingData     Code = "trailing_data"
	CodeInvalidUnicode   Code = "invalid_unicode"
	CodeNotNFC           Code = "not_nfc"
	CodeControlCharacter Code = "control_character"
	CodeNumberForm       Code = "number_form"
	CodeDuplicateKey     Code = "duplicate_key"
	CodeMoreFaults       Code = "more_faults" // the list was cut at [MaxFaults]
)

// What can be wrong with a value by the schema of its type.
const (
	CodeRequired     Code = "required"
	CodeUnknownField Code = "unknown_field"
	CodeType         Code = "type"
	CodeConst        Code = "const"
	CodeEnum         Code = "enum"
	CodePattern      Code = "pattern"
	CodeFormat       Code = "format"
	CodeMinLength    Code = "min_length"
	CodeMaxLength    Code = "max_length"
	CodeMinimum      Code = "minimum"
	CodeMaximum      Code = "maximum"
	CodeMinItems     Code = "min_items"
	CodeMaxItems     Code = "max_items"
	CodeUniqueItems  Code = "unique_items"
	CodeOneOf        Code = "one_of"
)

// MaxFaults bounds how many faults of one document are listed; a paper has some sixty fields.
const MaxFaults = 500

// Fault is one thing wrong with a document. It never holds a value of the document (C4): the pointer is made of names
// of the catalogue and indexes, the sentences of the rule alone.
type Fault struct {
	Pointer string // RFC 6901; of the object, where an unknown member has no name fit to be repeated
	Code    Code
	TitleVI string // of the field with the fields around it, as far as the catalogue knows them: "Người mẹ – Nơi cư trú"
	RuleVI  string
	RuleEN  string
}

// textRule returns the sentences for faults that are the same everywhere.
func textRule(code Code) (vi, en string, ok bool) {
	switch code {
	case CodeTooLarge:
		return "Văn bản không được quá 256 KiB.", "The document must not exceed 256 KiB.", true
	case CodeTooDeep:
		return "Dữ liệu lồng nhau quá 32 lớp.", "Values must not be nested deeper than 32 levels.", true
	case CodeInvalidJSON:
		return "Dữ liệu không phải là JSON hợp lệ.", "The document must be valid JSON.", true
	case CodeTrailingData:
		return "Không được có gì sau đối tượng JSON.", "Nothing may follow the JSON object.", true
	case CodeInvalidUnicode:
		return "Chữ phải được mã hóa đúng UTF-8.", "Text must be valid UTF-8.", true
	case CodeNotNFC:
		return "Chữ phải ở dạng Unicode dựng sẵn (NFC).", "Text must be in Unicode normalisation form NFC.", true
	case CodeControlCharacter:
		return "Không được có ký tự điều khiển hoặc ký tự ẩn.",
			"Control and invisible characters are not allowed.", true
	case CodeNumberForm:
		return "Số phải viết đủ chữ số, không dùng số mũ, không quá 20 ký tự.",
			"Numbers must be written without exponent, in at most 20 characters.", true
	case CodeDuplicateKey:
		return "Trường này xuất hiện nhiều lần.", "The field must not appear twice.", true
	case CodeMoreFaults:
		return "Còn những lỗi khác chưa liệt kê.", "There are further faults that are not listed.", true
	case CodeRequired:
		return "Trường này là bắt buộc.", "The field is required.", true
	case CodeUnknownField:
		return "Loại giấy tờ này không có trường này.", "This type of document has no such field.", true
	}
	return "", "", false
}

// patternRule says in words what a regular expression of the catalogue asks for. A catalogue with an expression that is
// not listed is refused: nobody can mend a value by reading a regular expression.
func patternRule(expression string) (vi, en string, ok bool) {
	switch expression {
	case `^[0-9]{12}$`:
		return "Phải gồm đúng 12 chữ số.", "Must be exactly 12 digits.", true
	case `^[0-9]{10}$`:
		return "Phải gồm đúng 10 chữ số.", "Must be exactly 10 digits.", true
	case `^[0-9]{6,20}$`:
		return "Phải gồm từ 6 đến 20 chữ số.", "Must be 6 to 20 digits.", true
	case `^[0-9]{5}$`:
		return "Phải gồm đúng 5 chữ số.", "Must be exactly 5 digits.", true
	case `^[0-9]{4}$`:
		return "Phải là năm gồm 4 chữ số.", "Must be a year of 4 digits.", true
	case `^[0-9]{3}$`:
		return "Phải gồm đúng 3 chữ số.", "Must be exactly 3 digits.", true
	case `^[0-9]{2}$`:
		return "Phải gồm đúng 2 chữ số.", "Must be exactly 2 digits.", true
	case `^[1-5]$`:
		return "Phải là một chữ số từ 1 đến 5.", "Must be one digit from 1 to 5.", true
	case `^[A-Z]{2}$`:
		return "Phải gồm đúng 2 chữ cái in hoa.", "Must be exactly 2 capital letters.", true
	case `^(0|\+84)[0-9]{9}$`:
		return "Phải là số điện thoại Việt Nam: 0 hoặc +84 và 9 chữ số.",
			"Must be a Vietnamese phone number: 0 or +84 and 9 digits.", true
	case `^[A-Za-z0-9.\-]{6,40}$`:
		return "Phải gồm 6 đến 40 chữ cái không dấu, chữ số, dấu chấm hoặc gạch nối.",
			"Must be 6 to 40 letters without marks, digits, dots or hyphens.", true
	case `^[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?$`:
		return "Phải là năm, năm-tháng hoặc năm-tháng-ngày (YYYY, YYYY-MM, YYYY-MM-DD).",
			"Must be a year, month or day (YYYY, YYYY-MM, YYYY-MM-DD).", true
	case `^([01][0-9]|2[0-3]):[0-5][0-9]$`:
		return "Phải là giờ và phút, từ 00:00 đến 23:59.", "Must be a time from 00:00 to 23:59.", true
	case `^([0-9]{12}|[0-9]{10}|[A-Z]{2}[1-5][0-9]{12})$`:
		return "Phải là 12 chữ số, 10 chữ số, hoặc mã thẻ gồm 2 chữ cái, 1 chữ số từ 1 đến 5 và 12 chữ số.",
			"Must be 12 digits, 10 digits, or a card code of 2 letters, a digit from 1 to 5 and 12 digits.", true
	case `^[0-9A-Z]{5}\.GCS\.[0-9A-Z]{5}\.[0-9]{2}$`:
		return "Phải theo dạng số giấy chứng sinh XXXXX.GCS.ZZZZZ.YY.",
			"Must have the form of a birth notification number, XXXXX.GCS.ZZZZZ.YY.", true
	case "^[0-9]{2}[A-Z\u0110]{1,2}[0-9]?-[0-9]{3}\\.?[0-9]{1,2}$":
		return "Phải theo dạng biển số xe.", "Must have the form of a vehicle plate.", true
	}
	return "", "", false
}

// typeRule returns the sentences for the JSON types of the schemas.
func typeRule(typ string) (vi, en string, ok bool) {
	switch typ {
	case "string":
		return "Giá trị phải là chuỗi ký tự.", "The value must be a string.", true
	case "integer":
		return "Giá trị phải là số nguyên.", "The value must be an integer.", true
	case "boolean":
		return "Giá trị phải là true hoặc false.", "The value must be true or false.", true
	case "object":
		return "Giá trị phải là một đối tượng gồm nhiều trường.", "The value must be an object.", true
	case "array":
		return "Giá trị phải là một danh sách.", "The value must be an array.", true
	}
	return "", "", false
}

// rule says in one sentence per language what the schema asks for at a place.
func (s *schema) rule(code Code) (vi, en string) {
	if vi, en, ok := textRule(code); ok {
		return vi, en
	}
	switch code {
	case CodeType:
		vi, en, _ = typeRule(s.typ)
		return vi, en
	case CodeConst:
		return fmt.Sprintf("Giá trị phải là %q.", s.enum[0]), fmt.Sprintf("The value must be %q.", s.enum[0])
	case CodeEnum:
		list := strings.Join(s.enum, ", ")
		return fmt.Sprintf("Giá trị phải là một trong: %s.", list), fmt.Sprintf("The value must be one of: %s.", list)
	case CodePattern:
		vi, en, _ = patternRule(s.pattern.String())
		return vi, en
	case CodeFormat:
		return "Phải là ngày có thật, viết theo dạng YYYY-MM-DD.", "Must be a day of the calendar, written YYYY-MM-DD."
	case CodeMinLength:
		return fmt.Sprintf("Phải có ít nhất %d ký tự.", s.minLength), fmt.Sprintf("Must have at least %d characters.", s.minLength)
	case CodeMaxLength:
		return fmt.Sprintf("Không được quá %d ký tự.", s.maxLength), fmt.Sprintf("Must not exceed %d characters.", s.maxLength)
	case CodeMinimum:
		return fmt.Sprintf("Không được nhỏ hơn %d.", s.minimum), fmt.Sprintf("Must not be less than %d.", s.minimum)
	case CodeMaximum:
		return fmt.Sprintf("Không được lớn hơn %d.", s.maximum), fmt.Sprintf("Must not be greater than %d.", s.maximum)
	case CodeMinItems:
		return fmt.Sprintf("Phải có ít nhất %d mục.", s.minItems), fmt.Sprintf("Must have at least %d items.", s.minItems)
	case CodeMaxItems:
		return fmt.Sprintf("Không được quá %d mục.", s.maxItems), fmt.Sprintf("Must not have more than %d items.", s.maxItems)
	case CodeUniqueItems:
		return "Các mục không được trùng nhau.", "Items must not be repeated."
	default: // CodeOneOf
		return "Giá trị phải đúng một trong các dạng được phép.", "The value must have one of the allowed forms."
	}
}
