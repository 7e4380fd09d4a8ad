package taskscmd

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

var errNowhere = errors.New("no such task is queued, reserved, scheduled or running")

type takenView struct {
	DryRun   bool   `json:"dry_run,omitempty"`
	Batch    string `json:"batch,omitempty"`
	Messages int64  `json:"messages"`
	Tasks    []task `json:"tasks"`
}

func newWithdraw(f *cmdutil.Factory) *cobra.Command {
	var write cmdutil.WriteFlags
	cmd := &cobra.Command{
		Use:   "withdraw ID...",
		Short: "Take the queued messages of tasks out, by task id or job id, and keep their bytes",
		Long: `Take queued messages out, by task id or job id. Their bytes are kept in a batch, from
which "tasks restore" puts them back. What a worker has fetched already is left alone.`,
		Example: "  leadgenctl tasks withdraw 4711 --dry-run\n  leadgenctl tasks withdraw 4711 --yes",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			is := wanted(ids)
			return take(cmd.Context(), f, write, false, func(m celery.Found) bool { return is(m.TaskID, m.JobID) })
		},
	}
	write.Add(cmd)
	return cmd
}

func newQuarantine(f *cmdutil.Factory) *cobra.Command {
	var write cmdutil.WriteFlags
	var all bool
	cmd := &cobra.Command{
		Use:     "quarantine",
		Short:   "Set queued messages aside that would crash the worker that takes them",
		Example: "  leadgenctl tasks quarantine --dry-run\n  leadgenctl tasks quarantine --yes",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return take(cmd.Context(), f, write, true, func(m celery.Found) bool { return m.Poison || all && m.Defect != "" })
		},
	}
	cmd.Flags().BoolVar(&all, "all-defects", false, "also messages that workers drop without a word")
	write.Add(cmd)
	return cmd
}

// shown is how many messages a dry run shows at most.
const shown = 100

func take(ctx context.Context, f *cmdutil.Factory, write cmdutil.WriteFlags, quarantine bool, choose func(celery.Found) bool) error {
	r, err := f.BrokerRedis()
	if err != nil {
		return err
	}
	v := takenView{DryRun: write.DryRun, Tasks: []task{}}
	err = r.EachMessage(ctx, func(chunk []celery.Found) error {
		for _, m := range chunk {
			if m.Tag != "" || !choose(m) {
				continue
			}
			if v.Messages++; len(v.Tasks) < shown {
				v.Tasks = append(v.Tasks, ofFound(m.Clone()))
			}
		}
		return nil
	})
	if err != nil {
		return cmdutil.Explain(err)
	}
	if !write.DryRun && v.Messages > 0 {
		if err := write.Confirm(ctx, f.IO, "Take "+cmdutil.Count(v.Messages)+" messages out of the queues?"); err != nil {
			return err
		}
		v.Batch, v.Messages, err = r.TakeOut(ctx, quarantine, choose)
		if err != nil {
			return cmdutil.Explain(err)
		}
	}
	if err := f.Print(v, func(w io.Writer) error { return takenText(f, w, v) }); err != nil {
		return err
	}
	if v.Messages == 0 && !quarantine {
		return &exit.Error{Code: exit.Findings, Err: errors.New("no such message is queued; nothing was changed")}
	}
	return nil
}

func takenText(f *cmdutil.Factory, w io.Writer, v takenView) error {
	if len(v.Tasks) > 0 {
		if err := f.Table(w, header, rows(v.Tasks)); err != nil {
			return err
		}
	}
	name := "Messages taken out"
	if v.DryRun {
		name = "Messages that would be taken out"
	}
	fields := [][2]string{{name, cmdutil.Count(v.Messages)}}
	if v.Batch != "" {
		fields = append(fields, [2]string{"Batch", v.Batch}, [2]string{"Put back with", "leadgenctl tasks restore " + v.Batch})
	}
	return f.Fields(w, fields...)
}
