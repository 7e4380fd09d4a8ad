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
	GuardMissing GuardMode = "missing" // the guard is not installed, or not at work
)

// guardChanged is the fault of a trigger that is at work and tests something else.
const guardChanged = "tests other transitions than this program knows"

// guardFaultSQL judges the trigger itself. %s is its condition as the server prints it,
// without spaces and without the casts, which name a schema where the search_path does not.
const guardFaultSQL = `SELECT CASE
	WHEN t.oid IS NULL THEN 'is missing'
	WHEN t.tgenabled = 'D' THEN 'is disabled'
	WHEN t.tgenabled = 'R' THEN 'fires for replicated changes only'
	WHEN t.tgfoid IS DISTINCT FROM to_regprocedure('leadgenctl.guard_job()') THEN 'calls another function'
	WHEN t.tgtype <> 17 OR t.tgattr::text IS DISTINCT FROM a.attnum::text THEN 'does not fire after each update of a status'
	WHEN regexp_replace(substring(pg_get_triggerdef(t.oid) FROM 'WHEN \((.*)\) EXECUTE '), '\s|::[[:alnum:]_."]+', '', 'g') IS DISTINCT FROM '%s'
		THEN '` + guardChanged + `'
	WHEN NOT EXISTS (SELECT FROM leadgenctl.job_guard) THEN 'has no mode: leadgenctl.job_guard is empty'
	ELSE '' END
FROM (VALUES (to_regclass('jobs'))) AS jobs (oid)
LEFT JOIN pg_trigger t ON t.tgrelid = jobs.oid AND t.tgname = 'leadgenctl_job_guard'
LEFT JOIN pg_attribute a ON a.attrelid = jobs.oid AND a.attname = 'status'`

// GuardFaultSQL is a query for one text: what is wrong with the guard's trigger, such as
// "is disabled"; empty for nothing. It wants the migration job_guard, and rights to read.
func GuardFaultSQL() string {
	return fmt.Sprintf(guardFaultSQL, strings.ReplaceAll(guardCondition(), "'", "''"))
}

// guardCondition renders the table of legal transitions as the trigger's WHEN clause:
// true for a transition that is not legal. The literals are of the column's own type, so
// that the test costs nanoseconds and calls no function.
func guardCondition() string {
	var legals []string
	for _, s := range Statuses {
		var next []string
		for _, n := range legal[s] {
			next = append(next, "'"+string(n)+"'")
		}
		switch len(next) {
		case 0:
			continue
		case 1:
			legals = append(legals, fmt.Sprintf("((old.status='%s')AND(new.status=%s))", s, next[0]))
		default:
			legals = append(legals, fmt.Sprintf("((old.status='%s')AND(new.status=ANY(ARRAY[%s])))", s, strings.Join(next, ",")))
		}
	}
	return "((old.status<>new.status)AND(NOT(" + strings.Join(legals, "OR") + ")))"
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
	var fault string
	err := m.pool.QueryRow(ctx, `SELECT mode, (SELECT count(*) FROM leadgenctl.job_violations), (`+GuardFaultSQL()+`) FROM leadgenctl.job_guard`).
		Scan(&g.Mode, &g.Violations, &fault)
	if errors.Is(err, pgx.ErrNoRows) {
		return g, nil
	}
	if err != nil {
		return g, databaseError("read the guard", err)
	}
	g.Current = fault == ""
	if fault != "" && fault != guardChanged {
		return GuardStatus{Mode: GuardMissing, Recent: []Violation{}}, nil
	}
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
