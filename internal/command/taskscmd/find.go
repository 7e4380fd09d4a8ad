package taskscmd

import (
	"context"
	"encoding/json"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

// wanted is what a person names: task ids, and job ids as numbers.
func wanted(words []string) func(taskID string, jobID int64) bool {
	tasks, jobs := map[string]bool{}, map[int64]bool{}
	for _, w := range words {
		tasks[w] = true
		if id, err := strconv.ParseInt(w, 10, 64); err == nil && id > 0 {
			jobs[id] = true
		}
	}
	return func(taskID string, jobID int64) bool { return (taskID != "" && tasks[taskID]) || jobs[jobID] }
}

func newFind(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "find ID...",
		Short:   "Tell where tasks are, by task id or job id; exit code 1 where none is anywhere",
		Example: "  leadgenctl tasks find 66fbdb27-7b5c-4bb5-a4f0-6a0b6f3b3f0a\n  leadgenctl tasks find 4711 4712 -o json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			found, err := find(cmd.Context(), f, ids)
			if err != nil {
				return err
			}
			if err := f.Print(found, func(w io.Writer) error { return f.Table(w, header, rows(found)) }); err != nil {
				return err
			}
			if len(found) == 0 {
				return &exit.Error{Code: exit.Findings, Err: errNowhere}
			}
			return nil
		},
	}
}

func find(ctx context.Context, f *cmdutil.Factory, ids []string) ([]task, error) {
	of, err := tasksOf(ctx, f, ids)
	if err != nil {
		f.IO.Warnf("the jobs' own tasks were not looked up: %v", cmdutil.Explain(err))
	}
	is, found := wanted(append(of, ids...)), []task{}
	a, err := eachTask(ctx, f, func(t task) {
		if is(t.TaskID, t.JobID) {
			found = append(found, t)
		}
	})
	if err != nil {
		return nil, cmdutil.Explain(err)
	}
	if a != nil {
		silent(f, a)
	}
	return found, nil
}

// tasksOf are the tasks of the jobs among the ids: not every task names its job.
func tasksOf(ctx context.Context, f *cmdutil.Factory, ids []string) ([]string, error) {
	var jobs []int64
	for _, s := range ids {
		if id, err := strconv.ParseInt(s, 10, 32); err == nil && id > 0 {
			jobs = append(jobs, id)
		}
	}
	if len(jobs) == 0 {
		return nil, nil
	}
	m, _, err := f.ConnectQueue(ctx, nil)
	if err != nil {
		return nil, err
	}
	return m.TasksOf(ctx, jobs)
}

func newShow(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show a task's message as it lies in the broker, by task id or job id",
		Example: "  leadgenctl tasks show 66fbdb27-7b5c-4bb5-a4f0-6a0b6f3b3f0a -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			found, err := find(cmd.Context(), f, ids)
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return &exit.Error{Code: exit.Findings, Err: errNowhere}
			}
			views := make([]showView, len(found))
			for i, t := range found {
				views[i] = showView{task: t, Raw: t.raw}
				if json.Valid([]byte(t.raw)) {
					views[i].Message = json.RawMessage(t.raw)
				}
			}
			return f.Print(views, func(w io.Writer) error {
				for _, v := range views {
					if err := showText(f, w, v); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

type showView struct {
	task
	Message json.RawMessage `json:"message,omitempty"`
	Raw     string          `json:"raw,omitempty"` // its bytes; none of a task that runs
}

func showText(f *cmdutil.Factory, w io.Writer, v showView) error {
	job := ""
	if v.JobID != 0 {
		job = cmdutil.Count(v.JobID)
	}
	return f.Fields(w, [2]string{"Task", v.TaskID}, [2]string{"Name", v.Name}, [2]string{"Job", job}, [2]string{"Place", v.Place},
		[2]string{"Worker", v.Worker}, [2]string{"Defect", v.Defect}, [2]string{"Message", v.Raw})
}
