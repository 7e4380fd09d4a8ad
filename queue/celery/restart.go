package celery

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// restarted says that Redis has started only just now, so that its workers may not be
// back yet: they run on, and neither hear a question nor have a result any more.
func (r *Redis) restarted(ctx context.Context) (doubt string, err error) {
	if r.options.WorkersReturn <= 0 {
		return "", nil
	}
	info, err := r.client.Info(ctx, "server").Result()
	if err != nil {
		return "", fmt.Errorf("ask Redis when it started: %w", err)
	}
	for line := range strings.SplitSeq(info, "\r\n") {
		if value, ok := strings.CutPrefix(line, "uptime_in_seconds:"); ok {
			seconds, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return "", fmt.Errorf("ask Redis when it started: %w", err)
			}
			up := time.Duration(seconds) * time.Second
			if up < r.options.WorkersReturn {
				return fmt.Sprintf("the broker started %s ago, and workers that run on may take %s to come back", up, r.options.WorkersReturn), nil
			}
		}
	}
	return "", nil
}
