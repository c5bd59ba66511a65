package consent_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vidan/audit"
	"vidan/consent"
	"vidan/identity"
	"vidan/internal/keyring"
	"vidan/internal/pg"
	"vidan/person"
	"vidan/seal"
)

// The environment of another server process: this test binary run again, which then redeems what it is told on standard input.
const (
	processDSN   = "CONSENT_TEST_DSN"
	processKEK   = "CONSENT_TEST_KEK"
	processClock = "CONSENT_TEST_CLOCK"
)

// process is the main function of that server: one line in is the id of a request, one line out is what came of it.
func process() int {
	ctx := context.Background()
	h, err := processHouse(ctx)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		id, err := identity.Parse[identity.RequestID](lines.Text())
		if err == nil {
			_, err = h.redeemAs(ctx, school, id, reading{})
		}
		fmt.Println(verdict(err))
	}
	return 0
}

func processHouse(ctx context.Context) (*house, error) {
	at, err := strconv.ParseInt(os.Getenv(processClock), 10, 64)
	if err != nil {
		return nil, err
	}
	now := func() time.Time { return time.UnixMicro(at).UTC() }
	pool, err := pg.Open(ctx, os.Getenv(processDSN), pg.Config{})
	if err != nil {
		return nil, err
	}
	kek, err := keyring.Open(ctx, os.Getenv(processKEK))
	if err != nil {
		return nil, err
	}
	d, err := seal.LoadDeployment(ctx, pool, kek, deployment)
	if err != nil {
		return nil, err
	}
	vaults, err := seal.NewVaults(d, seal.CacheConfig{}, now)
	if err != nil {
		return nil, err
	}
	people, err := person.New(person.Deps{Pool: pool, Deployment: d, Vaults: vaults, Audit: audit.New(d), Now: now})
	if err != nil {
		return nil, err
	}
	all, err := catalogue()
	if err != nil {
		return nil, err
	}
	l, err := consent.New(consent.Deps{
		Pool: pool, Deployment: d, Vaults: vaults, Audit: audit.New(d), People: people, Catalogue: all, Issuer: "https://vidan.example", Now: now,
		Sign: func([]byte) (string, error) { return "", errors.New("this process signs nothing") },
	})
	if err != nil {
		return nil, err
	}
	h := &house{Ledger: l, pool: pool, vaults: vaults, clock: newClock(at)}
	return h, nil
}

func verdict(err error) string {
	switch {
	case err == nil:
		return "served"
	case errors.Is(err, consent.ErrWithdrawn):
		return "withdrawn"
	}
	return err.Error()
}

// other is another process with its own memory.
type other struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

func (h *house) spawn() *other {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), must(os.Executable())(h.t))
	cmd.Env = append(os.Environ(), processDSN+"="+h.db.DSN("vidan_serve"), processKEK+"="+h.kek, fmt.Sprintf("%s=%d", processClock, h.clock.Load()))
	cmd.Stderr = os.Stderr
	o := &other{in: must(cmd.StdinPipe())(h.t), out: bufio.NewScanner(must(cmd.StdoutPipe())(h.t))}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = o.in.Close()
		if err := cmd.Wait(); err != nil && h.t.Context().Err() == nil {
			h.t.Error(err)
		}
	})
	if !o.out.Scan() || o.out.Text() != "ready" {
		h.t.Fatalf("the other process: %s", o.out.Text())
	}
	return o
}

func (o *other) redeem(id identity.RequestID) string {
	if _, err := fmt.Fprintln(o.in, id); err != nil {
		return err.Error()
	}
	if !o.out.Scan() {
		return "gone"
	}
	return o.out.Text()
}

// TestS2_WithdrawnEverywhere: after a withdrawal on one process the very next redemption is refused on every other, whatever these have in memory,
// and also the repetition of a reading that was served before.
func TestS2_WithdrawnEverywhere(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	there := h.spawn()
	for i := range 20 {
		id, g := h.standing(f, fmt.Sprint(i), consent.Until, 0)
		first := must(h.redeem(id, reading{}))(t)
		if got := there.redeem(id); got != "served" {
			t.Fatalf("before: %s", got)
		}
		if _, err := h.Withdraw(t.Context(), pg.All(), h.acting(f.mother), g.ID); err != nil {
			t.Fatal(err)
		}
		if got := there.redeem(id); got != "withdrawn" {
			t.Errorf("the very next redemption: %s", got)
		}
		if _, err := h.redeem(id, reading{again: first.Disclosure()}); !errors.Is(err, consent.ErrWithdrawn) {
			t.Errorf("repeated: %v", err)
		}
	}
}

