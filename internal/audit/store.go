package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// History returns the last runs, newest first.
func History(ctx context.Context, pool *pgxpool.Pool, limit int) ([]Run, error) {
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
	var run Run
	var report consistency.Report
	var data string
	err := pool.QueryRow(ctx, "SELECT "+runColumns+", report::text FROM leadgenctl.audit_runs WHERE id = $1", id).
		Scan(&run.ID, &run.StartedAt, &run.FinishedAt, &run.Host, &run.Findings, &run.Errors, &data)
	if errors.Is(err, pgx.ErrNoRows) {
		return run, nil, fmt.Errorf("audit %d: %w", id, ErrNoRun)
	}
	if err == nil {
		err = json.Unmarshal([]byte(data), &report)
	}
	if err != nil {
		return run, nil, fmt.Errorf("read audit %d: %w", id, err)
	}
	return run, &report, nil
}

// Diff is what a later report has that an earlier one has not, and the other way round.
// A check that could not run in the later one counts as neither.
func Diff(earlier, later *consistency.Report, at time.Time) []Event {
	told := map[string]Notice{}
	for _, f := range findings(earlier) {
		told[f.id] = Notice{Check: f.id, Count: f.count, Since: at, ToldAt: at}
	}
	return events(later, told, 0, at)
}

// lockKey is the advisory lock of an audit: "leadgena" in ASCII.
const lockKey = 0x6c65616467656e61

// lock takes the audit's lock for as long as the transaction that it returns; held says
// who else has it. A transaction works through a pooler, too, and an idle one holds back
// no vacuum.
func lock(ctx context.Context, pool *pgxpool.Pool) (release func(), held string, err error) {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("lock the audit: %w", err)
	}
	release = func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }
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

// ledger is what the channels were told, and where that is kept.
type ledger struct {
	notices map[string]map[string]Notice // by channel and check; check "" is the channel's last message
}

func (l *ledger) add(n Notice) {
	if l.notices == nil {
		l.notices = map[string]map[string]Notice{}
	}
	if l.notices[n.Channel] == nil {
		l.notices[n.Channel] = map[string]Notice{}
	}
	l.notices[n.Channel][n.Check] = n
}

func (l *ledger) remove(channel, check string) { delete(l.notices[channel], check) }

// all are the notices in order.
func (l *ledger) all() []Notice {
	out := []Notice{}
	for _, byCheck := range l.notices {
		out = append(out, slices.Collect(maps.Values(byCheck))...)
	}
	slices.SortFunc(out, func(a, b Notice) int {
		return cmp.Or(strings.Compare(a.Channel, b.Channel), strings.Compare(a.Check, b.Check))
	})
	return out
}

// told are the notices of a channel by check.
func (l *ledger) told(channel string) map[string]Notice {
	out := map[string]Notice{}
	for id, n := range l.notices[channel] {
		if id != "" {
			out[id] = n
		}
	}
	return out
}

func (l *ledger) load(ctx context.Context, pool *pgxpool.Pool) error {
	rows, err := pool.Query(ctx, "SELECT channel, check_id, count, since, told_at FROM leadgenctl.audit_notices")
	if err != nil {
		return fmt.Errorf("read what was told: %w", err)
	}
	var n Notice
	_, err = pgx.ForEachRow(rows, []any{&n.Channel, &n.Check, &n.Count, &n.Since, &n.ToldAt}, func() error {
		l.add(n)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read what was told: %w", err)
	}
	return nil
}

// save writes the run and the ledger in one transaction, and forgets runs older than keep.
func (l *ledger) save(ctx context.Context, pool *pgxpool.Pool, run *Run, report *consistency.Report, keep time.Duration) error {
	data, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("keep the audit: %w", err)
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO leadgenctl.audit_runs (started_at, finished_at, host, findings, errors, report)
			VALUES ($1, $2, $3, $4, $5, $6::text::jsonb) RETURNING id`, run.StartedAt, run.FinishedAt, run.Host, run.Findings, run.Errors, string(data)).Scan(&run.ID)
		if err != nil {
			return err
		}
		var b pgx.Batch
		b.Queue("DELETE FROM leadgenctl.audit_runs WHERE started_at < $1", run.FinishedAt.Add(-keep))
		b.Queue("DELETE FROM leadgenctl.audit_notices")
		for _, n := range l.all() {
			b.Queue("INSERT INTO leadgenctl.audit_notices (channel, check_id, count, since, told_at) VALUES ($1, $2, $3, $4, $5)",
				n.Channel, n.Check, n.Count, n.Since, n.ToldAt)
		}
		return tx.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return fmt.Errorf("keep the audit: %w", err)
	}
	return nil
}

// lastSuccess is when an audit last ended in which every check could run; zero for never.
func lastSuccess(ctx context.Context, pool *pgxpool.Pool) (time.Time, error) {
	var at *time.Time
	err := pool.QueryRow(ctx, "SELECT max(finished_at) FROM leadgenctl.audit_runs WHERE errors = 0").Scan(&at)
	if err != nil || at == nil {
		return time.Time{}, err
	}
	return *at, nil
}
