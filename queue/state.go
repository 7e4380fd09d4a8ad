package queue

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

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

// WithdrawPaused takes the messages of paused jobs off the queues, so that workers which
// do not look at the breaker cannot run them. It returns how many; their bytes are kept
// by the broker's side.
func (m *Manager) WithdrawPaused(ctx context.Context) (int64, error) {
	if m.settings.Broker == nil {
		return 0, ErrNoBroker
	}
	return m.settings.Broker.Withdraw(ctx, "paused", func(chunk []Held) ([]bool, error) {
		return m.ofJobs(ctx, chunk, "status = 'PAUSED'")
	})
}

// WithdrawablePaused counts the messages that WithdrawPaused would take off the queues if
// the breaker were open, and changes nothing.
func (m *Manager) WithdrawablePaused(ctx context.Context) (n int64, err error) {
	if m.settings.Broker == nil {
		return 0, ErrNoBroker
	}
	err = m.settings.Broker.Queued(ctx, func(chunk []Held) error {
		take, err := m.ofJobs(ctx, chunk, "status IN ('PENDING', 'PROCESSING', 'PAUSED')")
		for _, t := range take {
			if t {
				n++
			}
		}
		return err
	})
	return n, err
}

// ofJobs says which of some queued tasks belong to jobs of a condition.
func (m *Manager) ofJobs(ctx context.Context, chunk []Held, condition string) ([]bool, error) {
	ids, jobs := make([]string, len(chunk)), make([]int64, len(chunk))
	for i, h := range chunk {
		ids[i], jobs[i] = h.TaskID, h.JobID
	}
	rows, err := m.pool.Query(ctx, `SELECT id, coalesce(task_id, '') FROM jobs WHERE `+condition+` AND (id = ANY ($1::bigint[]) OR task_id = ANY ($2::text[]))`, jobs, ids)
	if err != nil {
		return nil, databaseError("look whose messages are queued", err)
	}
	found, tasks := map[int64]bool{}, map[string]bool{}
	var id int64
	var task string
	_, err = pgx.ForEachRow(rows, []any{&id, &task}, func() error {
		found[id] = true
		if task != "" {
			tasks[task] = true
		}
		return nil
	})
	take := make([]bool, len(chunk))
	for i, h := range chunk {
		take[i] = h.JobID != 0 && m.runs(h.Name) && found[h.JobID] || tasks[h.TaskID]
	}
	return take, databaseError("look whose messages are queued", err)
}
