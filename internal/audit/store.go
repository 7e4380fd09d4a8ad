package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

// Run is one audit, as it is kept in leadgenctl.audit_runs.
type Run struct {
	ID         int64     `json:"id"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	Host       string    `json:"host"`
	Findings   int64     `json:"findings"` // checks that failed
	Errors     int64     `json:"errors"`   // checks that could not run
}

// ErrNoRun says that there is no audit with that number.
var ErrNoRun = errors.New("there is no such audit")

const runColumns = "id, started_at, finished_at, host, findings, errors"

// patience bounds what is read for people: a server that is frozen does not answer at all.
const patience = 30 * time.Second

// History returns the last runs, newest first.
func History(ctx context.Context, pool *pgxpool.Pool, limit int) ([]Run, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rows, err := pool.Query(ctx, "SELECT "+runColumns+" FROM leadgenctl.audit_runs ORDER BY id DESC LIMIT $1", limit)
	if err != nil {
		return nil, fmt.Errorf("read the audits: %w", err)
	}
	runs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Run])
	if err != nil {
		return nil, fmt.Errorf("read the audits: %w", err)
	}
	return runs, nil
}

// Load returns one run with its report.
func Load(ctx context.Context, pool *pgxpool.Pool, id int64) (Run, *consistency.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var run Run
	var report consistency.Report
	var data, rows string
	err := pool.QueryRow(ctx, "SELECT "+runColumns+", report::text, coalesce(subjects, '{}')::text FROM leadgenctl.audit_runs WHERE id = $1", id).
		Scan(&run.ID, &run.StartedAt, &run.FinishedAt, &run.Host, &run.Findings, &run.Errors, &data, &rows)
	if errors.Is(err, pgx.ErrNoRows) {
		return run, nil, fmt.Errorf("audit %d: %w", id, ErrNoRun)
	}
	if err == nil {
		err = json.Unmarshal([]byte(data), &report)
	}
	subjects := map[string][]string{}
	if err == nil {
		err = json.Unmarshal([]byte(rows), &subjects)
	}
	if err != nil {
		return run, nil, fmt.Errorf("read audit %d: %w", id, err)
	}
	for i := range report.Checks {
		for _, s := range subjects[report.Checks[i].ID] {
			report.Checks[i].Subjects = append(report.Checks[i].Subjects, consistency.Subject{ID: s})
		}
	}
	return run, &report, nil
}

// subjectsOf are the rows that a report found and no baseline covers, as Load wants them.
func subjectsOf(r *consistency.Report) map[string][]string {
	out := map[string][]string{}
	for _, f := range findings(r) {
		if f.id != CouldNotRun && f.exact() {
			out[f.id] = f.ids(Notice{})
		}
	}
	return out
}

// Diff is what a later report has that an earlier one has not, and the other way round.
// A check that was left out of one of them, or could not run in the later, counts as neither.
func Diff(earlier, later *consistency.Report, at time.Time) []Event {
	told := map[string]Notice{}
	for _, f := range findings(earlier) {
		told[f.id] = Notice{Check: f.id, Count: f.count, Since: at, ToldAt: at, Subjects: f.ids(Notice{})}
	}
	asked := map[string]bool{CouldNotRun: true}
	for _, c := range earlier.Checks {
		asked[c.ID] = c.Status != consistency.Skip
	}
	return slices.DeleteFunc(events(later, told, 0, at), func(e Event) bool { return e.Kind != Resolved && !asked[e.Check] })
}

// lockKey is the advisory lock of an audit: "leadgena" in ASCII.
const lockKey = 0x6c65616467656e61

// lock takes the audit's lock for as long as the transaction that it returns; held says
// who else has it. A transaction works through a pooler, too, and an idle one holds back
// no vacuum.
func lock(ctx context.Context, pool *pgxpool.Pool, patience time.Duration) (release func(), held string, err error) {
	whole := context.WithoutCancel(ctx)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tx, err := pool.Begin(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("lock the audit: %w", err)
	}
	release = func() {
		ctx, cancel := context.WithTimeout(whole, patience)
		defer cancel()
		_ = tx.Rollback(ctx)
	}
	var got bool
	err = tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1) FROM set_config('idle_in_transaction_session_timeout', '0', true)", int64(lockKey)).Scan(&got)
	if err == nil && !got {
		err = tx.QueryRow(ctx, `SELECT coalesce((SELECT format('process %s of %s at %s', a.pid, a.usename, coalesce(host(a.client_addr), 'this host'))
			FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
			WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
				AND l.classid = ($1::bigint >> 32)::bigint::oid AND l.objid = ($1::bigint & 4294967295)::oid LIMIT 1), 'another process')`, int64(lockKey)).Scan(&held)
	}
	if err != nil || !got {
		release()
		if err != nil {
			err = fmt.Errorf("lock the audit: %w", err)
		}
		return nil, held, err
	}
	return release, "", nil
}

// keepSubjects is how long runs can be compared row by row; older ones by their counts.
const keepSubjects = 7 * 24 * time.Hour

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// save writes the run and the ledger in one transaction, and forgets runs older than keep.
func (l *ledger) save(ctx context.Context, pool *pgxpool.Pool, run *Run, report *consistency.Report, keep time.Duration) error {
	data, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("keep the audit: %w", err)
	}
	subjects, err := json.Marshal(subjectsOf(report))
	if err != nil {
		return fmt.Errorf("keep the audit: %w", err)
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO leadgenctl.audit_runs (started_at, finished_at, host, findings, errors, report, subjects)
			VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7::text::jsonb) RETURNING id`,
			run.StartedAt, run.FinishedAt, run.Host, run.Findings, run.Errors, string(data), string(subjects)).Scan(&run.ID)
		if err != nil {
			return err
		}
		var b pgx.Batch
		b.Queue("DELETE FROM leadgenctl.audit_runs WHERE started_at < $1", run.FinishedAt.Add(-keep))
		b.Queue("UPDATE leadgenctl.audit_runs SET subjects = NULL WHERE subjects IS NOT NULL AND started_at < $1", run.FinishedAt.Add(-keepSubjects))
		b.Queue("DELETE FROM leadgenctl.audit_notices")
		for _, n := range l.all() {
			b.Queue("INSERT INTO leadgenctl.audit_notices (channel, check_id, count, since, told_at, subjects, seen) VALUES ($1, $2, $3, $4, $5, coalesce($6::text[], '{}'), $7)",
				n.Channel, n.Check, n.Count, n.Since, n.ToldAt, n.Subjects, timeOrNull(n.Seen))
		}
		return tx.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return fmt.Errorf("keep the audit: %w", err)
	}
	return nil
}

// lastSuccess is when an audit last ended in which every check could run; zero for never.
// One in the future, of a clock that was ahead, would hide for long that none succeeds.
func lastSuccess(ctx context.Context, pool *pgxpool.Pool) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var at *time.Time
	err := pool.QueryRow(ctx, "SELECT max(finished_at) FROM leadgenctl.audit_runs WHERE errors = 0 AND finished_at <= now()").Scan(&at)
	if err != nil || at == nil {
		return time.Time{}, err
	}
	return *at, nil
}
