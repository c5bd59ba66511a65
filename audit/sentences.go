package audit

import (
	"strconv"
	"strings"

	"vidan/identity"
)

// Names are the words that the reader of a sentence knows the people and bodies by. The record holds only ids; whoever
// shows it looks the names up. A name that is not known stays empty and is paraphrased, never replaced by an id.
type Names struct {
	Reader       identity.VaultID // who is reading the sentence
	Owner        string           // whose record it is; empty when the reader is the owner
	Organisation string           // name of the acting organisation
	Actor        string           // name of the citizen who acted, when that is neither the reader nor a secret to them
}

// Sentence says in one plain sentence each, Vietnamese first, what the entry means, as it is shown in the access
// history (Decree 69/2024 Art. 18(6): papers, purpose, count, time, who). At most 20 words, no code words.
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
	fill := strings.NewReplacer("{của}", whoseVi, "{mục}", e.count(" ", " mục "),
		"{your}", whoseEn, "{some}", e.count("some", ""))
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

// count says of how many details a disclosure was, or none: with a unit and spaces around in Vietnamese, bare in English.
func (e Entry) count(none, unit string) string {
	if len(e.Fields) == 0 {
		return none
	}
	if unit != "" {
		return " " + strconv.Itoa(len(e.Fields)) + unit
	}
	return strconv.Itoa(len(e.Fields))
}

// phrase is what one kind means. verb follows "đã" or "không được", base follows "was not allowed to", past follows the
// name of who acted. Where it does not matter who acted, vi and en are the whole sentence.
type phrase struct{ verb, past, base, vi, en string }

func act(verb, past, base string) (phrase, bool) {
	return phrase{verb: verb, past: past, base: base}, true
}

func whole(vi, en string) (phrase, bool) { return phrase{vi: vi, en: en}, true }

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
		return act("xem danh sách giấy tờ {của}",
			"looked at the list of {your} documents", "see the list of {your} documents")
	case RelationsRead:
		return act("xem người đại diện {của}",
			"looked at {your} representatives", "see {your} representatives")
	case DocumentRead:
		return act("xem một giấy tờ {của}",
			"looked at one of {your} documents", "look at one of {your} documents")
	case HistoryRead:
		return act("xem lịch sử truy cập {của}",
			"looked at {your} access history", "look at {your} access history")
	case RequestViewed:
		return act("xem yêu cầu dùng thông tin {của}",
			"looked at a request for {your} details", "see a request for {your} details")
	case Disclosure:
		return act("nhận{mục}thông tin {của}",
			"received {some} of {your} details", "receive {some} of {your} details")
	case ResultStored:
		return act("gửi một giấy tờ vào ví {của}",
			"added a document to {your} wallet", "add a document to {your} wallet")
	case ResultQuarantined:
		return whole("Một giấy tờ gửi vào ví {của} đang chờ người kiểm tra",
			"A document for {your} wallet is waiting for a person to check it")
	case ResultResolved:
		return act("kiểm tra giấy tờ đang chờ {của}",
			"checked a waiting document for {your} wallet", "check a document for {your} wallet")
	case HoldingOpened:
		return whole("Một giấy tờ có liên quan đã được nối với ví {của}",
			"A related document was linked to {your} wallet")
	case HoldingEnded:
		return whole("Một giấy tờ có liên quan không còn nối với ví {của}",
			"A related document is no longer linked to {your} wallet")
	}
	return phrase{}, false
}

func phraseOfConsent(k Kind) (phrase, bool) {
	switch k {
	case RelationProposed:
		return act("đề nghị một quyền đại diện {của}",
			"proposed a representative in {your} account", "propose a representative in {your} account")
	case RelationActive:
		return whole("Một quyền đại diện {của} đã có hiệu lực",
			"A right of representation in {your} account took effect")
	case RelationEnded:
		return whole("Một quyền đại diện {của} đã chấm dứt",
			"A right of representation in {your} account ended")
	case RelationRestricted:
		return whole("Một quyền đại diện {của} đã bị hạn chế",
			"A right of representation in {your} account was restricted")
	case RequestReceived:
		return act("xin dùng thông tin {của}",
			"asked to use {your} details", "ask for {your} details")
	case Decision:
		return act("đồng ý cho dùng thông tin {của}",
			"agreed to the use of {your} details", "decide on the use of {your} details")
	case GrantPaused:
		return act("tạm dừng một sự cho phép {của}",
			"paused one of {your} permissions", "pause one of {your} permissions")
	case GrantResumed:
		return act("mở lại một sự cho phép {của}",
			"resumed one of {your} permissions", "resume one of {your} permissions")
	case GrantExpired:
		return whole("Một sự cho phép {của} đã hết hạn",
			"One of {your} permissions ended as agreed")
	case Withdrawal:
		return act("rút lại một sự cho phép {của}",
			"withdrew one of {your} permissions", "withdraw one of {your} permissions")
	case AccessRefused:
		return act("xem thông tin {của}",
			"saw {your} details", "see {your} details")
	}
	return phrase{}, false
}

