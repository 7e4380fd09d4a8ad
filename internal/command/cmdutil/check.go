package cmdutil

import (
	"context"
	"errors"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// checkMemory is the limit, in bytes, above which the collector works harder. It is a soft
// one: more is used where the checks need it.
const checkMemory = 36 << 20

// CheckFlags choose the checks and say how they look, the same for every command that
// runs them.
type CheckFlags struct {
	Run    consistency.Options
	FailOn string
}

// Add registers the flags on cmd.
func (c *CheckFlags) Add(cmd *cobra.Command) {
	flags, run := cmd.Flags(), &c.Run
	flags.StringVar(&c.FailOn, "fail-on", string(consistency.FailOnError), "what makes the exit code 1: findings of severity error, warning (and error), or never")
	flags.StringSliceVar(&run.Only, "only", nil, "run these checks only: ids, families or patterns such as 'LGQ*'")
	flags.StringSliceVar(&run.Skip, "skip", nil, "leave these checks out")
	for _, name := range []string{"only", "skip"} {
		f := flags.Lookup(name)
		f.Value, f.DefValue = patterns{f.Value}, ""
	}
	flags.IntVar(&run.MaxSamples, "max-samples", 5, "how many rows or keys are named per check")
	DurationVar(flags, &run.StatementTimeout, "statement-timeout", time.Minute, "how long one PostgreSQL statement may take")
	DurationVar(flags, &run.Settle, "settle", time.Second, "how long to wait before looking again at what may be work in flight")
	DurationVar(flags, &run.MaxOpen, "max-open", 24*time.Hour, "how long the breaker may be open before that is a finding")
	DurationVar(flags, &run.MaxPending, "max-pending", 15*time.Minute, "how long a pending job may be without a task")
	DurationVar(flags, &run.TaskTimeLimit, "task-time-limit", 30*time.Minute, "the hard time limit of the app's tasks")
	DurationVar(flags, &run.Visibility, "visibility-timeout", time.Hour, "Celery's visibility_timeout")
	DurationVar(flags, &run.MaxLag, "max-lag", 30*time.Second, "how far replicas may lag")
	DurationVar(flags, &run.MaxClock, "max-clock-difference", 2*time.Second, "by how much clocks may differ")
}

// patterns refuse to be empty: a variable that is not set must not mean all checks.
type patterns struct{ pflag.Value }

// Set takes one list of them.
func (p patterns) Set(list string) error {
	if strings.TrimSpace(list) == "" {
		return errors.New("it names no check; leave the flag out for all of them")
	}
	return p.Value.Set(list)
}

// Validate refuses values that mean nothing.
func (c *CheckFlags) Validate() error {
	if !consistency.FailOn(c.FailOn).Valid() {
		return exit.Usagef("--fail-on is error, warning or never, not %q", c.FailOn)
	}
	if err := consistency.ValidateSelection(c.Run.Only, c.Run.Skip); err != nil {
		return exit.Usagef("%w", err)
	}
	if c.Run.MaxSamples < 1 {
		return exit.Usagef("--max-samples must be positive, not %d", c.Run.MaxSamples)
	}
	for name, d := range c.durations() {
		if *d <= 0 {
			return exit.Usagef("--%s must be positive, not %s", name, *d)
		}
	}
	if d := c.Run.StatementTimeout; d < time.Millisecond || d > maxStatementTimeout {
		return exit.Usagef("--statement-timeout must be from 1ms to %s, not %s", maxStatementTimeout, d)
	}
	return nil
}

// maxStatementTimeout is the longest that PostgreSQL takes. It counts milliseconds, and
// takes 0 for no limit.
const maxStatementTimeout = math.MaxInt32 * time.Millisecond

// durations are the flags that are durations, none of which may be zero.
func (c *CheckFlags) durations() map[string]*time.Duration {
	run := &c.Run
	return map[string]*time.Duration{"statement-timeout": &run.StatementTimeout, "settle": &run.Settle, "max-open": &run.MaxOpen,
		"max-pending": &run.MaxPending, "task-time-limit": &run.TaskTimeLimit, "visibility-timeout": &run.Visibility,
		"max-lag": &run.MaxLag, "max-clock-difference": &run.MaxClock}
}

// Connect tries both servers at once. One that is away makes its checks errors; bad settings end the run.
func (c *CheckFlags) Connect(ctx context.Context, f *Factory) error {
	settings, err := f.Config()
	if err != nil {
		return err
	}
	// The checks hold little and read much: the collector keeps what is read from piling up.
	debug.SetMemoryLimit(checkMemory)
	o := &c.Run
	o.Services, o.Tasks, o.Timeout = settings.Services, settings.Tasks, settings.Timeout
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.Redis, o.RedisErr = f.Redis(ctx)
	}()
	o.Pool, o.PostgresErr = f.Postgres(ctx)
	<-done
	b, err := f.Broker()
	if err != nil {
		return err
	}
	o.Broker, _ = b.(*celery.Redis)
	o.Queues, _ = b.(consistency.Queues)
	for _, err := range []error{o.RedisErr, o.PostgresErr} {
		if code := exit.Code(err); code == exit.Usage || code == exit.Interrupted {
			return err
		}
	}
	return nil
}

// ReadBaseline reads a file of known findings.
func ReadBaseline(name string) (*consistency.Baseline, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, exit.Usagef("read the baseline: %w", err)
	}
	b, err := consistency.ParseBaseline(data)
	if err != nil {
		return nil, exit.Usagef("baseline %s: %w", name, err)
	}
	return b, nil
}

// CheckVerdict is the exit code of a report: what could not be checked comes before what
// was found.
func CheckVerdict(r *consistency.Report, failOn consistency.FailOn) error {
	switch {
	case r.Summary.Error > 0:
		return exit.Silent(exit.Unreachable)
	case r.Failed(failOn) > 0:
		return exit.Silent(exit.Findings)
	}
	return nil
}
