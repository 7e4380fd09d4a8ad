package enumdrop

import (
	"context"
	"fmt"
	"time"
)

// lookEvery is how often the back-fill looks at the load and the replicas.
const lookEvery = 500 * time.Millisecond

// throttle waits while a replica is behind or too many sessions are at work.
func (d *Dropper) throttle(ctx context.Context) error {
	for {
		var lag float64
		var active int
		err := d.pool.QueryRow(ctx, `SELECT coalesce((SELECT extract(epoch FROM max(replay_lag)) FROM pg_stat_replication), 0)::float8,
			(SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid())`).Scan(&lag, &active)
		if err != nil {
			return fmt.Errorf("look at the load: %w", err)
		}
		if (d.s.MaxLag < 0 || lag <= d.s.MaxLag.Seconds()) && (d.s.MaxLoad == 0 || active <= d.s.MaxLoad) {
			return nil
		}
		if err := pause(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// canThrottle refuses a limit that this role cannot watch: PostgreSQL shows the state
// of others' sessions and the lag of replicas as NULL to those who may not see them.
func (d *Dropper) canThrottle(ctx context.Context) error {
	var sees, replicas bool
	err := d.pool.QueryRow(ctx, `SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'), EXISTS (SELECT FROM pg_stat_replication)`).Scan(&sees, &replicas)
	if err != nil {
		return fmt.Errorf("look whether the load can be seen: %w", err)
	}
	const grant = "GRANT pg_monitor to it, or lift the limit with "
	switch {
	case sees:
		return nil
	case d.s.MaxLoad > 0:
		return &RefusedError{Reason: "this role cannot see how many sessions are active, so that the limit of them would never hold", Hint: grant + "--max-load 0"}
	case d.s.MaxLag >= 0 && replicas:
		return &RefusedError{Reason: "this role cannot see how far the replicas are behind, so that the limit of it would never hold", Hint: grant + "--max-lag 0"}
	}
	return nil
}
