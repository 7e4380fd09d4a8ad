// Package workerscmd is `leadgenctl workers`: who is alive, and what they hold.
package workerscmd

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// New returns the command with its verbs.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{Use: "workers", Short: "Look at the Celery workers"}
	cmd.AddCommand(newLs(f))
	return cmd
}

type view struct {
	Workers   []workerView `json:"workers"`
	Listening int          `json:"listening"`
	Silent    int          `json:"silent"` // listen, and did not answer
}

type workerView struct {
	Name       string     `json:"name"`
	Queues     []string   `json:"queues"`
	Prefetch   int        `json:"prefetch"`
	Processes  int        `json:"processes"`
	Running    []taskView `json:"running"`
	Reserved   []taskView `json:"reserved"`
	Scheduled  []taskView `json:"scheduled"`
	Registered []string   `json:"registered"`
}

type taskView struct {
	TaskID  string     `json:"task_id"`
	Name    string     `json:"name"`
	JobID   *int64     `json:"job_id"`
	Started *time.Time `json:"started_at"`
}

// asker is a broker that can ask the workers.
type asker interface {
	AskAll(context.Context) (celery.Answers, error)
}

func newLs(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the workers that are alive, with their queues and tasks",
		Long: `List the workers that are alive, with their queues and tasks. Redis tells how many
listen, so the answer takes milliseconds; a worker that listens and does not answer is
counted as silent, and the command ends with exit code 1.`,
		Example: "  leadgenctl workers ls\n  leadgenctl workers ls -o json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runLs(cmd.Context(), f) },
	}
}

func runLs(ctx context.Context, f *cmdutil.Factory) error {
	b, err := f.Broker()
	if err != nil {
		return err
	}
	a, err := b.(asker).AskAll(ctx)
	if err != nil {
		return exit.Unreachablef("the broker: %w", cmdutil.Explain(err))
	}
	v := view{Workers: []workerView{}, Listening: a.Listening, Silent: max(0, a.Listening-len(a.Workers))}
	for _, w := range a.Workers {
		v.Workers = append(v.Workers, workerView{w.Name, list(w.Queues), w.Prefetch, w.Processes, tasks(w.Active), tasks(w.Reserved), tasks(w.Scheduled), list(w.Registered)})
	}
	if err := f.Print(v, func(out io.Writer) error { return write(f, out, v) }); err != nil {
		return err
	}
	if v.Silent > 0 {
		f.IO.Warnf("%d workers listen and did not answer", v.Silent)
		return exit.Silent(exit.Findings)
	}
	return nil
}

func write(f *cmdutil.Factory, w io.Writer, v view) error {
	rows := make([][]string, len(v.Workers))
	for i, x := range v.Workers {
		var running []string
		for _, t := range x.Running {
			running = append(running, t.Name+" "+t.TaskID)
		}
		rows[i] = []string{x.Name, strings.Join(x.Queues, ","), cmdutil.Count(int64(x.Prefetch)), cmdutil.Count(int64(len(x.Running))),
			cmdutil.Count(int64(len(x.Reserved) + len(x.Scheduled))), strings.Join(running, ", ")}
	}
	return f.Table(w, []string{"worker", "queues", "prefetch", "running", "reserved", "tasks"}, rows)
}

func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func tasks(in []celery.WorkerTask) []taskView {
	out := []taskView{}
	for _, t := range in {
		v := taskView{TaskID: t.ID, Name: t.Name}
		if t.JobID != 0 {
			v.JobID = &t.JobID
		}
		if !t.Started.IsZero() {
			v.Started = &t.Started
		}
		out = append(out, v)
	}
	return out
}
