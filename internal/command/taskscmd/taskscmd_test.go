package taskscmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// What is taken out comes back to the byte, except where it would run a job twice or
// crash a worker.
func TestTakeOutAndRestore(t *testing.T) {
	t.Parallel()
	server, db := testenv.StartRedis(t), testenv.NewDatabase(t)
	o, err := redis.ParseURL(server.URL(0))
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	broker, err := celery.NewRedis(c, celery.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := db.NewCampaign(t, "RUNNING")
	var tasks []queue.Task
	for id, status := range map[int]string{1: "PENDING", 2: "PENDING", 3: "COMPLETED"} {
		task := queue.Task{ID: "task-" + string(rune('0'+id)), Name: "process_job_task", Kwargs: []queue.Kwarg{{Name: "job_id", Value: 9000 + id}}}
		tasks = append(tasks, task)
		if _, err := db.Pool.Exec(t.Context(), `INSERT INTO jobs (id, task_id, name, status, campaign_id) VALUES ($1, $2, 'job', $3::jobstatus, $4)`,
			9000+id, task.ID, status, f.CampaignID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := broker.Publish(t.Context(), "b", tasks); err != nil {
		t.Fatal(err)
	}
	c.LPush(t.Context(), "celery", `{"body": "W10="}`)
	before := c.LRange(t.Context(), "celery", 0, -1).Val()

	run := func(code int, args ...string) map[string]any {
		t.Helper()
		cmd := exec.Command(testenv.Binary(t), append(args, "-o", "json")...)
		cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "LEADGENCTL_REDIS_URL=" + server.URL(0),
			"LEADGENCTL_BROKER_URL=" + server.URL(0), "LEADGENCTL_DATABASE_URL=" + db.URL}
		out, err := cmd.Output()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Fatalf("%v: exit code %d, want %d: %v %s", args, got, code, err, out)
		}
		v := map[string]any{}
		_ = json.Unmarshal(out, &v)
		return v
	}
	if v := run(0, "tasks", "ls"); v["total"] != 4.0 {
		t.Fatalf("ls: %v", v)
	}
	run(0, "tasks", "find", "9001")
	run(0, "tasks", "show", "task-1")
	run(1, "tasks", "find", "nowhere")
	run(0, "tasks", "withdraw", "9001", "--dry-run")
	run(2, "tasks", "withdraw", "9001") // no terminal to ask on
	poison := run(0, "tasks", "quarantine", "--yes")
	if poison["messages"] != 1.0 {
		t.Fatalf("quarantine: %v", poison)
	}
	taken := run(0, "tasks", "withdraw", "9001", "task-2", "9003", "--yes")
	if n := c.LLen(t.Context(), "celery").Val(); taken["messages"] != 3.0 || n != 0 {
		t.Fatalf("withdraw: %v, %d left", taken, n)
	}
	// Job 2 has another task by now.
	if _, err := db.Pool.Exec(t.Context(), `UPDATE jobs SET task_id = 'other' WHERE id = 9002`); err != nil {
		t.Fatal(err)
	}
	if v := run(0, "tasks", "restore", taken["batch"].(string), "--yes"); v["restored"] != 1.0 {
		t.Fatalf("restore: %v", v)
	}
	if v := run(0, "tasks", "restore", taken["batch"].(string), "--yes", "--force"); v["restored"] != 2.0 {
		t.Fatalf("restore --force: %v", v)
	}
	if v := run(0, "tasks", "restore", poison["batch"].(string), "--yes"); v["restored"] != 0.0 {
		t.Fatalf("restored poison: %v", v)
	}
	run(0, "tasks", "restore", poison["batch"].(string), "--yes", "--force")
	after := c.LRange(t.Context(), "celery", 0, -1).Val()
	slices.Sort(before)
	slices.Sort(after)
	if !slices.Equal(before, after) {
		t.Fatalf("not the same bytes:\n%q\n%q", before, after)
	}
}

// On RabbitMQ what workers have is told; what would need to see a queue is refused.
func TestTasksOnRabbitMQ(t *testing.T) {
	t.Parallel()
	url, db, server := testenv.NewVHost(t), testenv.NewDatabase(t), testenv.StartRedis(t)
	testenv.StartCeleryWorker(t, url, db.URL, servers.CeleryOptions{TaskSeconds: 60, Concurrency: 1})
	f := db.NewCampaign(t, "RUNNING", testenv.Job{TaskID: "1e0e8e2c-0000-4000-8000-000000000001"})
	testenv.RunCelery(t, url, db.URL, fmt.Sprintf(`
import leadgen_worker as w
w.process_job_task.apply_async(kwargs=dict(job_id=%d, job_type="FETCH_LEADS", campaign_id="c"), task_id="1e0e8e2c-0000-4000-8000-000000000001")
`, f.JobIDs[0]))
	cli := testenv.NewCLI(t, db.URL, server.URL(0))
	cli.Env = append(cli.Env, "LEADGENCTL_BROKER_URL="+url)
	testenv.Eventually(t, time.Minute, func() error {
		if o := cli.Run("tasks", "ls"); o.Code != 0 || !strings.Contains(o.Stdout, "running") || !strings.Contains(o.Stderr, "cannot show what is queued") {
			return fmt.Errorf("exit %d: %s%s", o.Code, o.Stdout, o.Stderr)
		}
		return nil
	})
	if o := cli.Expect(0, "tasks", "find", strconv.FormatInt(f.JobIDs[0], 10)); !strings.Contains(o.Stdout, "process_job_task") {
		t.Errorf("%+v", o)
	}
	cli.Expect(4, "tasks", "withdraw", "1e0e8e2c-0000-4000-8000-000000000001", "--yes")
}
