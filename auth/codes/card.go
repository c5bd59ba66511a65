package codes

import (
	"crypto/rand"
	"fmt"
	"math/big"

	"vidan/identity"
)

// CardSize is how many codes a printed card has, numbered from 1.
const CardSize = 40

// CardLow is how few codes are left when the person is told to ask for a new card.
const CardLow = 5

// Card is the codes of a card in the order of their numbers: the first has number 1. It exists while the card is printed.
type Card [CardSize]Code

// NewCard draws a card: 40 different codes, so that a slip by a line is a wrong code.
func NewCard() (Card, error) {
	var card Card
	drawn := map[string]bool{}
	for i := range card {
		for {
			n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
			if err != nil {
				return Card{}, fmt.Errorf("draw a code: %w", err)
			}
			digits := fmt.Sprintf("%0*d", Digits, n)
			if !drawn[digits] {
				drawn[digits] = true
				card[i] = Code{identity.NewPrivate(digits)}
				break
			}
		}
	}
	return card, nil
}

// Next draws the number that a card is asked for next, among those that were not used; 0 when there is none. The draw is kept until that number
// was answered, so that nobody learns by asking again which numbers there are.
func Next(unused []int) (int, error) {
	if len(unused) == 0 {
		return 0, nil
	}
	n, err := rand.Int(rand.Reader, big.NewInt(int64(len(unused))))
	if err != nil {
		return 0, fmt.Errorf("draw a number: %w", err)
	}
	return unused[n.Int64()], nil
}
