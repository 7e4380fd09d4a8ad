package breakercmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue"
)

// result is the documented shape of `breaker open|close -o json`.
type result struct {
	Changed     bool            `json:"changed"`
	DryRun      bool            `json:"dry_run,omitempty"`
	Previous    breaker.State   `json:"previous_state"`
	State       breaker.State   `json:"state"`
	Epoch       int64           `json:"epoch"`
	OpenedAt    *time.Time      `json:"opened_at"`
	ClosedAt    *time.Time      `json:"closed_at"`
	Reason      string          `json:"reason"`
	Service     string          `json:"service"`
	Actor       string          `json:"actor"`
	JobsPaused  *int64          `json:"jobs_paused,omitempty"`
	JobsResumed *int64          `json:"jobs_resumed,omitempty"`
	Findings    []queue.Finding `json:"findings,omitempty"`

	MessagesWithdrawn *int64 `json:"messages_withdrawn,omitempty"`
	*tasks
	Partial bool `json:"partial,omitempty"` // the jobs have not followed
}

// tasks are what became of the resumed jobs' tasks.
type tasks struct {
	JobsLeft         int64 `json:"jobs_left"`             // still paused, where a ramp stopped
	JobsUndone       int64 `json:"jobs_undone,omitempty"` // what they were before the pause, with their own tasks
	TasksCreated     int64 `json:"tasks_created"`
	TasksReused      int64 `json:"tasks_reused"`
	JobsStillRunning int64 `json:"jobs_still_running"`
	JobsFailed       int64 `json:"jobs_failed"`
	JobsUnknown      int64 `json:"jobs_unknown"` // it is not known where the task is
	OutboxPending    int64 `json:"outbox_pending"`
}

// resultOf shapes what queue did. wanted is the state that was asked for.
func resultOf(r queue.Result, wanted breaker.State) result {
	t := r.Transition
	out := result{Changed: t.Changed, Previous: t.Previous, State: t.State, Epoch: t.Epoch, OpenedAt: moment(t.OpenedAt),
		ClosedAt: moment(t.ClosedAt), Reason: t.Reason, Service: t.Service, Actor: t.Actor, Findings: r.Findings}
	out.setJobs(wanted, r.JobsPaused, r.JobsResumed)
	if d := r.Dispatched; wanted == breaker.Closed {
		out.tasks = &tasks{r.JobsLeft, r.JobsUndone, d.TasksCreated, d.TasksReused, d.JobsStillRunning, d.JobsFailed, d.JobsUnknown, d.OutboxPending}
	}
	return out
}

func (r *result) setJobs(wanted breaker.State, paused, resumed int64) {
	if wanted == breaker.Open {
		r.JobsPaused = &paused
	} else {
		r.JobsResumed = &resumed
	}
}

// planned is what a change to wanted would do now.
func planned(st breaker.Status, wanted breaker.State, reason, service, actor string, j *jobs) result {
	r := result{DryRun: true, Changed: st.State != wanted, Previous: st.State, State: wanted, Epoch: st.Epoch,
		OpenedAt: moment(st.OpenedAt), ClosedAt: moment(st.ClosedAt), Reason: st.Reason, Service: st.Service, Actor: st.Actor}
	if r.Changed {
		r.Epoch, r.Reason, r.Service, r.Actor = st.Epoch+1, reason, service, actor
		r.ClosedAt = nil
		if wanted == breaker.Open {
			r.OpenedAt = nil
		}
	}
	if j != nil {
		r.setJobs(wanted, j.active(), j.Paused)
	}
	return r
}

// plan shows what a change to wanted would do, and does not do it.
func plan(ctx context.Context, f *cmdutil.Factory, b *breaker.Breaker, wanted breaker.State, reason, service string) error {
	return planWith(ctx, f, b, wanted, reason, service, func(*result) error { return nil })
}

// planWith is plan with something to add to the result.
func planWith(ctx context.Context, f *cmdutil.Factory, b *breaker.Breaker, wanted breaker.State, reason, service string, add func(*result) error) error {
	c, err := f.Config()
	if err != nil {
		return err
	}
	st, err := b.State(ctx)
	if err != nil {
		return classify(err)
	}
	j, err := countJobs(ctx, f, b)
	if err != nil {
		f.IO.Warnf("the jobs could not be counted: %v", err)
	}
	r := planned(st, wanted, reason, service, c.Actor, j)
	unknown := add(&r)
	if err := f.Print(r, r.write); err != nil {
		return err
	}
	return unknown
}

// show prints what was done, and what was found on the way, then ends with the
// exit code of err.
func show(f *cmdutil.Factory, r queue.Result, wanted breaker.State, err error) error {
	return showWith(f, r, wanted, err, func(*result) {})
}

// showWith is show with something to add to the result.
func showWith(f *cmdutil.Factory, r queue.Result, wanted breaker.State, err error, add func(*result)) error {
	var partial *queue.PartialError
	if err != nil && !errors.As(err, &partial) {
		return refused(err)
	}
	out := resultOf(r, wanted)
	out.Partial = partial != nil
	add(&out)
	for _, found := range r.Findings {
		if found.Loud {
			f.IO.Warnf("%s; %s", found.Detail, found.Action)
		}
	}
	if err := f.Print(out, out.write); err != nil {
		return err
	}
	if partial == nil {
		return cmdutil.Failed(r.JobsFailed)
	}
	failed := exit.Partialf("%w", plain(partial))
	if errors.Is(err, context.Canceled) {
		failed = &exit.Error{Code: exit.Interrupted, Err: plain(partial)}
	}
	return exit.WithHint(failed, "%s", next(partial, wanted))
}

