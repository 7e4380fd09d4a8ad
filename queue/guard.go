package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// GuardMode is what the database guard does with an illegal transition.
type GuardMode string

// The modes.
const (
	GuardObserve GuardMode = "observe" // records it and lets it pass; the default at install
	GuardEnforce GuardMode = "enforce" // refuses it; what is refused is in the server's log only
	GuardMissing GuardMode = "missing" // the guard is not installed
)

// GuardCondition renders the table of legal transitions as the WHEN clause of the
// guard's trigger: true for a transition that is not legal. The literals are of the
// column's own type, so that the test costs nanoseconds and calls no function.
func GuardCondition() string {
	var b strings.Builder
	b.WriteString("OLD.status <> NEW.status AND NOT (")
	first := true
	for _, s := range Statuses {
		next := legal[s]
		if len(next) == 0 {
			continue
		}
		if !first {
			b.WriteString(" OR")
		}
		first = false
		fmt.Fprintf(&b, "\n    OLD.status = '%s' AND NEW.status IN (", s)
		for i, n := range next {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "'%s'", n)
		}
		b.WriteString(")")
	}
	b.WriteString(")")
	return b.String()
}

// Violation is an illegal transition that the guard recorded.
type Violation struct {
	JobID           int64     `json:"job_id"`
	Old             Status    `json:"old_status"`
	New             Status    `json:"new_status"`
	ApplicationName string    `json:"application_name"`
	User            string    `json:"user"`
	At              time.Time `json:"at"`
}

// GuardStatus is the guard as it is.
type GuardStatus struct {
	Mode       GuardMode   `json:"mode"`
	Violations int64       `json:"violations"` // all that were recorded
	Recent     []Violation `json:"recent"`     // the newest, at most 20
	Current    bool        `json:"current"`    // the trigger tests the transitions that this program knows
}

// Guard reads the guard's mode and what it recorded.
func (m *Manager) Guard(ctx context.Context) (GuardStatus, error) {
	if m.pool == nil {
		return GuardStatus{}, ErrNoDatabase
	}
	g := GuardStatus{Mode: GuardMissing, Recent: []Violation{}}
	var condition string
	err := m.pool.QueryRow(ctx, `SELECT mode, condition, (SELECT count(*) FROM leadgenctl.job_violations)
		FROM leadgenctl.job_guard
		WHERE EXISTS (SELECT FROM pg_trigger WHERE tgname = 'leadgenctl_job_guard' AND tgrelid = 'jobs'::regclass AND tgenabled <> 'D')`).
		Scan(&g.Mode, &condition, &g.Violations)
	if errors.Is(err, pgx.ErrNoRows) {
		return g, nil
	}
	if err != nil {
		return g, databaseError("read the guard", err)
	}
	g.Current = condition == GuardCondition()
	rows, err := m.pool.Query(ctx, `SELECT job_id, old_status, new_status, application_name, user_name, at
		FROM leadgenctl.job_violations ORDER BY id DESC LIMIT 20`)
	if err != nil {
		return g, databaseError("read the violations", err)
	}
	g.Recent, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Violation])
	return g, databaseError("read the violations", err)
}

// SetGuard changes the guard's mode, and says whether that was a change. It locks
// no table of the app.
func (m *Manager) SetGuard(ctx context.Context, mode GuardMode) (bool, error) {
	if mode != GuardObserve && mode != GuardEnforce {
		return false, fmt.Errorf("unknown guard mode %q", mode)
	}
	if m.pool == nil {
		return false, ErrNoDatabase
	}
	tag, err := m.pool.Exec(ctx, "UPDATE leadgenctl.job_guard SET mode = $1 WHERE mode <> $1", string(mode))
	return tag.RowsAffected() > 0, databaseError("change the guard's mode", err)
}