// TestS2_History: while readers on three processes read without pause, somebody withdraws. Every reading that began after the withdrawal was
// answered, or after another reading had been refused for it, is refused: the history is one of a single register.
func TestS2_History(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	readers := []func(identity.RequestID) string{h.spawn().redeem, h.spawn().redeem}
	for range 4 {
		readers = append(readers, func(id identity.RequestID) string {
			_, err := h.redeemAs(context.Background(), school, id, reading{})
			return verdict(err)
		})
	}
	type span struct {
		began, ended time.Duration
		what         string
	}
	served := 0
	for round := range 10 {
		id, g := h.standing(f, fmt.Sprint(round), consent.Until, 0)
		start := time.Now()
		var mu sync.Mutex
		var history []span
		stop := make(chan struct{})
		var warm, done sync.WaitGroup
		for _, read := range readers {
			warm.Add(1)
			done.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					s := span{began: time.Since(start)}
					s.what = read(id)
					s.ended = time.Since(start)
					mu.Lock()
					history = append(history, s)
					mu.Unlock()
					if n == 0 {
						warm.Done()
					}
				}
			})
		}
		warm.Wait()
		_, err := h.Withdraw(t.Context(), pg.All(), h.acting(f.mother), g.ID)
		withdrawn := time.Since(start)
		if err != nil {
			t.Fatal(err)
		}
		for _, read := range readers[2:] {
			if got := read(id); got != "withdrawn" {
				t.Errorf("after the withdrawal: %s", got)
			}
		}
		close(stop)
		done.Wait()
		refused := withdrawn
		for _, s := range history {
			if s.what == "withdrawn" {
				refused = min(refused, s.ended)
			}
		}
		for _, s := range history {
			switch s.what {
			case "withdrawn":
			case "served":
				served++
				if s.began > refused {
					t.Errorf("round %d: served at %v, though it was over at %v", round, s.began, refused)
				}
			default:
				t.Errorf("round %d: %s", round, s.what)
			}
		}
	}
	if served == 0 {
		t.Error("nothing was ever served")
	}
}

// TestR8_WithdrawalWaitsForTheReading: a reading under way is finished before the withdrawal is answered, so that it lies before it; and a
// reading that comes while a withdrawal is under way waits and is refused.
func TestR8_WithdrawalWaitsForTheReading(t *testing.T) {
	t.Parallel()
	h := setup(t)
	f := h.family()
	id, g := h.standing(f, "", consent.Until, 0)
	var order []string
	withdrawn := make(chan error, 1)
	_, err := h.redeem(id, reading{hold: func() {
		for _, sql := range []string{`select from vaults where vault_id = $1 for no key update nowait`, `select from grants where vault_id = $1 for no key update nowait`} {
			if _, err := h.db.Owner(t).Exec(t.Context(), sql, f.child); err == nil {
				t.Errorf("not locked: %s", sql)
			}
		}
		begun := make(chan struct{})
		go func() {
			close(begun)
			_, err := h.Withdraw(context.Background(), pg.All(), h.acting(f.mother), g.ID)
			withdrawn <- err
		}()
		<-begun
		h.waitForLock()
		order = append(order, "read")
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-withdrawn; err != nil {
		t.Fatal(err)
	}
	order = append(order, "withdrawn")
	if strings.Join(order, " ") != "read withdrawn" {
		t.Error(order)
	}
	if _, err := h.redeem(id, reading{}); !errors.Is(err, consent.ErrWithdrawn) {
		t.Errorf("afterwards: %v", err)
	}
}

// waitForLock returns when somebody in this database waits for a lock.
func (h *house) waitForLock() {
	for range 10_000 {
		if h.count(`select count(*) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()`) > 0 {
			return
		}
	}
	h.t.Error("nobody waits for a lock")
}
