package breakercmd

import (
	"context"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/queue"
)

// connectGrace is how long PostgreSQL may keep a command waiting whose main thing
// is in Redis.
const connectGrace = 3 * time.Second

// jobs are the counts that matter beside the breaker.
type jobs struct {
	Pending    int64 `json:"pending"`
	Processing int64 `json:"processing"`
	Paused     int64 `json:"paused"`
}

func (j jobs) active() int64 { return j.Pending + j.Processing }

// countJobs reads the jobs; its error says what is wrong with PostgreSQL.
func countJobs(ctx context.Context, f *cmdutil.Factory, b *breaker.Breaker) (*jobs, error) {
	dial, cancel := context.WithTimeout(ctx, connectGrace)
	defer cancel()
	pool, err := f.Postgres(dial)
	if err != nil {
		return nil, err
	}
	m, err := queue.New(pool, b, queue.Settings{})
	if err != nil {
		return nil, err
	}
	counts, err := m.Counts(ctx)
	if err != nil {
		return nil, cmdutil.Explain(err)
	}
	return &jobs{counts.Of(queue.Pending), counts.Of(queue.Processing), counts.Of(queue.Paused)}, nil
}
