package cmdutil

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue"
)

// ResumeFlags are the pace of a resume, the same for every command that resumes.
type ResumeFlags struct {
	Canary     int64
	CanaryWait time.Duration
	Rate       float64
	Batch      int64
	Dispatch   DispatchFlags

	flags *pflag.FlagSet
}

// Add registers the flags on cmd.
func (r *ResumeFlags) Add(cmd *cobra.Command) {
	cmd.Flags().Int64Var(&r.Canary, "canary", 0, "resume so many jobs first, then wait")
	cmd.Flags().DurationVar(&r.CanaryWait, "canary-wait", 30*time.Second, "how long to wait after the canary")
	cmd.Flags().Float64Var(&r.Rate, "rate", 0, "at most so many jobs a second (0: no limit)")
	cmd.Flags().Int64Var(&r.Batch, "batch", 0, "so many jobs in a step (0: all, or as the rate needs)")
	r.Dispatch.Add(cmd)
	r.flags = cmd.Flags()
}

// Options checks the flags, puts them into the settings and makes options of them.
func (r *ResumeFlags) Options(f *Factory) (queue.ResumeOptions, error) {
	o := queue.ResumeOptions{Canary: r.Canary, CanaryWait: r.CanaryWait, Rate: r.Rate, Batch: r.Batch, AssumeDead: r.Dispatch.AssumeDead}
	if o.Canary == 0 && !r.flags.Changed("canary-wait") {
		o.CanaryWait = 0
	}
	if err := o.Validate(); err != nil {
		return o, exit.Usagef("%w", err)
	}
	return o, r.Dispatch.Apply(f)
}

// Dispatched is what the JSON of every command that dispatches has.
type Dispatched struct {
	TasksCreated     int64 `json:"tasks_created"`
	TasksReused      int64 `json:"tasks_reused"`
	JobsStillRunning int64 `json:"jobs_still_running"`
	JobsFailed       int64 `json:"jobs_failed"`
	JobsUnknown      int64 `json:"jobs_unknown"`
	OutboxPending    int64 `json:"outbox_pending"`
}

// DispatchedOf shapes d.
func DispatchedOf(d queue.Dispatched) Dispatched {
	return Dispatched{d.TasksCreated, d.TasksReused, d.JobsStillRunning, d.JobsFailed, d.JobsUnknown, d.OutboxPending}
}

// Fields are the rows of a table of d.
func (d Dispatched) Fields() [][2]string {
	return [][2]string{
		{"Tasks created", Count(d.TasksCreated)},
		{"Tasks in place of queued ones", Count(d.TasksReused)},
		{"Jobs still running", Count(d.JobsStillRunning)},
		{"Jobs failed", Count(d.JobsFailed)},
		{"Jobs whose task is unknown", Count(d.JobsUnknown)},
		{"Outbox pending", Count(d.OutboxPending)},
	}
}
