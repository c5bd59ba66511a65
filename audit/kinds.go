package audit

// Kind says what was done. The set is closed: a kind that is not listed here cannot be recorded, and one that was ever
// recorded is never removed or given another meaning, because rows are kept for years.
type Kind string

// Readings.
const (
	// ListRead: the list of papers was read. One row for a page, also when the answer was "not modified".
	ListRead Kind = "list_read"
	// RelationsRead: it was read who may act for the person.
	RelationsRead Kind = "relations_read"
	// DocumentRead: one paper was opened, or its history, also when the answer was "not modified".
	DocumentRead Kind = "document_read"
	// HistoryRead: this record itself was read.
	HistoryRead Kind = "history_read"
	// RequestViewed: a request was shown with the values it asks for (the preview on the decision page).
	RequestViewed Kind = "request_viewed"
	// Disclosure: values were released to an organisation under a grant or a statute.
	Disclosure Kind = "disclosure"
)

// Papers.
const (
	// ResultStored: a result became a revision of a paper in this vault; Revision says which.
	ResultStored Kind = "result_stored"
	// ResultQuarantined: a valid result could not be stored without a person's decision; Reason says why.
	ResultQuarantined Kind = "result_quarantined"
	// ResultResolved: a quarantined result was decided on; Reason is store or discard.
	ResultResolved Kind = "result_resolved"
	// HoldingOpened: another person's paper became visible from this vault, or this vault's paper to another person.
	HoldingOpened Kind = "holding_opened"
	// HoldingEnded: that right lapsed.
	HoldingEnded Kind = "holding_ended"
)

// Authority and consent.
const (
	// RelationProposed: a paper or the registrar named somebody who would act for this person.
	RelationProposed Kind = "relation_proposed"
	// RelationActive: that relation took effect.
	RelationActive Kind = "relation_active"
	// RelationEnded: a relation ended or was suspended.
	RelationEnded Kind = "relation_ended"
	// RelationRestricted: a registrar or a court took a representative's rights away. It is never shown to that
	// representative.
	RelationRestricted Kind = "relation_restricted"
	// RequestReceived: an organisation asked for facts of this person.
	RequestReceived Kind = "request_received"
	// Decision: a request was answered; Done means allowed, Refused means the person said no.
	Decision Kind = "decision"
	// GrantPaused: a grant was set to rest.
	GrantPaused Kind = "grant_paused"
	// GrantResumed: a paused grant was taken up again.
	GrantResumed Kind = "grant_resumed"
	// GrantExpired: a grant ended by its own terms.
	GrantExpired Kind = "grant_expired"
	// Withdrawal: a grant was withdrawn.
	Withdrawal Kind = "withdrawal"
	// AccessRefused: somebody tried to read or act without the right to.
	AccessRefused Kind = "access_refused"
)

// The account.
const (
	// Enrolled: the registrar opened the account.
	Enrolled Kind = "enrolled"
	// Activated: the person chose a passphrase with the code sent to them.
	Activated Kind = "activated"
	// SignIn: somebody signed in, or tried to.
	SignIn Kind = "signin"
	// SessionEnded: a sign-in was ended, by the person or because of misuse.
	SessionEnded Kind = "session_ended"
	// AskingChanged: the person said whether an organisation may ask on the phone; Reason is stopped or resumed.
	AskingChanged Kind = "asking_changed"
	// DeviceAdded: a device key was registered.
	DeviceAdded Kind = "device_added"
	// DeviceRemoved: a device key was ended.
	DeviceRemoved Kind = "device_removed"
	// CredentialAdded: another way to sign in was added; Reason says which: passkey, totp, codecard.
	CredentialAdded Kind = "credential_added"
	// CredentialRemoved: that way was ended; Reason says which.
	CredentialRemoved Kind = "credential_removed"
	// NumberProposed: an organisation gave a personal number for a person whose number is pending.
	NumberProposed Kind = "number_proposed"
	// IdentifierBound: the registrar bound an identifier to this vault.
	IdentifierBound Kind = "identifier_bound"
	// VaultJoined: the registrar found two vaults to be one person's.
	VaultJoined Kind = "vault_joined"
	// LevelChanged: the level of the account changed.
	LevelChanged Kind = "level_changed"
	// ContactChanged: a way to reach the person was added, suspended or ended.
	ContactChanged Kind = "contact_changed"
	// DeathReported: a death was reported, confirmed or denied; Reason says which.
	DeathReported Kind = "death_reported"
	// Blocked: the account was blocked: nobody can sign in or use it.
	Blocked Kind = "blocked"
	// Unblocked: the account can be used again.
	Unblocked Kind = "unblocked"
	// ActProposed: an officer proposed an act that needs a second officer; Reason says which.
	ActProposed Kind = "act_proposed"
	// RecoveryStarted: the registrar began to replace the ways into the account, which were lost.
	RecoveryStarted Kind = "recovery_started"
	// RecoveryStopped: an objection froze a recovery, another office overruled it, or it ran out; Reason says which.
	RecoveryStopped Kind = "recovery_stopped"
	// RecoveryCode: a code for the recovery was sent, or handed over at a counter.
	RecoveryCode Kind = "recovery_code"
	// Recovered: the code was used: the old ways into the account ended.
	Recovered Kind = "recovered"
	// OfficerAppointed: an organisation said that this person acts for it in a post; their sign-in then names them in its acts.
	OfficerAppointed Kind = "officer_appointed"
	// OfficerEnded: that post ended.
	OfficerEnded Kind = "officer_ended"
)

// Kinds returns the closed set in the order of this file.
func Kinds() []Kind {
	return []Kind{
		ListRead, RelationsRead, DocumentRead, HistoryRead, RequestViewed, Disclosure,
		ResultStored, ResultQuarantined, ResultResolved, HoldingOpened, HoldingEnded,
		RelationProposed, RelationActive, RelationEnded, RelationRestricted, RequestReceived, Decision,
		GrantPaused, GrantResumed, GrantExpired, Withdrawal, AccessRefused,
		Enrolled, Activated, SignIn, SessionEnded, AskingChanged, DeviceAdded, DeviceRemoved, CredentialAdded, CredentialRemoved, NumberProposed, IdentifierBound,
		VaultJoined, LevelChanged, ContactChanged, DeathReported, Blocked, Unblocked,
		ActProposed, RecoveryStarted, RecoveryStopped, RecoveryCode, Recovered, OfficerAppointed, OfficerEnded,
	}
}

// Valid reports whether k is in the closed set.
func (k Kind) Valid() bool {
	_, ok := phraseOf(k)
	return ok
}

// Outcome says how an act ended. The zero value means [Done], which most rows are.
type Outcome string

// The four outcomes.
const (
	// Done: it happened.
	Done Outcome = "done"
	// Refused: a rule or a person forbade it; for [Decision] the person said no.
	Refused Outcome = "refused"
	// NotFound: what was asked for is not there, or not for this asker; the two are one answer (S1).
	NotFound Outcome = "not_found"
	// Failed: a fault stopped it; nothing left the server.
	Failed Outcome = "failed"
)

// Outcomes returns the closed set; its order is the code of an outcome in the sealed body, so it is only ever extended.
func Outcomes() []Outcome { return []Outcome{Done, Refused, NotFound, Failed} }