func phraseOfAccount(k Kind) (phrase, bool) {
	switch k {
	case Enrolled:
		return act("mở tài khoản {của}",
			"opened {your} account", "open {your} account")
	case Activated:
		return act("kích hoạt tài khoản {của}",
			"activated {your} account", "activate {your} account")
	case SignIn:
		return act("đăng nhập vào tài khoản {của}",
			"signed in to {your} account", "sign in to {your} account")
	case SessionEnded:
		return act("kết thúc một lần đăng nhập {của}",
			"ended one of {your} sign-ins", "end one of {your} sign-ins")
	case AskingChanged:
		return act("đổi quyền hỏi qua điện thoại {của}",
			"changed who asks on {your} phone", "change who asks on {your} phone")
	case DeviceAdded:
		return act("thêm thiết bị vào tài khoản {của}",
			"added a device to {your} account", "add a device to {your} account")
	case DeviceRemoved:
		return act("gỡ thiết bị khỏi tài khoản {của}",
			"removed a device from {your} account", "remove a device from {your} account")
	case CredentialAdded:
		return act("thêm cách đăng nhập {của}",
			"added {your} new sign-in method", "add {your} new sign-in method")
	case CredentialRemoved:
		return act("gỡ cách đăng nhập {của}",
			"removed one of {your} sign-in methods", "remove one of {your} sign-in methods")
	case NumberProposed:
		return act("báo số định danh cho ví {của}",
			"reported a personal number for {your} wallet", "report a number for {your} wallet")
	case IdentifierBound:
		return act("gắn số định danh vào ví {của}",
			"linked a personal number to {your} wallet", "link a number to {your} wallet")
	case VaultJoined:
		return act("gộp hai ví {của} làm một",
			"joined {your} two wallets into one", "join {your} two wallets into one")
	case LevelChanged:
		return act("đổi mức độ định danh {của}",
			"changed the level of {your} account", "change the level of {your} account")
	case ContactChanged:
		return act("đổi cách liên lạc {của}",
			"changed {your} contact details", "change {your} contact details")
	case DeathReported:
		return act("ghi nhận tin báo tử {của}",
			"recorded a report of {your} death", "record a report of {your} death")
	case Blocked:
		return act("khóa tài khoản {của}",
			"blocked {your} account", "block {your} account")
	case Unblocked:
		return act("mở khóa tài khoản {của}",
			"unblocked {your} account", "unblock {your} account")
	}
	return phraseOfRecovery(k)
}

func phraseOfRecovery(k Kind) (phrase, bool) {
	switch k {
	case ActProposed:
		return act("đề nghị đổi tài khoản {của}",
			"proposed a change to {your} account", "propose a change to {your} account")
	case RecoveryStarted:
		return act("bắt đầu khôi phục tài khoản {của}",
			"began to recover {your} account", "recover {your} account")
	case RecoveryStopped:
		return act("xét việc khôi phục tài khoản {của}",
			"looked into the recovery of {your} account", "stop the recovery of {your} account")
	case RecoveryCode:
		return act("cấp mã khôi phục tài khoản {của}",
			"gave a recovery code for {your} account", "give a code for {your} account")
	case Recovered:
		return act("khôi phục tài khoản {của}",
			"recovered {your} account", "recover {your} account")
	case OfficerAppointed:
		return act("ghi nhận chức vụ {của}",
			"registered {your} post at work", "register {your} post at work")
	case OfficerEnded:
		return act("kết thúc chức vụ {của}",
			"ended {your} post at work", "end {your} post at work")
	}
	return phrase{}, false
}
