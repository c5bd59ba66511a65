package auth

import (
	"errors"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"
)

// memoryBound is what twenty sign-ins at once may take (RELIABILITY T15): argon2id is computed for as many at once as there are seats.
const memoryBound = 128 << 20

// resident is the memory that the Go runtime holds from the system.
func resident() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64() - sample[1].Value.Uint64()
}

// Twenty people sign in at once and the process stays within its bound. It does not run beside other tests: they would be measured too.
func TestTwentySignInsAtOnce(t *testing.T) {
	w := newTown(t)
	w.du(2, false)
	w.people.hasher = newHasher(runtime.NumCPU()) // as many as a deployment has by itself
	var signIns [20]*SignIn
	for i := range signIns {
		signIns[i] = w.begin(w.Server, 1)
	}
	runtime.GC()
	before := resident()
	var most atomic.Uint64
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				most.Store(max(most.Load(), resident()))
			}
		}
	}()
	together(len(signIns), func(i int) {
		verdict, err := Verdict(0), ErrBusy
		for errors.Is(err, ErrBusy) { // on a slow machine some are told to try again, and do
			verdict, err = signIns[i].Passphrase(t.Context(), attempt(duNumber, duPassphrase, "192.0.2."+sixDigits(i)))
		}
		if err != nil || verdict != Accepted {
			t.Errorf("%d %v", verdict, err)
		}
	})
	close(done)
	<-watched
	t.Logf("before %d MiB, at most %d MiB with %d seats", before>>20, most.Load()>>20, runtime.NumCPU())
	if most.Load() > memoryBound {
		t.Errorf("%d MiB", most.Load()>>20)
	}
}
