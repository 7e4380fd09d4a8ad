package consistency_test

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
)

const (
	benchJobs      = 1_000_000
	benchCampaigns = 100_000
	benchMessages  = 200_000
)

// BenchmarkCatalogue runs every check over 1,000,000 jobs, 100,000 campaigns and 200,000
// messages, as the built command, beside one bare sequential scan of each table and one
// pass of LRANGE over the queue.
func BenchmarkCatalogue(b *testing.B) {
	h := newHouse(b)
	h.fillBench(b)
	binary := testenv.Binary(b)
	for range b.N {
		var bare, parallel, ours time.Duration
		var memory int64
		for range 15 { // in turns; the best of each
			d, kib := h.command(b, binary)
			if memory = max(memory, kib); ours == 0 || d < ours {
				ours = d
			}
			if d := h.bare(b, 0); bare == 0 || d < bare {
				bare = d
			}
			if d := h.bare(b, 2); parallel == 0 || d < parallel {
				parallel = d
			}
		}
		b.ReportMetric(bare.Seconds(), "bare-s")
		b.ReportMetric(ours.Seconds(), "ours-s")
		b.ReportMetric(ours.Seconds()/bare.Seconds(), "ours/bare")
		b.ReportMetric(ours.Seconds()/parallel.Seconds(), "ours/parallel")
		b.ReportMetric(float64(memory)/1024, "MiB")
	}
}

// fillBench gives each campaign ten jobs: a fifth of the campaigns run, and their jobs
// wait, each with its message in the queue.
func (h *house) fillBench(b *testing.B) {
	h.exec("DELETE FROM jobs")
	h.exec(`INSERT INTO campaigns SELECT (jsonb_populate_record(c, jsonb_build_object('id', gen_random_uuid()::text,
			'status', CASE WHEN i > $1::int - $3::int / 10 THEN 'RUNNING' ELSE 'COMPLETED' END))).*
		FROM campaigns AS c, generate_series(2, $1::int) AS i WHERE c.id = $2`, benchCampaigns, h.fixture.CampaignID, benchMessages)
	h.exec(`INSERT INTO jobs (task_id, name, description, status, campaign_id, job_type, completed_at)
		SELECT gen_random_uuid(), 'Fetch leads for campaign ' || i, repeat('d', 100), (CASE c.status WHEN 'RUNNING' THEN 'PENDING' ELSE 'COMPLETED' END)::jobstatus,
			c.id, 'FETCH_LEADS', CASE WHEN c.status <> 'RUNNING' THEN now() END
		FROM (SELECT *, row_number() OVER () AS n FROM campaigns) AS c, generate_series(1, $1::int) AS i WHERE c.n = 1 + i % $2::int`, benchJobs, benchCampaigns)
	h.exec("VACUUM (ANALYZE) jobs")
	h.exec("VACUUM (ANALYZE) campaigns")
	rows, err := h.db.Pool.Query(context.Background(), "SELECT id, task_id, campaign_id FROM jobs WHERE status = 'PENDING' ORDER BY id")
	h.must(err)
	var tasks []queue.Task
	for rows.Next() {
		var id int64
		var task, campaign string
		h.must(rows.Scan(&id, &task, &campaign))
		tasks = append(tasks, queue.Task{ID: task, Name: "process_job_task", Kwargs: []queue.Kwarg{{Name: "job_id", Value: id},
			{Name: "job_type", Value: "FETCH_LEADS"}, {Name: "campaign_id", Value: campaign}}})
	}
	h.must(rows.Err())
	for len(tasks) > 0 {
		n := min(500, len(tasks))
		_, err := h.broker.Publish(context.Background(), uuid.NewString(), tasks[:n])
		h.must(err)
		tasks = tasks[n:]
	}
	h.worker()
}

// command is a run of the built command: its time and its greatest memory in KiB.
func (h *house) command(b *testing.B, binary string) (took time.Duration, memory int64) {
	b.Helper()
	cmd := exec.Command(binary, "check-consistency", "--fail-on=never", "-o", "json")
	cmd.Env = []string{"HOME=" + b.TempDir(), "LEADGENCTL_DATABASE_URL=" + h.db.URL, "LEADGENCTL_REDIS_URL=" + h.redis.URL}
	took, memory, err := testenv.Measured(b, cmd)
	h.must(err)
	return took, memory
}

// bare scans the tables, with so many workers of PostgreSQL beside the session (a check
// has none), and reads the queue.
func (h *house) bare(b *testing.B, workers int) time.Duration {
	b.Helper()
	ctx := context.Background()
	conn, err := h.db.Pool.Acquire(ctx)
	h.must(err)
	defer conn.Release()
	_, err = conn.Exec(ctx, fmt.Sprintf("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off; SET max_parallel_workers_per_gather = %d", workers))
	h.must(err)
	start := time.Now()
	for _, table := range []string{"jobs", "campaigns", "leads", "organizations"} {
		_, err = conn.Exec(ctx, fmt.Sprintf("SELECT count(*) FROM %s", table))
		h.must(err)
	}
	for at := int64(0); ; at += 1000 {
		raws, err := h.redis.Client.LRange(ctx, "celery", at, at+999).Result()
		h.must(err)
		if len(raws) == 0 {
			return time.Since(start)
		}
	}
}