// refused gives what queue refused, with nothing changed, its exit code and the next step.
func refused(err error) error {
	switch {
	case errors.Is(err, queue.ErrUnregistered):
		return exit.WithHint(exit.Refusedf("%w", err), "nothing was changed; start workers that know the task, or configure its name (leadgenctl workers ls)")
	case errors.Is(err, queue.ErrNoTask):
		return exit.WithHint(exit.Refusedf("%w", err), "nothing was changed; configure a task for the job type")
	case errors.Is(err, queue.ErrRampAtWork):
		return exit.WithHint(exit.Refusedf("%w", err), "see how far it is with: leadgenctl queue status")
	case errors.Is(err, queue.ErrRampUnfinished):
		return exit.WithHint(exit.Refusedf("%w", err), "go on with it: leadgenctl queue resume --continue")
	}
	return classify(err)
}

// plain says the cause in one line where it is a server's.
func plain(p *queue.PartialError) error {
	return &queue.PartialError{Result: p.Result, Err: cmdutil.Explain(p.Err)}
}

func next(p *queue.PartialError, wanted breaker.State) string {
	again := "complete it with: leadgenctl reconcile, or the same command again"
	switch {
	case errors.Is(p, queue.ErrSchemaMissing):
		return "install the tables with: leadgenctl migrate up --to base; then " + again
	case errors.Is(p, queue.ErrReopened):
		return "the rest stays paused; find out why it opened (leadgenctl breaker status), then close it again"
	case errors.Is(p, queue.ErrUnknownHolder):
		return "see who answers with: leadgenctl workers ls; when that is known: leadgenctl reconcile; or, if nobody has those tasks for sure: leadgenctl breaker close --assume-dead"
	case errors.Is(p, queue.ErrBrokerAway):
		return "nothing is lost: the tasks wait in the outbox; when the broker is back: leadgenctl queue relay"
	case wanted == breaker.Open:
		return "no service is called any more, but the jobs are not paused; " + again
	case p.Result.JobsLeft > 0:
		return "go on with it: leadgenctl queue resume --continue"
	}
	return again
}

// write says it for a person.
func (r result) write(w io.Writer) error {
	_, err := fmt.Fprintln(w, r.line())
	return err
}

func (r result) line() string {
	jobs := ""
	switch {
	case r.Partial && r.JobsPaused != nil:
		jobs = "; not all jobs have followed"
	case r.JobsPaused != nil:
		jobs = "; " + count(*r.JobsPaused) + " paused"
		if r.MessagesWithdrawn != nil {
			jobs += ", " + cmdutil.Plural(*r.MessagesWithdrawn, "message", "messages") + " withdrawn from the queue"
		}
	case r.JobsResumed != nil:
		jobs = "; " + count(*r.JobsResumed) + " resumed" + r.tasks.line()
	}
	switch {
	case r.DryRun && r.Changed:
		if r.JobsPaused != nil {
			jobs = " and pause " + count(*r.JobsPaused)
			if r.MessagesWithdrawn != nil {
				jobs += " and withdraw " + cmdutil.Plural(*r.MessagesWithdrawn, "message", "messages")
			}
		} else if r.JobsResumed != nil {
			jobs = " and resume " + count(*r.JobsResumed)
		}
		verb := "close"
		if r.State == breaker.Open {
			verb = "open"
		}
		return fmt.Sprintf("would %s the breaker (it is %s, the new epoch would be %d)%s", verb, r.Previous, r.Epoch, jobs)
	case r.DryRun:
		return fmt.Sprintf("the breaker is %s already; nothing would change in it%s", r.State, r.leftover())
	case r.Changed:
		return fmt.Sprintf("the breaker is %s now (epoch %d)%s", r.State, r.Epoch, jobs)
	}
	return fmt.Sprintf("the breaker was %s already%s; nothing changed in it%s", r.State, r.since(), jobs)
}

// line says what is worth a word of the tasks.
func (t *tasks) line() string {
	if t == nil {
		return ""
	}
	line := ""
	for _, part := range []struct {
		n        int64
		one, all string
	}{{t.JobsUndone, "job as it was", "jobs as they were"}, {t.TasksCreated, "task created", "tasks created"},
		{t.TasksReused, "task in the place of a queued one", "tasks in the place of queued ones"},
		{t.JobsStillRunning, "job still running", "jobs still running"}, {t.JobsFailed, "job failed", "jobs failed"},
		{t.JobsUnknown, "job whose task is unknown", "jobs whose tasks are unknown"},
		{t.OutboxPending, "task waiting in the outbox", "tasks waiting in the outbox"}, {t.JobsLeft, "job still paused", "jobs still paused"}} {
		if part.n > 0 {
			line += ", " + cmdutil.Plural(part.n, part.one, part.all)
		}
	}
	return line
}

// leftover says what a dry run found to do beside a breaker that stays as it is.
func (r result) leftover() string {
	switch {
	case r.JobsPaused != nil && *r.JobsPaused > 0:
		return "; still active, and to be paused: " + count(*r.JobsPaused)
	case r.JobsResumed != nil && *r.JobsResumed > 0:
		return "; still paused, and to be resumed: " + count(*r.JobsResumed)
	}
	return ""
}

func (r result) since() string {
	at := r.ClosedAt
	if r.State == breaker.Open {
		at = r.OpenedAt
	}
	if at == nil {
		return ""
	}
	by := ""
	if r.Actor != "" {
		by = " by " + r.Actor
	}
	if r.Reason != "" {
		by += ": " + r.Reason
	}
	return fmt.Sprintf(" (since %s%s)", cmdutil.Time(*at), by)
}

// count is "1 job", "2 jobs".
func count(n int64) string { return cmdutil.Plural(n, "job", "jobs") }
