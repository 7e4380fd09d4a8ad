package consistency

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/queue"
)

// jobs is what the checks of jobs read, so that one scan serves all.
const jobs = "jobs j"

// jobsOfCampaigns is for checks that compare the two. A missing campaign shows as a null c.id.
const jobsOfCampaigns = "jobs j LEFT JOIN campaigns c ON c.id = j.campaign_id"

// jobSample names a job.
const jobSample = `format('job %s (%s, %s) of campaign %s', j.id, j.job_type, j.status, coalesce(j.campaign_id, 'none'))`

func queueChecks() []*Check {
	return sorted(append(taskChecks(), []*Check{
		{
			ID: "LGQ001", Family: Queue, Severity: Error, Title: "Jobs are active while the breaker is open",
			Meaning: "PENDING or PROCESSING jobs while no service may be called: workers will run into the open breaker, or call a service that fails.",
			Remedy:  "Run `leadgenctl reconcile`: it pauses them as opening would have done. If new ones keep coming, a program starts jobs without asking the breaker: stop it.",
			twice:   true, needs: redisServer, table: &rowSet{from: jobs, live: true, where: "j.status IN ('PENDING', 'PROCESSING')", key: "j.id", sample: jobSample, judge: breakerIs(breaker.Open)}, fix: reconcileFix,
		},
		{
			ID: "LGQ002", Family: Queue, Severity: Error, Title: "Jobs are paused while the breaker is closed",
			Meaning: "Nobody will resume these jobs: closing has been done, and they were left, or a worker paused them afterwards.",
			Remedy:  "Run `leadgenctl reconcile`: it resumes them, each with exactly one task.",
			twice:   true, needs: redisServer, table: &rowSet{from: jobs, live: true, where: "j.status = 'PAUSED'", key: "j.id", sample: jobSample, judge: nobodyResumes}, fix: reconcileFix,
		},
		{
			ID: "LGQ003", Family: Queue, Severity: Error, Title: "Jobs have no valid campaign",
			Meaning: "campaign_id is empty, or names a campaign that does not exist. The task of such a job fails. " +
				"In a run with the checks of the broker a validated foreign key vouches for jobs that have ended, and for clean-ups; `--only LGQ003` looks at each job.",
			Remedy: "Look at the jobs named here. If their campaign was deleted by mistake, restore it from a backup; otherwise cancel them: `UPDATE jobs SET status = 'CANCELLED', error = 'no campaign', completed_at = now() WHERE id IN (…)`.",
			table:  &rowSet{from: jobsOfCampaigns, where: "c.id IS NULL", judge: withoutCampaign, key: "j.id", sample: jobSample},
		},
		{
			ID: "LGQ004", Family: Queue, Severity: Warning, Title: "Paused jobs have completed_at",
			Meaning: "A worker that found the breaker open marked the job as paused and as completed at once. Reports count it as done.",
			Remedy:  "Let it be mended (`--fix` empties completed_at), or run the same by hand: `UPDATE jobs SET completed_at = NULL WHERE status = 'PAUSED' AND completed_at IS NOT NULL`.",
			table:   &rowSet{from: jobs, live: true, where: "j.status = 'PAUSED' AND j.completed_at IS NOT NULL", key: "j.id", sample: jobSample}, fix: clearCompletedAt,
		},
		{
			ID: "LGQ005", Family: Queue, Severity: Error, Title: "Pending jobs have no task",
			Meaning: "The job waits for a Celery task that was never created: nothing will ever run it.",
			Remedy:  "Let it be mended (`--fix` gives each job one new task), or cancel the jobs that nobody needs: `UPDATE jobs SET status = 'CANCELLED', completed_at = now() WHERE id IN (…)`.",
			table: &rowSet{from: jobs, live: true, where: "j.status = 'PENDING' AND j.task_id IS NULL AND coalesce(j.updated_at, j.created_at, '-infinity') < now() - interval %s", key: "j.id", sample: jobSample,
				args: func(o *Options) []any { return []any{seconds(o.MaxPending)} }}, fix: newTasks,
		},
		{
			ID: "LGQ012", Family: Queue, Severity: Warning, Title: "Ended jobs have no completed_at",
			Meaning: "COMPLETED or FAILED without the time. Reports and clean-ups that go by time miss them.",
			Remedy:  "Let it be mended (`--fix` fills in updated_at), or run the same by hand: `UPDATE jobs SET completed_at = coalesce(updated_at, created_at, now()) WHERE status IN ('COMPLETED', 'FAILED') AND completed_at IS NULL`.",
			table:   &rowSet{from: jobs, where: "j.completed_at IS NULL AND j.status IN ('COMPLETED', 'FAILED')", key: "j.id", sample: jobSample}, fix: fillCompletedAt,
		},
		{
			ID: "LGQ013", Family: Queue, Severity: Error, Title: "New tasks are stuck in the outbox",
			Meaning: "Jobs were resumed, and their tasks have not reached the broker: it is away or full, or the program that sends them was interrupted.",
			Remedy:  "See the error named here, and whether the broker runs. Then `leadgenctl queue relay` sends what is left.",
			Reads:   outboxSQL, needs: postgres, inspect: ours("outbox", outboxSQL),
		},
		{
			ID: "LGQ014", Family: Queue, Severity: Error, Title: "Tasks could not be created",
			Meaning: "Since the last audit that told of them (or in the last 24 hours) jobs were FAILED because the broker would not take their task. A person must decide about them.",
			Remedy:  "Read the error named here and mend its cause. Then set the jobs back: `UPDATE jobs SET status = 'PAUSED' WHERE id IN (…)` and `leadgenctl reconcile`.",
			Reads:   dispatchFailuresSQL, needs: postgres, events: true, inspect: ours("dispatch_failures", dispatchFailuresSQL),
		},
		{
			ID: "LGQ015", Family: Queue, Severity: Warning, Title: "The guard of job transitions is not at work",
			Meaning: "The trigger leadgenctl_job_guard is not on jobs, never fires, or is not what leadgenctl made: illegal changes of status go unseen.",
			Remedy:  "Find out who changed it. Then `leadgenctl migrate repair`: it puts the trigger back as it was made; what the guard has recorded, and its mode, stay.",
			Reads:   queue.GuardFaultSQL(), needs: postgres, inspect: guardMissing,
		},
		{
			ID: "LGQ016", Family: Queue, Severity: Warning, Title: "The guard has recorded illegal transitions",
			Meaning: "Since the last audit that told of them (or in the last 24 hours) a program changed a job's status in a way that the rules do not allow, such as COMPLETED to PROCESSING.",
			Remedy:  "`leadgenctl queue guard` shows them with the program that did it. When no program does it any more, let the database refuse it: `leadgenctl queue guard enforce`.",
			Reads:   violationsSQL, needs: postgres, events: true, inspect: ours("job_violations", violationsSQL),
		},
	}...))
}

