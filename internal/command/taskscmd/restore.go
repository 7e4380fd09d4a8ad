package taskscmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

type restoreView struct {
	DryRun   bool   `json:"dry_run,omitempty"`
	Batch    string `json:"batch"`
	Restored int64  `json:"restored"`
	Left     []left `json:"left"`
}

type left struct {
	task
	Why string `json:"why"`
}

type batchView struct {
	Batch       string `json:"batch"`
	Quarantined bool   `json:"quarantined"`
	Messages    int64  `json:"messages"`
}

func newRestore(f *cmdutil.Factory) *cobra.Command {
	var write cmdutil.WriteFlags
	var force bool
	cmd := &cobra.Command{
		Use:   "restore [BATCH]",
		Short: "Put a batch of withdrawn messages back, to the byte; without a batch, list them",
		Long: `Put messages back on their queues, where workers take them first. Left out are those
that would run a job twice or not at all: their job has another task by now, is done, or
is paused; and those that would crash a worker. --force puts these back as well, except
those whose place another task has taken.`,
		Example: "  leadgenctl tasks restore\n  leadgenctl tasks restore 0b6f2f0e-2d0a-4f0c-8f3a-5a4d1c9b7e21 --yes",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listBatches(cmd.Context(), f)
			}
			return runRestore(cmd.Context(), f, write, force, args[0])
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also those that would run a job twice or crash a worker")
	write.Add(cmd)
	return cmd
}

func listBatches(ctx context.Context, f *cmdutil.Factory) error {
	r, err := f.BrokerRedis()
	if err != nil {
		return err
	}
	batches, err := r.Batches(ctx)
	if err != nil {
		return cmdutil.Explain(err)
	}
	views, table := []batchView{}, [][]string{}
	for _, b := range batches {
		views = append(views, batchView{b.ID, b.Quarantined, b.Messages})
		table = append(table, []string{b.ID, fmt.Sprint(b.Quarantined), cmdutil.Count(b.Messages)})
	}
	return f.Print(views, func(w io.Writer) error { return f.Table(w, []string{"batch", "quarantined", "messages"}, table) })
}

func runRestore(ctx context.Context, f *cmdutil.Factory, write cmdutil.WriteFlags, force bool, id string) error {
	r, err := f.BrokerRedis()
	if err != nil {
		return err
	}
	batches, err := r.Batches(ctx)
	if err != nil {
		return cmdutil.Explain(err)
	}
	var batch *celery.Batch
	for i := range batches {
		if batches[i].ID == id {
			batch = &batches[i]
		}
	}
	if batch == nil {
		return exit.WithHint(&exit.Error{Code: exit.Findings, Err: fmt.Errorf("there is no batch %q", id)}, "list them with: leadgenctl tasks restore")
	}
	v := restoreView{DryRun: write.DryRun, Batch: id, Left: []left{}}
	n, err := r.Restore(ctx, *batch, func(all []celery.Kept) ([]bool, error) {
		why, err := reasons(ctx, f, all)
		if err != nil {
			return nil, err
		}
		back := make([]bool, len(all))
		for i, m := range all {
			if back[i] = m.ReplacedBy == "" && (why[i] == "" || force); back[i] {
				v.Restored++
			} else {
				v.Left = append(v.Left, left{ofFound(m.Found), why[i]})
			}
		}
		if write.DryRun || v.Restored == 0 {
			return make([]bool, len(all)), nil
		}
		return back, write.Confirm(ctx, f.IO, "Put "+cmdutil.Count(v.Restored)+" messages back?")
	})
	if errors.Is(err, celery.ErrBatchChanged) {
		return exit.Refusedf("%w; nothing was changed", err)
	}
	if err != nil {
		return cmdutil.Explain(err)
	}
	if !write.DryRun {
		v.Restored = n
	}
	return f.Print(v, func(w io.Writer) error { return restoredText(f, w, v) })
}

func restoredText(f *cmdutil.Factory, w io.Writer, v restoreView) error {
	for _, l := range v.Left {
		f.IO.Warnf("left: task %s of job %d: %s", l.TaskID, l.JobID, l.Why)
	}
	name := "Messages restored"
	if v.DryRun {
		name = "Messages that would be restored"
	}
	return f.Fields(w, [2]string{name, cmdutil.Count(v.Restored)}, [2]string{"Left", fmt.Sprint(len(v.Left))})
}

const jobsOfMessages = `SELECT id, coalesce(task_id, ''), status::text FROM public.jobs WHERE id = ANY($1)`

// reasons tells of each message why it should stay where it is; "" for none.
func reasons(ctx context.Context, f *cmdutil.Factory, all []celery.Kept) ([]string, error) {
	var ids []int64
	for _, m := range all {
		if m.JobID != 0 {
			ids = append(ids, m.JobID)
		}
	}
	type job struct{ task, status string }
	jobs := map[int64]job{}
	if len(ids) > 0 {
		pool, err := f.Postgres(ctx)
		if err != nil {
			return nil, err
		}
		rows, err := pool.Query(ctx, jobsOfMessages, ids)
		if err != nil {
			return nil, fmt.Errorf("read the jobs of the messages: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var id int64
			var j job
			if err := rows.Scan(&id, &j.task, &j.status); err != nil {
				return nil, fmt.Errorf("read the jobs of the messages: %w", err)
			}
			jobs[id] = j
		}
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("read the jobs of the messages: %w", err)
		}
	}
	why := make([]string, len(all))
	for i, m := range all {
		j, known := jobs[m.JobID]
		switch {
		case m.ReplacedBy != "":
			why[i] = "the task " + m.ReplacedBy + " took its place"
		case m.Poison:
			why[i] = "it would crash a worker: " + m.Defect
		case m.JobID != 0 && !known:
			why[i] = "its job is gone"
		case known && j.task != m.TaskID:
			why[i] = "its job has another task: " + j.task
		case known && j.status != "PENDING" && j.status != "PROCESSING":
			why[i] = "its job is " + j.status
		}
	}
	return why, nil
}
