package identity

import (
	"errors"
	"strconv"
	"strings"
)

var (
	// ErrNumber reports a string that is not a personal number.
	ErrNumber = errors.New("identity: not a personal number")
	// ErrNotice reports a string that is not a birth-notice number.
	ErrNotice = errors.New("identity: not a birth-notice number")
)

// PersonalNumber is the personal identification number (số định danh cá nhân): 12 digits, of which three are the
// place of birth registration, one the century and sex, two the year of birth, six random. The zero value means "not known".
type PersonalNumber struct{ masked }

// ParsePersonalNumber reads 12 ASCII digits. It does not judge their structure: a number that disagrees with
// its holder's date or sex belongs to living people (see [PersonalNumber.Disagreements]).
func ParsePersonalNumber(s string) (PersonalNumber, error) {
	if len(s) != 12 {
		return PersonalNumber{}, ErrNumber
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return PersonalNumber{}, ErrNumber
		}
	}
	return PersonalNumber{hide(s)}, nil
}

// Sex as printed on papers.
type Sex string

// The two values of the civil-status register.
const (
	Male   Sex = "male"
	Female Sex = "female"
)

// Disagreement names a part of a personal number that does not fit what else is known of its holder.
type Disagreement string

// The parts of a number that can disagree.
const (
	NumberSex     Disagreement = "number_sex"
	NumberCentury Disagreement = "number_century"
	NumberYear    Disagreement = "number_year"
)

// Disagreements compares digits 4–6 with a birth date (as precise as known) and a sex (empty: not compared).
// It is a warning for people to look at, never a reason to refuse.
func (n PersonalNumber) Disagreements(born PartialDate, sex Sex) []Disagreement {
	digits := n.Reveal()
	if digits == "" {
		return nil
	}
	var found []Disagreement
	code := int(digits[3] - '0')
	if sex != "" && (code%2 == 1) != (sex == Female) {
		found = append(found, NumberSex)
	}
	if born.IsZero() {
		return found
	}
	// Digit pairs 0/1, 2/3 … stand for the 20th, 21st … century.
	if 1900+code/2*100 != born.Year()/100*100 {
		found = append(found, NumberCentury)
	}
	if y, _ := strconv.Atoi(digits[4:6]); y != born.Year()%100 {
		found = append(found, NumberYear)
	}
	return found
}

// BirthNotice is the number of the electronic birth notification (giấy chứng sinh): XXXXX.GCS.ZZZZZ.YY.
type BirthNotice struct{ masked }

// ParseBirthNotice reads an 18-character notice number; letters are upper case.
func ParseBirthNotice(s string) (BirthNotice, error) {
	parts := strings.Split(s, ".")
	if len(parts) != 4 || len(parts[0]) != 5 || parts[1] != "GCS" || len(parts[2]) != 5 || len(parts[3]) != 2 {
		return BirthNotice{}, ErrNotice
	}
	for _, c := range parts[0] + parts[2] {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return BirthNotice{}, ErrNotice
		}
	}
	for _, c := range parts[3] {
		if c < '0' || c > '9' {
			return BirthNotice{}, ErrNotice
		}
	}
	return BirthNotice{hide(s)}, nil
}
