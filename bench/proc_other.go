//go:build !linux

package bench

import (
	"errors"
	"time"
)

// errSystem: the benchmark reads processor time from /proc.
var errSystem = errors.New("bench: processor time of other processes is read on Linux alone")

func timeOf(int) (time.Duration, error) { return 0, errSystem }

func timeOfFamily(int) (time.Duration, error) { return 0, errSystem }

func residentOf(int) (now, peak int64, err error) { return 0, 0, errSystem }

func loadOf() (float64, error) { return 0, errSystem }
