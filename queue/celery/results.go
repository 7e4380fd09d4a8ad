package celery

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/leadgenctl/leadgenctl/queue"
)

// Started implements queue.Inspector: it reads the results that Celery keeps.
func (r *Redis) Started(ctx context.Context, taskIDs []string) ([]queue.Held, error) {
	if len(taskIDs) == 0 {
		return nil, nil
	}
	keys := make([]string, len(taskIDs))
	for i, id := range taskIDs {
		keys[i] = r.key("celery-task-meta-" + id)
	}
	values, err := r.client.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, fmt.Errorf("read the results of tasks: %w", err)
	}
	var held []queue.Held
	for i, v := range values {
		s, _ := v.(string)
		var meta struct {
			Status string `json:"status"`
			Result struct {
				Hostname string `json:"hostname"`
			} `json:"result"`
		}
		if s == "" || json.Unmarshal([]byte(s), &meta) != nil || meta.Status != "STARTED" {
			continue
		}
		held = append(held, queue.Held{TaskID: taskIDs[i], Place: queue.PlaceRunning, Worker: meta.Result.Hostname})
	}
	return held, nil
}
