package audit

import (
	"strconv"
	"strings"

	"vidan/identity"
)

// Names are the words that the reader of a sentence knows the people and bodies by. The record holds only ids; whoever shows it
// looks the names up. A name that is not known stays empty and is paraphrased, never replaced by an id.
type Names struct {
	Reader       identity.VaultID // who is reading the sentence
	Owner        string           // whose record it is; empty when the reader is the owner
	Organisation string           // name of the acting organisation
	Actor        string           // name of the citizen who acted, when that is neither the reader nor a secret to them
}

// Sentence says in one plain sentence each, Vietnamese first, what the entry means, as it is shown in the access history
// (Decree 69/2024 Art. 18(6): papers, purpose, count, time, who). At most 20 words, no code words.
func (e Entry) Sentence(n Names) (vi, en string) {
	p, ok := phraseOf(e.Kind)
	if !ok {
		return "Có một việc liên quan đến tài khoản này.", "Something happened that concerns this account."
	}
	if e.Kind == AccessRefused {
		e.Outcome = Refused // whatever the caller thought worth noting, the person reads that nothing was given
	}
	whoVi, whoEn := e.who(n)
	whoseVi, whoseEn := e.whose(n)
	fill := strings.NewReplacer("{của}", whoseVi, "{mục}", e.count(" ", " mục "), "{your}", whoseEn, "{some}", e.count("some", ""))
	switch {
	case p.vi != "":
		vi, en = p.vi, p.en
	case e.Kind == Decision && e.Outcome == Refused:
		vi, en = whoVi+" đã từ chối cho dùng thông tin {của}", whoEn+" said no to the use of {your} details"
	case e.Outcome == Refused:
		vi, en = whoVi+" không được "+p.verb, whoEn+was(whoEn)+"not allowed to "+p.base
	case e.Outcome == NotFound:
		vi, en = whoVi+" tìm thông tin {của} nhưng không thấy", whoEn+" looked for some of {your} details and found nothing"
	case e.Outcome == Failed:
		vi, en = whoVi+" chưa "+p.verb+" được", whoEn+" could not "+p.base
	default:
		vi, en = whoVi+" đã "+p.verb, whoEn+" "+p.past
	}
	return fill.Replace(vi) + ".", fill.Replace(en) + "."
}

func (e Entry) who(n Names) (vi, en string) {
	switch {
	case !e.Actor.Vault.IsZero() && e.Actor.Vault == n.Reader:
		return "Bạn", "You"
	case !e.Actor.Vault.IsZero() && n.Actor != "":
		return n.Actor, n.Actor
	case !e.Actor.Vault.IsZero() && e.Actor.Vault == e.Vault:
		return "Chủ tài khoản", "The account holder"
	case !e.Actor.Vault.IsZero():
		return "Người đại diện", "A representative"
	case e.Organisation != "" && n.Organisation != "":
		return n.Organisation, n.Organisation
	case e.Organisation != "":
		return "Một cơ quan", "An organisation"
	case e.Outcome != "" && e.Outcome != Done:
		return "Có người", "Somebody"
	}
	return "Hệ thống", "The service"
}

func (e Entry) whose(n Names) (vi, en string) {
	switch {
	case n.Owner != "":
		return "của " + n.Owner, n.Owner + "’s"
	case !e.Actor.Vault.IsZero() && e.Actor.Vault == n.Reader:
		return "của mình", "your"
	}
	return "của bạn", "your"
}

func was(who string) string {
	if who == "You" {
		return " were "
	}
	return " was "
}

func (e Entry) count(none, unit string) string {
	if len(e.Fields) == 0 {
		return none
	}
	if unit != "" {
		return " " + strconv.Itoa(len(e.Fields)) + unit
	}
	return strconv.Itoa(len(e.Fields))
}

// phrase is what one kind means. verb follows "đã" or "không được", base follows "was not allowed to"; past
// follows the name of who acted. Where it does not
// matter who acted, vi and en are the whole sentence.
type phrase struct{ verb, past, base, vi, en string }

func phraseOf(k Kind) (phrase, bool) {
	if p, ok := phraseOfReading(k); ok {
		return p, true
	}
	if p, ok := phraseOfConsent(k); ok {
		return p, true
	}
	return phraseOfAccount(k)
}

func phraseOfReading(k Kind) (phrase, bool) {
	switch k {
	case ListRead:
		return phrase{verb: "xem danh sách giấy tờ {của}", past: "looked at the list of {your} documents", base: "see the list of {your} documents"}, true
	case DocumentRead:
		return phrase{verb: "xem một giấy tờ {của}", past: "looked at one of {your} documents", base: "look at one of {your} documents"}, true
	case HistoryRead:
		return phrase{verb: "xem lịch sử truy cập {của}", past: "looked at {your} access history", base: "look at {your} access history"}, true
	case RequestViewed:
		return phrase{verb: "xem yêu cầu dùng thông tin {của}", past: "looked at a request for {your} details", base: "see a request for {your} details"}, true
	case Disclosure:
		return phrase{verb: "nhận{mục}thông tin {của}", past: "received {some} of {your} details", base: "receive {some} of {your} details"}, true
	case ResultStored:
		return phrase{verb: "gửi một giấy tờ vào ví {của}", past: "added a document to {your} wallet", base: "add a document to {your} wallet"}, true
	case ResultQuarantined:
		return phrase{vi: "Một giấy tờ gửi vào ví {của} đang chờ người kiểm tra", en: "A document for {your} wallet is waiting for a person to check it"}, true
	case ResultResolved:
		return phrase{verb: "kiểm tra giấy tờ đang chờ {của}", past: "checked a waiting document for {your} wallet", base: "check a document for {your} wallet"}, true
	case HoldingOpened:
		return phrase{vi: "Một giấy tờ có liên quan đã được nối với ví {của}", en: "A related document was linked to {your} wallet"}, true
	case HoldingEnded:
		return phrase{vi: "Một giấy tờ có liên quan không còn nối với ví {của}", en: "A related document is no longer linked to {your} wallet"}, true
	}
	return phrase{}, false
}

