package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"vidan/identity"
	"vidan/internal/pg"
)

// Queues of River: what leaves the house may be slow and has workers of its own, so that a gateway in trouble holds up
// nothing else (P5).
const (
	queueTasks    = "tasks"
	queueMessages = "messages"
)

// Tries and times of a task that fails. The backoff is 1, 2, 4 … seconds up to an hour: a hundred tries are about four
// days.
const (
	maxAttempts = 100
	maxBackoff  = time.Hour
	noticeable  = 5 // tries after which a task counts as failing (D3)
)

// job is a task as River keeps it: ids only (D4). All tasks are one kind of job, so that a process of an older release,
// which does not know a kind, puts the task back instead of failing to read it.
type job struct {
	ID           identity.ObjectID `json:"id" river:"unique"`
	Task         string            `json:"task"`
	Vault        *identity.VaultID `json:"vault,omitempty"`
	Organisation string            `json:"organisation,omitempty"`
	Args         json.RawMessage   `json:"args"`
	Before       int               `json:"before,omitempty"` // tries made before River had it
}

// Kind implements [river.JobArgs].
func (job) Kind() string { return "task" }

func jobOf(t Task) river.InsertManyParams {
	j := job{ID: t.ID, Task: t.Kind, Organisation: t.Organisation, Args: t.Args, Before: t.Attempts}
	if !t.Vault.IsZero() {
		j.Vault = &t.Vault
	}
	queue := queueTasks
	if strings.HasPrefix(t.Kind, "message.") {
		queue = queueMessages
	}
	return river.InsertManyParams{Args: j, InsertOpts: &river.InsertOpts{
		Queue: queue, MaxAttempts: maxAttempts, UniqueOpts: river.UniqueOpts{ByArgs: true},
	}}
}

// task is the task of a job that was tried so many times by River.
func (j job) task(row *rivertype.JobRow, tried int) Task {
	t := Task{
		ID: j.ID, Kind: j.Task, Organisation: j.Organisation, Args: j.Args,
		NotBefore: row.ScheduledAt, Attempts: j.Before + tried,
	}
	if j.Vault != nil {
		t.Vault = *j.Vault
	}
	return t
}

// newRiver makes the client, which inserts at once and works after Start.
func (r *Relay) newRiver() (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, worker{relay: r}); err != nil {
		return nil, err
	}
	fetch := time.Second // LISTEN tells at once; this finds what it missed
	if r.cfg.PollOnly {
		fetch = 100 * time.Millisecond
	}
	cfg := &river.Config{
		Schema: pg.RiverSchema,
		Queues: map[string]river.QueueConfig{
			queueTasks:    {MaxWorkers: r.cfg.Workers},
			queueMessages: {MaxWorkers: r.cfg.Workers},
		},
		Workers:           workers,
		Logger:            r.cfg.Logger,
		FetchCooldown:     2 * time.Millisecond, // with 20 ms a process works 190 tasks a second, with 2 ms 1,200; idle it costs nothing
		FetchPollInterval: fetch,
		PollOnly:          r.cfg.PollOnly,
		JobTimeout:        r.cfg.Timeout + time.Second,
		// A process that died leaves its jobs running; after this they are another's (D2).
		RescueStuckJobsAfter: r.cfg.Timeout + 30*time.Second,
		RetryPolicy:          retries{},
		MaxAttempts:          maxAttempts,
		// Done work is forgotten soon; work given up stays until a person deals with it (D3).
		CompletedJobRetentionPeriod: time.Hour,
		DiscardedJobRetentionPeriod: -1,
		// Rebuilding indexes needs the owner of the schema, whom the service is not.
		ReindexerSchedule:   river.NeverSchedule(),
		ReindexerIndexNames: []string{},
	}
	if r.cfg.river != nil {
		r.cfg.river(cfg)
	}
	return river.NewClient(riverpgxv5.New(r.pool), cfg)
}

// retries is the backoff in River's terms.
type retries struct{}

// NextRetry implements [river.ClientRetryPolicy].
func (retries) NextRetry(row *rivertype.JobRow) time.Time {
	from := row.ScheduledAt
	if row.AttemptedAt != nil {
		from = *row.AttemptedAt
	}
	return from.Add(backoff(row.Attempt))
}

// worker is the one kind of worker: it finds the handler of the task.
type worker struct {
	river.WorkerDefaults[job]
	relay *Relay
}

// Work implements [river.Worker].
func (w worker) Work(ctx context.Context, j *river.Job[job]) error {
	err := w.relay.run(ctx, j.Args.task(j.JobRow, j.Attempt-1)) // River counts this try
	if d, ok := snoozed(err); ok {
		return river.JobSnooze(d)
	}
	if err != nil && j.Attempt == noticeable {
		w.relay.cfg.Logger.WarnContext(ctx, "task keeps failing",
			slog.String("kind", j.Args.Task), slog.String("task", j.Args.ID.String()), slog.Any("error", err))
	}
	return err
}

// run calls the handler of a task, bounded in time, and turns a panic into an error that does not repeat what it was
// about.
func (r *Relay) run(ctx context.Context, t Task) (err error) {
	handler, ok := r.cfg.Handlers[t.Kind]
	if !ok {
		return fmt.Errorf("task %s of kind %s: %w", t.ID, t.Kind, ErrUnknownKind)
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			r.cfg.Logger.ErrorContext(ctx, "handler panicked",
				slog.String("kind", t.Kind), slog.String("task", t.ID.String()), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("task %s of kind %s: %w", t.ID, t.Kind, ErrPanic)
		}
	}()
	if err := handler(ctx, t); err != nil {
		return fmt.Errorf("task %s of kind %s: %w", t.ID, t.Kind, err)
	}
	return nil
}

// snoozed returns for how long a task asked to be left alone.
func snoozed(err error) (time.Duration, bool) {
	var s snooze
	ok := errors.As(err, &s)
	return s.d, ok
}

// backoff is how long a task waits after its attempt failed, the first being 1.
func backoff(attempt int) time.Duration {
	if attempt > 12 {
		return maxBackoff
	}
	return min(time.Second<<max(attempt-1, 0), maxBackoff)
}
