package consistency

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// doubledTask stands before the id of a task that names no job, in place of a job's id.
const doubledTask = "task "

// copies is what the broker holds of a job that is there more than once.
type copies struct {
	task     string   // that the job's row names
	reserved bool     // a worker has one: it stays, since nobody can take it back
	fetched  []string // the bytes of those that a worker has: met queued before, it is the same message
	keep     uint64   // otherwise the message that stays: that of the row's task, or the one that runs first
	own      bool     // keep is of the row's task
	found    celery.Found
	queued   map[uint64]int // how many messages there are, copies that are equal to the byte as one
}

// doubles are the jobs whose messages are withdrawn, by their id; or tasks that name none.
type doubles struct {
	seed maphash.Seed
	jobs map[string]*copies
}

func (d *doubles) of(f celery.Found) *copies {
	if isLoose(f) {
		return d.jobs[doubledTask+f.TaskID]
	}
	return d.jobs[strconv.FormatInt(f.JobID, 10)]
}

// withdraw takes, of each doubled job, all queued messages out but one, or all where a
// worker has one.
func withdraw(ctx context.Context, m *mending, subjects []string) (int64, error) {
	isTask := func(subject string) bool { return strings.HasPrefix(subject, doubledTask) }
	ids, err := numbers(slices.DeleteFunc(slices.Clone(subjects), isTask))
	if err != nil {
		return 0, err
	}
	d := &doubles{maphash.MakeSeed(), map[string]*copies{}}
	for _, s := range subjects {
		d.jobs[s] = &copies{queued: map[uint64]int{}}
	}
	task, err := m.tasksOf(ctx, ids)
	if err != nil {
		return 0, err
	}
	for id, name := range task {
		d.jobs[strconv.FormatInt(id, 10)].task = name
	}
	if err := m.Broker.EachMessage(ctx, func(chunk []celery.Found) error {
		for _, f := range chunk {
			d.meet(f)
		}
		return nil
	}); err != nil {
		return 0, err
	}
	batch, n, err := m.Broker.TakeOut(ctx, false, d.superfluous)
	for _, c := range d.jobs {
		if err == nil && !c.reserved && c.queued[c.keep] > 1 {
			var more int64
			more, err = m.Broker.TakeCopies(ctx, batch, c.found)
			n += more
		}
	}
	m.Mended(n)
	if n > 0 {
		slices.Sort(ids)
		err = errors.Join(err, m.log.Log(ctx, "", map[string]any{"messages": n, "batch": batch, "job_ids": ids}))
	}
	return n, err
}

// meet notes a message. They come from the heads of the lists on: the later one runs first.
func (d *doubles) meet(f celery.Found) {
	c := d.of(f)
	if c == nil {
		return
	}
	if f.Place != queue.PlaceQueued {
		c.reserved = true
		c.fetched = append(c.fetched, strings.Clone(f.Raw))
		return
	}
	this := d.identity(f)
	c.queued[this]++
	if !c.own || f.TaskID == c.task {
		c.keep, c.own, c.found = this, f.TaskID == c.task, f.Clone()
	}
}

// superfluous says whether a message is to be taken out. One that a worker has given back
// meanwhile was not met queued, or was fetched behind that, and may be the last of its job.
func (d *doubles) superfluous(f celery.Found) bool {
	c := d.of(f)
	if c == nil {
		return false
	}
	this := d.identity(f)
	return c.queued[this] > 0 && (c.reserved || c.keep != this) && !slices.Contains(c.fetched, f.Raw)
}

// identity tells a message from any other, but for those that are equal to the byte on
// the same list. It is never 0.
func (d *doubles) identity(f celery.Found) uint64 {
	var h maphash.Hash
	h.SetSeed(d.seed)
	_, _ = h.WriteString(f.List)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(f.Raw)
	return max(1, h.Sum64())
}
