package breakercmd

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/queue"
)

// newManager returns what keeps the jobs and their tasks in step with the breaker. A
// nil pool is a PostgreSQL that cannot be reached.
func newManager(f *cmdutil.Factory, pool *pgxpool.Pool, b *breaker.Breaker, progress func(done, total int64)) (*queue.Manager, error) {
	return f.QueueWith(pool, b, progress)
}
