package queuecmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue"
)

func newInspect(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "inspect JOB-ID",
		Short:   "Show a job: its row, where its task is now, and what happened to it",
		Example: "  leadgenctl queue inspect 4711\n  leadgenctl queue inspect 4711 -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 32)
			if err != nil || id < 1 {
				return exit.Usagef("%q is no job id: it is a positive number", args[0])
			}
			return runInspect(cmd.Context(), f, id)
		},
	}
}

func runInspect(ctx context.Context, f *cmdutil.Factory, id int64) error {
	m, _, done, err := connect(ctx, f)
	if err != nil {
		return err
	}
	defer done()
	j, err := m.Inspect(ctx, id)
	if errors.Is(err, queue.ErrNoJob) {
		return &exit.Error{Code: exit.Findings, Err: err}
	}
	if err != nil {
		return cmdutil.ExplainQueue(err)
	}
	if j.BrokerErr != "" {
		f.IO.Warnf("where the task is cannot be told: %s", j.BrokerErr)
	}
	return f.Print(j, func(w io.Writer) error { return inspectText(f, w, j) })
}

func inspectText(f *cmdutil.Factory, w io.Writer, j queue.Job) error {
	fields := [][2]string{{"Job", cmdutil.Count(j.ID)}, {"Name", j.Name}, {"Type", string(j.Type)}, {"Status", string(j.Status)},
		{"Task", text(j.TaskID)}, {"Error", text(j.Error)}, {"Campaign", text(j.CampaignID)}, {"Created", when(j.CreatedAt)},
		{"Updated", when(j.UpdatedAt)}, {"Completed", when(j.CompletedAt)}}
	if j.Held != nil {
		fields = append(fields, [2]string{"Kept by", text(j.Held.Worker)})
	}
	if j.NewTask != nil {
		fields = append(fields, [2]string{"Superseded by", *j.NewTask})
	}
	if len(j.Tasks) == 0 && j.Doubt != "" {
		fields = append(fields, [2]string{"Its task is", "not known: " + j.Doubt})
	} else if len(j.Tasks) == 0 && j.BrokerErr == "" {
		fields = append(fields, [2]string{"Its task is", "neither on the broker nor with a worker"})
	}
	for _, t := range j.Tasks {
		at := string(t.Place)
		if t.Worker != "" {
			at += " by " + t.Worker
		}
		fields = append(fields, [2]string{"Task " + t.TaskID, at + " (" + t.Name + ")"})
	}
	for _, o := range j.Outbox {
		state := fmt.Sprintf("in the outbox, %d attempts", o.Attempts)
		if o.PublishedAt != nil {
			state = "published " + when(o.PublishedAt)
		}
		fields = append(fields, [2]string{"Task " + o.TaskID, state})
	}
	for _, p := range j.Pauses {
		fields = append(fields, [2]string{"Paused", fmt.Sprintf("%s, epoch %d, was %s", cmdutil.Time(p.PausedAt), p.Epoch, p.Was)})
	}
	for _, x := range j.Failures {
		fields = append(fields, [2]string{"Task failed", fmt.Sprintf("%s after %d attempts: %s", cmdutil.Time(x.At), x.Attempts, x.Error)})
	}
	for _, v := range j.Illegal {
		fields = append(fields, [2]string{"Illegal", fmt.Sprintf("%s %s to %s by %s (%s)", cmdutil.Time(v.At), v.Old, v.New, v.ApplicationName, v.User)})
	}
	return f.Fields(w, fields...)
}

func text(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}
