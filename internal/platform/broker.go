package platform

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

type queuedJob struct {
	id                     int64
	taskID, kind, campaign string
}

// messagesOf are the jobs whose messages are still in the broker: every pending
// one, and the paused ones whose task id ends in an odd digit.
const messagesOf = `SELECT id, task_id, job_type::text, campaign_id FROM jobs
	WHERE status = 'PENDING' OR status = 'PAUSED' AND right(task_id, 1)::int % 2 = 1 ORDER BY id`

// seedBroker queues a message for each of those jobs as Celery 5.2 writes it.
func seedBroker(ctx context.Context, pipe redis.Pipeliner, databaseURL string) error {
	c, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return fmt.Errorf("connect to the new platform's database: %w", err)
	}
	defer c.Close(context.WithoutCancel(ctx))
	rows, err := c.Query(ctx, messagesOf)
	if err != nil {
		return fmt.Errorf("read the jobs to queue: %w", err)
	}
	jobs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (j queuedJob, err error) {
		return j, row.Scan(&j.id, &j.taskID, &j.kind, &j.campaign)
	})
	if err != nil {
		return fmt.Errorf("read the jobs to queue: %w", err)
	}
	pipe.SAdd(ctx, "_kombu.binding.celery", "celery\x06\x16\x06\x16celery")
	for _, j := range jobs {
		message, err := j.message()
		if err != nil {
			return fmt.Errorf("encode the message of job %d: %w", j.id, err)
		}
		pipe.LPush(ctx, "celery", message)
	}
	return nil
}

func (j queuedJob) message() ([]byte, error) {
	body := fmt.Sprintf(`[[], {"job_id": %d, "job_type": "%s", "campaign_id": "%s"}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`,
		j.id, j.kind, j.campaign)
	kwargs := fmt.Sprintf("{'job_id': %d, 'job_type': '%s', 'campaign_id': '%s'}", j.id, j.kind, j.campaign)
	return json.Marshal(map[string]any{
		"body": base64.StdEncoding.EncodeToString([]byte(body)), "content-encoding": "utf-8", "content-type": "application/json",
		"headers": map[string]any{"lang": "py", "task": "process_job_task", "id": j.taskID, "shadow": nil, "eta": nil, "expires": nil,
			"group": nil, "group_index": nil, "retries": 0, "timelimit": []any{nil, nil}, "root_id": j.taskID, "parent_id": nil,
			"argsrepr": "()", "kwargsrepr": kwargs, "origin": "gen4554@leadgen-api-1", "ignore_result": false},
		"properties": map[string]any{"correlation_id": j.taskID, "reply_to": uuid.NewString(), "delivery_mode": 2,
			"delivery_info": map[string]any{"exchange": "", "routing_key": "celery"}, "priority": 0,
			"body_encoding": "base64", "delivery_tag": uuid.NewString()},
	})
}
