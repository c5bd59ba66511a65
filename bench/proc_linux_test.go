package bench

import (
	"os"
	"testing"
)

// TestProcessTime: work that was done is counted, here and in a family.
func TestProcessTime(t *testing.T) {
	t.Parallel()
	before, err := timeOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	sum := uint64(0)
	for i := range uint64(200_000_000) {
		sum = sum*31 + i
	}
	after, err := timeOf(os.Getpid())
	if err != nil || after <= before || sum == 0 {
		t.Errorf("before %v, after %v, %v", before, after, err)
	}
	family, err := timeOfFamily(os.Getpid())
	if err != nil || family < after {
		t.Errorf("the family spent %v, of which one %v: %v", family, after, err)
	}
	now, peak, err := residentOf(os.Getpid())
	if err != nil || now <= 0 || peak < now {
		t.Errorf("resident %d, at most %d: %v", now, peak, err)
	}
}
