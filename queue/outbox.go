package queue

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// batchSize is how many jobs one row of the outbox, and one call to the broker, has.
const batchSize = 500

// batch is a row of the outbox.
type batch struct {
	id           int64
	batch        string
	epoch        int64
	jobs         []int64
	tasks        []uuid.UUID // new
	old          []string
	replaces     map[int64][]Message
	sealed       bool
	sealedBefore bool // by an earlier call
	attempts     int
	unseen       bool // the survey does not cover it

	retracted bool // it was sealed before
}

const batchColumns = `id, batch::text, epoch, job_ids, task_ids::text[], old_task_ids, coalesce(replaces, '{}'), sealed_at IS NOT NULL, retracted, attempts`

func scanBatch(row pgx.Row) (*batch, error) {
	var b batch
	var tasks []string
	err := row.Scan(&b.id, &b.batch, &b.epoch, &b.jobs, &tasks, &b.old, &b.replaces, &b.sealed, &b.retracted, &b.attempts)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	b.sealedBefore = b.sealed
	for _, t := range tasks {
		id, err := uuid.Parse(t)
		if err != nil {
			return nil, err
		}
		b.tasks = append(b.tasks, id)
	}
	return &b, err
}

// claimNext locks the next batch that is due, after the given one; nil for none.
// What another relay works on is passed over.
func claimNext(ctx context.Context, tx pgx.Tx, after int64) (*batch, error) {
	return scanBatch(tx.QueryRow(ctx, `SELECT `+batchColumns+` FROM leadgenctl.outbox
		WHERE published_at IS NULL AND id > $1 AND next_attempt_at <= clock_timestamp()
		ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`, after))
}

func claim(ctx context.Context, tx pgx.Tx, id int64) (*batch, error) {
	return scanBatch(tx.QueryRow(ctx, `SELECT `+batchColumns+` FROM leadgenctl.outbox
		WHERE published_at IS NULL AND sealed_at IS NOT NULL AND id = $1 FOR UPDATE SKIP LOCKED`, id))
}

// outboxPending counts the jobs whose task is not on the broker yet.
func outboxPending(ctx context.Context, q querier) (int64, error) {
	var n int64
	err := q.QueryRow(ctx, `SELECT coalesce(sum(cardinality(job_ids)), 0) FROM leadgenctl.outbox WHERE published_at IS NULL`).Scan(&n)
	return n, err
}

// entryRow is one job of a batch with its row as it is now.
type entryRow struct {
	jobRow
	status Status
	taskID string // jobs.task_id
	next   uuid.UUID
	old    string
}

// load reads the jobs of a batch, in its order; jobs that are gone are left out.
func (b *batch) load(ctx context.Context, tx pgx.Tx, lock bool) ([]entryRow, error) {
	sql := `SELECT j.id, j.job_type::text, j.name, j.campaign_id, l.lead_id, j.status::text, coalesce(j.task_id, ''), u.task_id::text, u.old
		FROM unnest($1::int[], $2::text[]::uuid[], $3::text[]) WITH ORDINALITY AS u (job_id, task_id, old, n)
		JOIN jobs AS j ON j.id = u.job_id
		LEFT JOIN leadgenctl.job_leads AS l ON l.job_id = j.id
		ORDER BY u.n`
	if lock {
		sql += " FOR NO KEY UPDATE OF j"
	}
	rows, err := tx.Query(ctx, sql, b.jobs, texts(b.tasks), b.old)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (entryRow, error) {
		var e entryRow
		var next string
		err := row.Scan(&e.ID, &e.Type, &e.Name, &e.CampaignID, &e.LeadID, &e.status, &e.taskID, &next, &e.old)
		if err == nil {
			e.next, err = uuid.Parse(next)
		}
		return e, err
	})
}

// keep writes what of the batch is left, and seals it; an empty one is deleted.
func (b *batch) keep(ctx context.Context, tx pgx.Tx, entries []entryRow) error {
	b.set(entries)
	if len(entries) == 0 {
		_, err := tx.Exec(ctx, "DELETE FROM leadgenctl.outbox WHERE id = $1", b.id)
		return err
	}
	replaces, err := json.Marshal(b.replaces)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE leadgenctl.outbox SET job_ids = $2::int[], task_ids = $3::text[]::uuid[], old_task_ids = $4::text[],
			replaces = $5::text::jsonb, sealed_at = now()
		WHERE id = $1`, b.id, b.jobs, texts(b.tasks), b.old, string(replaces))
	b.sealed = true
	return err
}

// texts are the ids as every query mode can send them.
func texts(ids []uuid.UUID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}

func (b *batch) set(entries []entryRow) {
	b.jobs, b.tasks, b.old = nil, nil, nil
	for _, e := range entries {
		b.jobs, b.tasks, b.old = append(b.jobs, e.ID), append(b.tasks, e.next), append(b.old, e.old)
	}
}

// putOff makes a batch of its own of entries that have to wait.
func (b *batch) putOff(ctx context.Context, tx pgx.Tx, entries []entryRow, attempts int, wait time.Duration, why string) error {
	if len(entries) == 0 {
		return nil
	}
	other := &batch{}
	other.set(entries)
	_, err := tx.Exec(ctx, `INSERT INTO leadgenctl.outbox (epoch, job_ids, task_ids, old_task_ids, attempts, next_attempt_at, last_error, retracted)
		VALUES ($1, $2::int[], $3::text[]::uuid[], $4::text[], $5, clock_timestamp() + $6::bigint * interval '1 microsecond', $7, $8)`,
		b.epoch, other.jobs, texts(other.tasks), other.old, attempts, wait.Microseconds(), why, b.retracted)
	return err
}
