package queuecmd_test

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// record keeps every state of the outbox, for explain.
func (c *chaos) record() {
	c.exec(`CREATE TABLE worker_log.outbox AS SELECT * FROM leadgenctl.outbox`)
	c.exec(`CREATE FUNCTION worker_log.keep_outbox() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO worker_log.outbox SELECT (NEW).*; RETURN NULL; END'`)
	c.exec(`CREATE TRIGGER keep AFTER INSERT OR UPDATE ON leadgenctl.outbox FOR EACH ROW EXECUTE FUNCTION worker_log.keep_outbox()`)
}

// doubledJobs are the jobs that did not run exactly once.
const doubledJobs = `(SELECT j.id FROM jobs AS j LEFT JOIN worker_log.executions AS e ON e.job_id = j.id GROUP BY j.id HAVING count(e.id) <> 1 LIMIT 10)`

// explain tells what happened to the jobs that did not run exactly once: how they ran,
// what the outbox held of them and when, and what the broker remembers of their tasks.
func (c *chaos) explain() {
	ctx := context.Background()
	var tasks []string
	for _, sql := range []string{
		`SELECT format('transition %s: %s at %s, applied %s', epoch, state, at, applied_at) FROM leadgenctl.breaker_transitions ORDER BY epoch`,
		`SELECT format('pause of epoch %s at %s: %s jobs', epoch, paused_at, jobs) FROM leadgenctl.job_pauses ORDER BY paused_at`,
		`SELECT DISTINCT format('outbox %s, made %s, sealed %s, published %s: job %s, %s -> %s', o.id, o.created_at, o.sealed_at, o.published_at, u.job, u.old, u.task)
			FROM worker_log.outbox AS o, unnest(o.job_ids, o.task_ids, o.old_task_ids) AS u (job, task, old) WHERE u.job IN ` + doubledJobs + ` ORDER BY 1`,
		`SELECT format('job %s ran at %s as %s', job_id, started_at, task_id) FROM worker_log.executions WHERE job_id IN ` + doubledJobs + ` ORDER BY started_at`,
		`SELECT DISTINCT task_id::text FROM worker_log.executions WHERE job_id IN ` + doubledJobs,
	} {
		rows, err := c.db.Pool.Query(ctx, sql)
		if err != nil {
			c.t.Error(err)
			return
		}
		if tasks, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			c.t.Error(err)
			return
		}
		c.t.Log(strings.Join(tasks, "\n"))
	}
	c.remembered(ctx, tasks)
}

// remembered tells what the broker kept of tasks, and what became of them in batches.
func (c *chaos) remembered(ctx context.Context, tasks []string) {
	keys, err := c.messages.Keys(ctx, "leadgenctl:*").Result()
	if err != nil {
		c.t.Error(err)
	}
	for _, k := range keys {
		for _, task := range tasks {
			if out, err := c.messages.HGet(ctx, k, task).Result(); err == nil {
				c.t.Logf("%s in %s: %s", task, k, out)
			}
			kept, _ := c.messages.LRange(ctx, k, 0, -1).Result() // of those keys that are lists
			for _, m := range kept {
				if strings.Contains(m, task) {
					c.t.Logf("%s in %s: %s", task, k, m)
				}
			}
		}
	}
}
