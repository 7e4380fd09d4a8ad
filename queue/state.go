package queue

import (
	"context"
	"errors"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// State is the queue at one moment.
type State struct {
	Breaker       breaker.Status
	Counts        Counts
	PausedSince   time.Time // since when the longest paused job is; zero for none
	OutboxPending int64     // jobs whose task is not on the broker yet
	Queued        int64     // messages on the broker's queues
	Reserved      int64     // messages that workers have fetched and not acknowledged; -1 where the broker does not tell
	BrokerErr     error     // why the broker was not asked
	Findings      []Finding // what Redis and the log do not agree on; none where our tables are missing
}

// Status reads the breaker, the jobs, the outbox and the broker. Rights to read are
// enough. A broker that is away is no error: it is told in BrokerErr.
func (m *Manager) Status(ctx context.Context) (State, error) {
	var s State
	var err error
	if s.Breaker, err = m.breaker.State(ctx); err != nil {
		return s, err
	}
	if s.Counts, err = m.Counts(ctx); err != nil {
		return s, err
	}
	if last, err := m.latest(ctx); err == nil {
		s.Findings = planned(last, s.Breaker)
	} else if !errors.Is(err, ErrSchemaMissing) {
		return s, err
	}
	var since *time.Time
	if err := m.pool.QueryRow(ctx, "SELECT min(updated_at) FROM jobs WHERE status = 'PAUSED'").Scan(&since); err != nil {
		return s, databaseError("read the paused jobs", err)
	}
	if since != nil {
		s.PausedSince = *since
	}
	if s.OutboxPending, err = outboxPending(ctx, m.pool); err != nil {
		return s, databaseError("read the outbox", err)
	}
	if s.BrokerErr = ErrNoBroker; m.settings.Broker != nil {
		s.Queued, s.Reserved, s.BrokerErr = m.settings.Broker.Depth(ctx)
	}
	return s, nil
}

// WithdrawPaused takes the messages of paused jobs off the queues, so that workers
// which do not look at the breaker cannot run them. It returns how many; their bytes
// are kept by the broker's side.
func (m *Manager) WithdrawPaused(ctx context.Context) (int64, error) {
	if m.settings.Broker == nil {
		return 0, ErrNoBroker
	}
	n, err := m.settings.Broker.Withdraw(ctx, "paused", func(chunk []Held) ([]bool, error) {
		ids, jobs := make([]string, len(chunk)), make([]int64, len(chunk))
		for i, h := range chunk {
			ids[i], jobs[i] = h.TaskID, h.JobID
		}
		rows, err := m.pool.Query(ctx, `SELECT id, coalesce(task_id, '') FROM jobs WHERE status = 'PAUSED' AND (id = ANY ($1::int[]) OR task_id = ANY ($2::text[]))`, jobs, ids)
		if err != nil {
			return nil, databaseError("look for paused jobs", err)
		}
		paused, tasks := map[int64]bool{}, map[string]bool{}
		for rows.Next() {
			var id int64
			var task string
			if err := rows.Scan(&id, &task); err != nil {
				rows.Close()
				return nil, databaseError("look for paused jobs", err)
			}
			paused[id] = true
			if task != "" {
				tasks[task] = true
			}
		}
		take := make([]bool, len(chunk))
		for i, h := range chunk {
			take[i] = h.JobID != 0 && m.runs(h.Name) && paused[h.JobID] || tasks[h.TaskID]
		}
		return take, databaseError("look for paused jobs", rows.Err())
	})
	return n, err
}
