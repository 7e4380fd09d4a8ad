package queue

import (
	"context"
	_ "embed"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/undo.sql
var undoSQL string

// putBack prepares that a pause is undone: withdrawn messages of paused jobs go back to
// their queues, and it is looked where the jobs' own tasks are.
func (m *Manager) putBack(ctx context.Context) (*survey, error) {
	if m.settings.Broker == nil {
		return nil, ErrNoBroker
	}
	w, err := m.wanted(ctx, wantedSQL)
	if err != nil {
		return nil, databaseError("read the paused jobs", err)
	}
	_, err = patiently(ctx, m, func() (int64, error) {
		n, err := m.settings.Broker.PutBack(ctx, func(task string) bool {
			_, paused := find(w.old, taskIDOf(task))
			return paused
		})
		return n, brokerError("put withdrawn messages back", err)
	})
	if err != nil {
		return nil, err
	}
	m.settings.Step("queue.undo.restored")
	return m.survey(ctx, wantedSQL)
}

// undo makes paused jobs what they were whose own task is still queued or with a worker.
// The others are left: they are resumed. Messages go back under the lock of job state: to a
// job that somebody resumes meanwhile one would come back beside its new task.
func (m *Manager) undo(ctx context.Context, tx pgx.Tx) (n int64, err error) {
	// That takes its time; a transaction that is ended over it would let go of the lock.
	if _, err := tx.Exec(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return 0, err
	}
	sv, err := m.putBack(ctx)
	if err != nil {
		return 0, err
	}
	var jobs []int64
	var tasks []string
	for i, h := range sv.hits {
		alone := (i == 0 || sv.hits[i-1].job != h.job) && (i+1 == len(sv.hits) || sv.hits[i+1].job != h.job)
		if job, ok := find(sv.wanted.old, h.id); ok && job == h.job && alone && h.copies == 1 && h.in() != PlaceUnknown {
			jobs, tasks = append(jobs, int64(h.job)), append(tasks, sv.wanted.texts.text(h.id))
		}
	}
	if len(jobs) == 0 {
		return 0, nil
	}
	err = tx.QueryRow(ctx, undoSQL, jobs, tasks).Scan(&n)
	return n, err
}
