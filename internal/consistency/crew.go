package consistency

import (
	"cmp"
	"context"
	"strings"

	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// crew is what the workers say themselves. The zero value is that of workers that may
// not be asked: it takes the right to publish, which a role that only reads has not.
type crew struct {
	asked      bool
	silent     int             // listen, and did not answer
	alive      map[string]bool // by name
	queues     map[string]bool // that somebody takes messages from
	registered map[string]bool // the tasks that somebody knows; nil unless all have answered
	tasks      map[string]bool // that somebody holds
	jobs       map[int64]bool  // whose task somebody holds
}

// askCrew asks all workers at once; a fleet that lives answers in milliseconds.
func askCrew(ctx context.Context, b *celery.Redis) (*crew, error) {
	a, err := b.AskAll(ctx)
	if celery.MayNotAsk(err) {
		return &crew{}, nil
	}
	if err != nil {
		return nil, err
	}
	c := &crew{asked: true, silent: max(0, a.Listening-len(a.Workers)), alive: map[string]bool{}, queues: map[string]bool{},
		tasks: map[string]bool{}, jobs: map[int64]bool{}}
	for _, w := range a.Workers {
		c.add(w)
	}
	if c.silent > 0 {
		c.registered = nil
	}
	return c, nil
}

func (c *crew) add(w celery.Worker) {
	c.alive[w.Name] = true
	for _, q := range w.Queues {
		c.queues[q] = true
	}
	if c.registered == nil {
		c.registered = map[string]bool{}
	}
	for _, name := range w.Registered {
		c.registered[name] = true
	}
	for _, tasks := range [][]celery.WorkerTask{w.Active, w.Reserved, w.Scheduled} {
		for _, t := range tasks {
			c.tasks[t.ID] = true
			if t.JobID != 0 {
				c.jobs[t.JobID] = true
			}
		}
	}
}

// knows says whether a task is one that some worker runs, as far as is known: Celery's own
// are not told, and nothing is where not all have answered.
func (c *crew) knows(task string) bool {
	return c.registered == nil || c.registered[task] || strings.HasPrefix(task, "celery.")
}

// holds says whether a worker has a job's task, as far as is known: it says so itself,
// or the task's result names it and it is alive, or may be.
func (c *crew) holds(job int64, task, startedBy string) bool {
	switch {
	case c.tasks[task] || c.jobs[job]:
		return true
	case startedBy == "":
		return false
	}
	return !c.asked || c.silent > 0 || c.alive[startedBy]
}

// readCrew asks the workers once for all checks of a look.
func (l *look) readCrew() (*crew, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.options.Timeout)
	defer cancel()
	return askCrew(ctx, l.options.Broker)
}

// startedBy returns, of the given tasks, those whose result says that they run, with the
// worker that says so.
func startedBy(ctx context.Context, b *celery.Redis, tasks []string) (map[string]string, error) {
	started, err := b.Started(ctx, tasks)
	by := make(map[string]string, len(started))
	for _, h := range started {
		by[h.TaskID] = cmp.Or(h.Worker, "unknown")
	}
	return by, err
}