func phraseOfConsent(k Kind) (phrase, bool) {
	switch k {
	case RelationProposed:
		return phrase{verb: "đề nghị một quyền đại diện {của}", past: "proposed a representative in {your} account", base: "propose a representative in {your} account"}, true
	case RelationActive:
		return phrase{vi: "Một quyền đại diện {của} đã có hiệu lực", en: "A right of representation in {your} account took effect"}, true
	case RelationEnded:
		return phrase{vi: "Một quyền đại diện {của} đã chấm dứt", en: "A right of representation in {your} account ended"}, true
	case RelationRestricted:
		return phrase{vi: "Một quyền đại diện {của} đã bị hạn chế", en: "A right of representation in {your} account was restricted"}, true
	case RequestReceived:
		return phrase{verb: "xin dùng thông tin {của}", past: "asked to use {your} details", base: "ask for {your} details"}, true
	case Decision:
		return phrase{verb: "đồng ý cho dùng thông tin {của}", past: "agreed to the use of {your} details", base: "decide on the use of {your} details"}, true
	case GrantPaused:
		return phrase{verb: "tạm dừng một sự cho phép {của}", past: "paused one of {your} permissions", base: "pause one of {your} permissions"}, true
	case GrantResumed:
		return phrase{verb: "mở lại một sự cho phép {của}", past: "resumed one of {your} permissions", base: "resume one of {your} permissions"}, true
	case GrantExpired:
		return phrase{vi: "Một sự cho phép {của} đã hết hạn", en: "One of {your} permissions ended as agreed"}, true
	case Withdrawal:
		return phrase{verb: "rút lại một sự cho phép {của}", past: "withdrew one of {your} permissions", base: "withdraw one of {your} permissions"}, true
	case AccessRefused:
		return phrase{verb: "xem thông tin {của}", past: "saw {your} details", base: "see {your} details"}, true
	}
	return phrase{}, false
}

func phraseOfAccount(k Kind) (phrase, bool) {
	switch k {
	case Enrolled:
		return phrase{verb: "mở tài khoản {của}", past: "opened {your} account", base: "open {your} account"}, true
	case Activated:
		return phrase{verb: "kích hoạt tài khoản {của}", past: "activated {your} account", base: "activate {your} account"}, true
	case SignIn:
		return phrase{verb: "đăng nhập vào tài khoản {của}", past: "signed in to {your} account", base: "sign in to {your} account"}, true
	case SessionEnded:
		return phrase{verb: "kết thúc một lần đăng nhập {của}", past: "ended one of {your} sign-ins", base: "end one of {your} sign-ins"}, true
	case DeviceAdded:
		return phrase{verb: "thêm thiết bị vào tài khoản {của}", past: "added a device to {your} account", base: "add a device to {your} account"}, true
	case DeviceRemoved:
		return phrase{verb: "gỡ thiết bị khỏi tài khoản {của}", past: "removed a device from {your} account", base: "remove a device from {your} account"}, true
	case NumberProposed:
		return phrase{verb: "báo số định danh cho ví {của}", past: "reported a personal number for {your} wallet", base: "report a number for {your} wallet"}, true
	case IdentifierBound:
		return phrase{verb: "gắn số định danh vào ví {của}", past: "linked a personal number to {your} wallet", base: "link a number to {your} wallet"}, true
	case VaultJoined:
		return phrase{verb: "gộp hai ví {của} làm một", past: "joined {your} two wallets into one", base: "join {your} two wallets into one"}, true
	case LevelChanged:
		return phrase{verb: "đổi mức độ định danh {của}", past: "changed the level of {your} account", base: "change the level of {your} account"}, true
	case ContactChanged:
		return phrase{verb: "đổi cách liên lạc {của}", past: "changed {your} contact details", base: "change {your} contact details"}, true
	case DeathReported:
		return phrase{verb: "ghi nhận tin báo tử {của}", past: "recorded a report of {your} death", base: "record a report of {your} death"}, true
	case Blocked:
		return phrase{verb: "khóa tài khoản {của}", past: "blocked {your} account", base: "block {your} account"}, true
	case Unblocked:
		return phrase{verb: "mở khóa tài khoản {của}", past: "unblocked {your} account", base: "unblock {your} account"}, true
	}
	return phrase{}, false
}
