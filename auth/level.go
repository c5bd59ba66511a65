package auth

import "slices"

// Two levels are told apart (DESIGN §5). The account level (mức độ định danh, Decree 69/2024 Art. 7) is acr: 1 or 2. The
// authentication level (mức độ xác thực, Art. 20) counts the factors really used, 1 to 4: auth_factors_level.
const (
	acrLevel1 = "urn:vidan:level:1"
	acrLevel2 = "urn:vidan:level:2"
)

// acrOf returns the acr of an account level, or "" for a level that signs nobody in.
func acrOf(level int) string {
	switch level {
	case 1:
		return acrLevel1
	case 2:
		return acrLevel2
	}
	return ""
}

// levelOf reads an acr; 0 means it is none of ours.
func levelOf(acr string) int {
	switch acr {
	case acrLevel1:
		return 1
	case acrLevel2:
		return 2
	}
	return 0
}

// Way is something by which a person shows who they are; it is also the kind of the credential behind it.
type Way string

// The ways in.
const (
	WayPassphrase Way = "passphrase" // words the person knows
	WayDevice     Way = "device"     // a registered phone signs two digits that the person picked
	WayPasskey    Way = "passkey"    // a key in an authenticator that verifies its user (WebAuthn)
	WayTOTP       Way = "totp"       // a code display: an app or a token that shows a new code each half minute
	WayCard       Way = "codecard"   // a printed card of 40 codes
)

// Authentication methods (RFC 8176 §2), as amr names them.
const (
	MethodPassphrase = "pwd"  // something known
	MethodDevice     = "pop"  // a key the device holds: something had
	MethodCode       = "otp"  // a code display or a printed code card: something had
	MethodSeveral    = "mfa"  // the key asked for a second factor itself, known or of the body, and does not tell which
	MethodFace       = "face" // something the person is
	MethodFinger     = "fpt"
)

var methods = map[Way][]string{
	WayPassphrase: {MethodPassphrase}, WayDevice: {MethodDevice}, WayPasskey: {MethodDevice, MethodSeveral}, WayTOTP: {MethodCode}, WayCard: {MethodCode},
}

// reached is what a sign-in is worth.
type reached struct {
	level int      // account level: 0 signs nobody in
	amr   []string // methods, in the order of use
}

// reach decides what ways together are worth on an account of a level (mức độ định danh); testdata/levels.csv is the same as a table.
// Nothing is worth more than the account: level 2 is given at a counter, not by a second factor.
func reach(enrolment int, ways ...Way) reached {
	used := func(way Way) bool { return slices.Contains(ways, way) }
	level := 0
	switch {
	case used(WayPasskey), used(WayPassphrase) && (used(WayDevice) || used(WayTOTP) || used(WayCard)):
		level = 2
	case used(WayPassphrase):
		level = 1
	}
	r := reached{level: max(0, min(level, enrolment)), amr: []string{}}
	for _, way := range ways {
		for _, method := range methods[way] {
			if r.level > 0 && !slices.Contains(r.amr, method) {
				r.amr = append(r.amr, method)
			}
		}
	}
	return r
}

// FactorsLevel returns the authentication level of Decree 69/2024 Art. 20 for the methods used: one factor 1, two factors 2,
// two with one biometric 3, knowledge, possession and biometric together 4. No method gives 0. A passkey that verified its user is two
// factors; which the second was is not told, so that it never counts as a biometric.
func FactorsLevel(amr []string) int {
	has := func(methods ...string) bool {
		return slices.ContainsFunc(methods, func(m string) bool { return slices.Contains(amr, m) })
	}
	knows, holds, is := has(MethodPassphrase), has(MethodDevice, MethodCode), has(MethodFace, MethodFinger)
	switch {
	case knows && holds && is:
		return 4
	case is && (knows || holds):
		return 3
	case knows && holds, has(MethodDevice) && has(MethodSeveral):
		return 2
	case knows || holds || is:
		return 1
	}
	return 0
}
