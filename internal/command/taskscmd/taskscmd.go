// Package taskscmd is `leadgenctl tasks`: the single tasks on the broker and with the
// workers, on Redis.
package taskscmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// New returns the command with its verbs.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tasks",
		Short: "See where single tasks are; take messages out of the queues and put them back",
		Long: `See where single tasks are: queued, reserved by a worker, scheduled or running. Take
messages out of the queues, put them back, and set those aside that would crash a worker.
RabbitMQ cannot show or move single messages: with it ls, find and show tell what
workers have, and the others are refused.`,
	}
	cmd.AddCommand(newList(f), newFind(f), newShow(f), newWithdraw(f), newRestore(f), newQuarantine(f), newGC(f))
	return cmd
}

// task is one task in the output.
type task struct {
	TaskID string `json:"task_id"`
	Name   string `json:"name"`
	JobID  int64  `json:"job_id,omitempty"`
	Place  string `json:"place"`
	List   string `json:"list,omitempty"`
	Worker string `json:"worker,omitempty"`
	Defect string `json:"defect,omitempty"`
	Poison bool   `json:"poison,omitempty"`
	raw    string
}

func ofFound(m celery.Found) task {
	return task{m.TaskID, m.Name, m.JobID, string(m.Place), m.List, m.Worker, m.Defect, m.Poison, m.Raw}
}

// eachTask calls fn with every task on the broker and with the workers, and returns who
// answered; nil where the workers may not be asked. On RabbitMQ it tells those of the
// workers, and warns.
func eachTask(ctx context.Context, f *cmdutil.Factory, fn func(task)) (*celery.Answers, error) {
	broker, err := f.Broker()
	if err != nil {
		return nil, err
	}
	redis, ok := broker.(*celery.Redis)
	if ok {
		err = redis.EachMessage(ctx, func(chunk []celery.Found) error {
			for _, m := range chunk {
				fn(ofFound(m.Clone()))
			}
			return nil
		})
	} else {
		f.IO.Warnf("the broker is RabbitMQ, which cannot show what is queued: only what workers have is told")
	}
	if err != nil {
		return nil, err
	}
	asked, _ := broker.(interface {
		Ask(context.Context) (celery.Answers, error)
	})
	a, err := asked.Ask(ctx)
	if celery.MayNotAsk(err) {
		f.IO.Warnf("the workers may not be asked by this user: what they run is not told (README, Least privilege)")
		return nil, nil
	}
	for _, w := range a.Workers {
		tell := func(tasks []celery.WorkerTask, place string) {
			for _, t := range tasks {
				fn(task{TaskID: t.ID, Name: t.Name, JobID: t.JobID, Place: place, Worker: w.Name})
			}
		}
		// What is reserved is in Redis' unacked, too, and is told from there.
		if !ok {
			tell(w.Reserved, string(queue.PlaceReserved))
		}
		tell(w.Scheduled, "scheduled")
		tell(w.Active, string(queue.PlaceRunning))
	}
	return &a, err
}

func silent(f *cmdutil.Factory, a *celery.Answers) int {
	n := max(0, a.Listening-len(a.Workers))
	if n > 0 {
		f.IO.Warnf("%d workers listen and did not answer: what they run is not told", n)
	}
	return n
}

func rows(tasks []task) [][]string {
	var out [][]string
	for _, t := range tasks {
		job, note := "-", t.Defect
		if t.JobID != 0 {
			job = cmdutil.Count(t.JobID)
		}
		if t.Poison {
			note += " (crashes workers)"
		}
		out = append(out, []string{t.TaskID, t.Name, job, t.Place, t.Worker, note})
	}
	return out
}

var header = []string{"task", "name", "job", "place", "worker", "defect"}