// sorted orders checks by id.
func sorted(checks []*Check) []*Check {
	slices.SortFunc(checks, func(a, b *Check) int { return strings.Compare(a.ID, b.ID) })
	return checks
}

const (
	outboxSQL = `SELECT id::text AS subject, format('outbox batch %s: %s jobs, waiting since %s, %s attempts: %s', id, cardinality(job_ids),
	to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), attempts, coalesce(last_error, 'no error'))
FROM leadgenctl.outbox WHERE published_at IS NULL AND (created_at < now() - interval '10 minutes' OR attempts >= 5) ORDER BY id`
	dispatchFailuresSQL = `SELECT id::text AS subject, format('job %s after %s attempts: %s', job_id, attempts, error)
FROM leadgenctl.dispatch_failures WHERE at >= $1 ORDER BY id DESC`
	violationsSQL = `SELECT id::text AS subject, format('job %s: %s to %s by %s (%s)', job_id, old_status, new_status, user_name, application_name)
FROM leadgenctl.job_violations WHERE at >= $1 ORDER BY id DESC`
)

// ours reads findings that are rows of one of our own tables, those since the last
// look where the query wants it.
func ours(table, sql string) func(context.Context, *look, *Check) (outcome, error) {
	return func(ctx context.Context, l *look, _ *Check) (outcome, error) {
		if there, err := l.installed(table); err != nil || !there {
			return outcome{skip: notInstalled}, err
		}
		var args []any
		if strings.Contains(sql, "$1") {
			args = []any{l.options.Since}
		}
		var o outcome
		err := l.query(ctx, sql+" LIMIT 100000", args, func(rows pgx.Rows) error {
			for ; rows.Next(); o.count++ {
				var id, s string
				if err := rows.Scan(&id, &s); err != nil {
					return err
				}
				if len(o.names) < max(maxRemembered, l.options.MaxSamples) {
					o.subjects, o.names = append(o.subjects, id), append(o.names, s)
				}
			}
			return rows.Err()
		})
		o.samples = o.names[:min(len(o.names), l.options.MaxSamples)]
		return o, err
	}
}

func guardMissing(ctx context.Context, l *look, _ *Check) (outcome, error) {
	if there, err := l.installed("job_guard"); err != nil || !there {
		return outcome{skip: notInstalled}, err
	}
	var fault string
	if err := l.row(ctx, queue.GuardFaultSQL(), nil, &fault); err != nil || fault == "" {
		return outcome{}, err
	}
	return one("the trigger leadgenctl_job_guard " + fault), nil
}

// nobodyResumes judges paused jobs: while the breaker is closed they are a finding, unless a
// paced resume is at work on them.
func nobodyResumes(l *look) (bool, error) {
	closed, err := breakerIs(breaker.Closed)(l)
	if err != nil || !closed {
		return false, err
	}
	at, err := l.atWork()
	return !at.Ramp, err
}

// breakerIs judges rows by the breaker: they are a finding in one of its states only.
func breakerIs(s breaker.State) func(*look) (bool, error) {
	return func(l *look) (bool, error) {
		st, err := l.breakerOnce()
		return st.State == s, err
	}
}
