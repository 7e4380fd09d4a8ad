package celery

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/leadgenctl/leadgenctl/queue"
)

// Ended implements queue.Inspector.
func (r *Redis) Ended(ctx context.Context, taskIDs []string) (map[string]string, error) {
	ended := map[string]string{}
	err := r.results(ctx, taskIDs, func(id, status, _ string) {
		switch status {
		case "SUCCESS", "FAILURE", "REVOKED": // celery.states.READY_STATES
			ended[id] = status
		}
	})
	return ended, err
}

// Started implements queue.Inspector: it reads the results that Celery keeps.
func (r *Redis) Started(ctx context.Context, taskIDs []string) ([]queue.Held, error) {
	var held []queue.Held
	err := r.results(ctx, taskIDs, func(id, status, worker string) {
		if status == "STARTED" {
			held = append(held, queue.Held{TaskID: id, Place: queue.PlaceRunning, Worker: worker})
		}
	})
	return held, err
}

// results calls fn with each result that is kept (celery/backends/base.py, get_result_meta).
func (r *Redis) results(ctx context.Context, taskIDs []string, fn func(id, status, worker string)) error {
	if len(taskIDs) == 0 {
		return nil
	}
	keys := make([]string, len(taskIDs))
	for i, id := range taskIDs {
		keys[i] = r.key("celery-task-meta-" + id)
	}
	values, err := r.client.MGet(ctx, keys...).Result()
	if err != nil {
		return fmt.Errorf("read the results of tasks: %w", err)
	}
	for i, v := range values {
		s, _ := v.(string)
		var meta struct {
			Status string          `json:"status"`
			Result json.RawMessage `json:"result"`
		}
		if s == "" || json.Unmarshal([]byte(s), &meta) != nil {
			continue
		}
		var started struct {
			Hostname string `json:"hostname"`
		}
		_ = json.Unmarshal(meta.Result, &started) // of another kind once the task has ended
		fn(taskIDs[i], meta.Status, started.Hostname)
	}
	return nil
}
