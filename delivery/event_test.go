package delivery_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"vidan/delivery"
	"vidan/internal/pg"
	"vidan/internal/pgtest"
)

// queueEvent commits one event.
func queueEvent(b *bundle, organisation, kind string, body any) error {
	batch := new(pgx.Batch)
	delivery.QueueEvent(batch, organisation, kind, body, b.now())
	return pg.Pipeline(b.tb.Context(), b.Pool, batch)
}

// events reads everything an organisation has, page by page.
func events(b *bundle, organisation string, page int) []delivery.Event {
	b.tb.Helper()
	var all []delivery.Event
	for after := int64(0); ; {
		some, next, err := delivery.Events(b.tb.Context(), b.Pool, open{}, organisation, after, page)
		if err != nil {
			b.tb.Fatal(err)
		}
		if len(some) == 0 {
			if next != after {
				b.tb.Fatalf("nothing came and next moved from %d to %d", after, next)
			}
			return all
		}
		all, after = append(all, some...), next
	}
}

// TestD5_EventsAreNumberedWithoutGap commits events of two organisations from 100 transactions at once while two relays
// and one drain number them, and a reader follows: it meets every event once, in the order 1, 2, 3 …, and never one
// behind its back (T10).
func TestD5_EventsAreNumberedWithoutGap(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start(b.relay(func(c *delivery.Config) { c.Batch = 7 }))
	b.start(b.relay(func(c *delivery.Config) { c.Batch = 3 }))
	organisations := []string{"commune-a", "kindergarten-b"}
	const parallel = 100
	var g errgroup.Group
	for i := range parallel {
		g.Go(func() error {
			for _, o := range organisations {
				if err := queueEvent(b, o, "result_stored", map[string]any{"n": i}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	followed := make([][]delivery.Event, len(organisations))
	for i, o := range organisations {
		g.Go(func() error {
			for after := int64(0); len(followed[i]) < parallel; {
				some, next, err := delivery.Events(t.Context(), b.Pool, open{}, o, after, 10)
				if err != nil {
					return err
				}
				followed[i], after = append(followed[i], some...), next
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := b.relay(nil).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, o := range organisations {
		checkNumbers(t, followed[i], parallel)
		if all := events(b, o, 1000); len(all) != parallel {
			t.Errorf("%s has %d events, want %d", o, len(all), parallel)
		}
	}
	if n := value[int](b, `select count(*) from outbox`); n != 0 {
		t.Errorf("%d rows are left in the outbox", n)
	}
}

// checkNumbers holds events to 1, 2, 3 … n and to n different bodies.
func checkNumbers(t *testing.T, all []delivery.Event, n int) {
	t.Helper()
	if len(all) != n {
		t.Fatalf("%d events, want %d", len(all), n)
	}
	bodies := make(map[string]bool)
	for i, e := range all {
		if e.Seq != int64(i+1) {
			t.Fatalf("event %d has number %d", i+1, e.Seq)
		}
		bodies[string(e.Body)] = true
	}
	if len(bodies) != n {
		t.Errorf("%d different events, want %d", len(bodies), n)
	}
}

// TestD5_CrashNeverNumbersTwice breaks the connection before and after each round trip of numbering, and tries again.
func TestD5_CrashNeverNumbersTwice(t *testing.T) {
	t.Parallel()
	pgtest.EveryFault(t, func(t *testing.T, db *pgtest.DB, faulty *pgxpool.Pool) {
		b := setupOn(t, db)
		for i := range 3 {
			if err := errors.Join(queueEvent(b, "commune-a", "k", map[string]int{"n": i}), queueEvent(b, "commune-b", "k", map[string]int{"n": i})); err != nil {
				t.Fatal(err)
			}
		}
		broken := setupOn(t, db)
		broken.Pool = faulty
		_ = delivery.NumberEvents(t.Context(), broken.relay(nil))
		if err := delivery.NumberEvents(t.Context(), b.relay(nil)); err != nil {
			t.Fatal(err)
		}
		checkNumbers(t, events(b, "commune-a", 2), 3)
		checkNumbers(t, events(b, "commune-b", 2), 3)
	})
}

// TestD5_RestoredOutboxIsNotNumberedAgain puts rows back that were numbered before, as a restore might.
func TestD5_RestoredOutboxIsNotNumberedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 3 {
		if err := queueEvent(b, "commune-a", "k", map[string]int{"n": i}); err != nil {
			t.Fatal(err)
		}
	}
	owner := b.db.Owner(t)
	if _, err := owner.Exec(t.Context(), `create table kept as select * from outbox`); err != nil {
		t.Fatal(err)
	}
	if err := b.relay(nil).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Exec(t.Context(), `insert into outbox select * from kept`); err != nil {
		t.Fatal(err)
	}
	if err := queueEvent(b, "commune-a", "k", map[string]int{"n": 3}); err != nil {
		t.Fatal(err)
	}
	if err := b.relay(nil).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkNumbers(t, events(b, "commune-a", 100), 4)
}

// TestEvents reads pages, a foreign organisation and the time at which things happened.
func TestEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	happened := b.now().UTC().Truncate(time.Microsecond)
	batch := new(pgx.Batch)
	body := map[string]any{"document_id": "Zm9vYmFy", "revision": 2, "fields": []string{"child_full_name"}}
	delivery.QueueEvent(batch, "commune-a", "result_stored", body, happened)
	if err := pg.Pipeline(t.Context(), b.Pool, batch); err != nil {
		t.Fatal(err)
	}
	b.advance(time.Hour)
	if err := b.relay(nil).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := events(b, "commune-a", 1)
	if len(got) != 1 || got[0].Kind != "result_stored" || !got[0].At.Equal(happened) || got[0].ID.IsZero() {
		t.Fatalf("got %+v", got)
	}
	var back map[string]any
	if err := json.Unmarshal(got[0].Body, &back); err != nil || back["document_id"] != "Zm9vYmFy" || back["revision"] != 2.0 {
		t.Errorf("body came back as %s: %v", got[0].Body, err)
	}
	if foreign := events(b, "commune-b", 1); len(foreign) != 0 {
		t.Errorf("another organisation sees %d events", len(foreign))
	}
}

// refuse is a guard whose SQL refuses.
type refuse struct{}

func (refuse) Queue(b *pgx.Batch) { b.Queue(`select vidan_require(false, 'client_blocked')`) }
func (refuse) Check() error       { return nil }

// late is a guard whose check refuses.
type late struct{ open }

var errLate = errors.New("late")

func (late) Check() error { return errLate }

func TestEventsObeyTheGuard(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if some, _, err := delivery.Events(t.Context(), b.Pool, refuse{}, "commune-a", 0, 10); pg.Refused(err) != "client_blocked" || some != nil {
		t.Errorf("%v, %v", some, err)
	}
	if some, _, err := delivery.Events(t.Context(), b.Pool, late{}, "commune-a", 0, 10); !errors.Is(err, errLate) || some != nil {
		t.Errorf("%v, %v", some, err)
	}
}

// TestD4_ValuesCannotBeQueued tries what must not stand in a queue or an event: the transaction fails.
func TestD4_ValuesCannotBeQueued(t *testing.T) {
	t.Parallel()
	b := setup(t)
	attempt := func(queue func(*pgx.Batch)) error {
		batch := new(pgx.Batch)
		delivery.Queue(batch, task("work"), b.now()) // goes down with it
		queue(batch)
		return pg.Pipeline(t.Context(), b.Pool, batch)
	}
	for _, args := range []string{
		`{"name":"Trần Văn An"}`, `{"number":"099215000123"}`, `{"number":99215000123}`, `{"a":{"b":1}}`, `{"a":["b"]}`,
		`[]`, `"a"`, `{`, `{} {}`, `{"a":1.5}`, `{"tên":"a"}`, fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", 201)),
	} {
		err := attempt(func(batch *pgx.Batch) {
			delivery.Queue(batch, delivery.Task{Kind: "work", Args: json.RawMessage(args)}, b.now())
		})
		if pg.Refused(err) != "task_args" {
			t.Errorf("task with %s: %v", args, err)
		}
	}
	for _, body := range []any{
		map[string]string{"name": "Trần Văn An"}, map[string][]string{"numbers": {"099215000123"}}, map[string]any{"a": map[string]int{}},
		"a", func() {}, map[string]any{"at": []any{[]string{}}},
	} {
		err := attempt(func(batch *pgx.Batch) { delivery.QueueEvent(batch, "commune-a", "k", body, b.now()) })
		if pg.Refused(err) != "task_args" {
			t.Errorf("event with %v: %v", body, err)
		}
	}
	for what, queue := range map[string]func(*pgx.Batch){
		"task without a kind":           func(batch *pgx.Batch) { delivery.Queue(batch, delivery.Task{}, b.now()) },
		"task that poses as an event":   func(batch *pgx.Batch) { delivery.Queue(batch, delivery.Task{Kind: "event"}, b.now()) },
		"event without an organisation": func(batch *pgx.Batch) { delivery.QueueEvent(batch, "", "k", struct{}{}, b.now()) },
		"event without a kind":          func(batch *pgx.Batch) { delivery.QueueEvent(batch, "o", "", struct{}{}, b.now()) },
	} {
		if err := attempt(queue); pg.Refused(err) != "task_args" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := value[int](b, `select count(*) from outbox`); n != 0 {
		t.Errorf("%d rows were queued all the same", n)
	}
}

// TestFactsStayFacts tries what the service's role may not do to events and messages.
func TestFactsStayFacts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if err := queueEvent(b, "commune-a", "k", struct{}{}); err != nil {
		t.Fatal(err)
	}
	if err := b.relay(nil).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`update organisation_events set kind = 'x'`, `delete from organisation_events`, delivery.SQLForgetEvents,
		`update outbox set args = '{}'`, `update messages set sealed = ''`, `delete from messages`, `delete from event_heads`,
	} {
		if _, err := b.Exec(t.Context(), sql); err == nil {
			t.Errorf("the service may %q", sql)
		}
	}
	// The operator may, and numbers go on where they were.
	owner := b.db.Owner(t)
	if _, err := owner.Exec(t.Context(), `update organisation_events set at = at - interval '91 days'`); err != nil {
		t.Fatal(err)
	}
	if tag, err := owner.Exec(t.Context(), delivery.SQLForgetEvents); err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("%v, %v", tag, err)
	}
	if err := queueEvent(b, "commune-a", "k", struct{}{}); err != nil {
		t.Fatal(err)
	}
	if err := b.relay(nil).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := events(b, "commune-a", 10); len(got) != 1 || got[0].Seq != 2 {
		t.Errorf("got %+v, want number 2", got)
	}
}
