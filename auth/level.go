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

// Authentication methods (RFC 8176 §2), as amr names them.
const (
	MethodPassphrase = "pwd"  // something known
	MethodDevice     = "pop"  // a key the device holds: something had
	MethodCode       = "otp"  // a code display or a printed code card: something had
	MethodFace       = "face" // something the person is
	MethodFinger     = "fpt"
)

// FactorsLevel returns the authentication level of Decree 69/2024 Art. 20 for the methods used: one factor 1, two factors 2,
// two with one biometric 3, knowledge, possession and biometric together 4. No method gives 0.
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
	case knows && holds:
		return 2
	case knows || holds || is:
		return 1
	}
	return 0
}
