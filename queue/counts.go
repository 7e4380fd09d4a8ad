package queue

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Count is how many jobs of a type have a status.
type Count struct {
	Status Status
	Type   JobType
	Jobs   int64
	Oldest time.Time // the earliest created_at among them; zero where it is not known
}

// Counts are the jobs by status and type. The read needs no table of ours.
type Counts []Count

// Of sums the jobs of a status.
func (c Counts) Of(s Status) int64 {
	var n int64
	for _, e := range c {
		if e.Status == s {
			n += e.Jobs
		}
	}
	return n
}

// Active sums the jobs that opening the breaker pauses.
func (c Counts) Active() int64 { return c.Of(Pending) + c.Of(Processing) }

// Counts reads the jobs by status and type.
func (m *Manager) Counts(ctx context.Context) (Counts, error) {
	if m.pool == nil {
		return nil, ErrNoDatabase
	}
	rows, err := m.pool.Query(ctx, `SELECT status::text, job_type::text, count(*), min(created_at)
		FROM jobs GROUP BY status, job_type ORDER BY status, job_type`)
	if err != nil {
		return nil, databaseError("count the jobs", err)
	}
	counts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Count, error) {
		var c Count
		var oldest *time.Time
		err := row.Scan(&c.Status, &c.Type, &c.Jobs, &oldest)
		if oldest != nil {
			c.Oldest = *oldest
		}
		return c, err
	})
	return counts, databaseError("count the jobs", err)
}
