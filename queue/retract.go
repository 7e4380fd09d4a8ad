package queue

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// staleSQL finds sealed batches with jobs that were paused, or got another task, since:
// a relay that is slow, or has lost PostgreSQL, may be about to publish them.
const staleSQL = `SELECT o.id, o.batch::text FROM leadgenctl.outbox AS o
	WHERE o.published_at IS NULL AND o.sealed_at IS NOT NULL AND (o.job_ids = '{}' OR EXISTS (
		SELECT FROM unnest(o.job_ids, o.task_ids) AS u (job, task) JOIN jobs AS j ON j.id = u.job
		WHERE j.status = 'PAUSED' OR j.task_id IS DISTINCT FROM u.task::text))`

type staleBatch struct {
	ID    int64
	Batch string
}

// retract takes sealed batches back that are overtaken: at the broker first, so that
// each of their tasks is there by now or never will be; then what is left of them is
// decided anew, as batches that nobody has seen. It waits for a relay that works on one.
func (m *Manager) retract(ctx context.Context) error {
	rows, err := m.pool.Query(ctx, staleSQL)
	if err != nil {
		return databaseError("look for batches that were overtaken", err)
	}
	stale, err := pgx.CollectRows(rows, pgx.RowToStructByPos[staleBatch])
	if err != nil || len(stale) == 0 {
		return databaseError("look for batches that were overtaken", err)
	}
	var batches []string
	var b pgx.Batch
	for _, s := range stale {
		batches = append(batches, s.Batch)
		b.Queue(`UPDATE leadgenctl.outbox SET batch = gen_random_uuid(), sealed_at = NULL, replaces = NULL, retracted = true
			WHERE id = $1 AND batch = $2::text::uuid AND published_at IS NULL`, s.ID, s.Batch)
	}
	b.Queue(`DELETE FROM leadgenctl.outbox WHERE job_ids = '{}' AND sealed_at IS NULL`)
	if _, err := patiently(ctx, m, func() (struct{}, error) {
		return struct{}{}, brokerError("retract batches", m.settings.Broker.Retract(ctx, batches))
	}); err != nil {
		return err
	}
	m.settings.Step("queue.dispatch.retracted")
	return databaseError("take batches back that were overtaken", m.pool.SendBatch(ctx, &b).Close())
}
