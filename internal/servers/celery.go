package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/uuid"
)

// CeleryOptions are the settings of a real Celery worker that runs the platform's
// tasks (testdata/celery/leadgen_worker.py). Zero values are the worker's defaults.
type CeleryOptions struct {
	BrokerURL     string   // redis:// or amqp://
	DatabaseURL   string   // where the jobs are; needs worker_log.executions
	BreakerURL    string   // Redis with the global breaker; "" means that the worker never looks at it
	ResultBackend string   // default: the broker where that is Redis, else none
	TaskSeconds   float64  // how long the work of each task takes
	Queues        []string // default: celery
	Concurrency   int      // default: 2
	Pool          string   // prefork (default), solo or threads
	Hostname      string   // node name, "name@host"; default: unique
	Args          []string // further words for `celery worker`
	Env           []string // further "NAME=value"
}

// CeleryWorker is a running worker with its child processes.
type CeleryWorker struct {
	Name string // its node name
	*process
}

// StartCeleryWorker starts a worker and waits until it consumes. Its log and
// state go below dir.
func StartCeleryWorker(ctx context.Context, dir string, o CeleryOptions) (*CeleryWorker, error) {
	python, err := Python()
	if err != nil {
		return nil, err
	}
	if o.Hostname == "" {
		o.Hostname = "w" + uuid.NewString()[:8] + "@localhost"
	}
	if o.Concurrency == 0 {
		o.Concurrency = 2
	}
	home := filepath.Join(dir, "celery-"+strings.ReplaceAll(o.Hostname, "@", "-"))
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of the Celery worker: %w", err)
	}
	ready := filepath.Join(home, "ready")
	args := []string{"-m", "celery", "-A", "leadgen_worker", "worker", "--hostname", o.Hostname, "--loglevel", "INFO",
		"--concurrency", strconv.Itoa(o.Concurrency), "--pool", orElse(o.Pool, "prefork"),
		"--queues", orElse(strings.Join(o.Queues, ","), "celery")}
	cmd := exec.Command(python, append(args, o.Args...)...)
	cmd.Env = append(celeryEnv(o), "LEADGEN_READY_FILE="+ready)
	w := &CeleryWorker{Name: o.Hostname}
	if w.process, err = start(home, "celery", cmd, "TERM"); err != nil {
		return nil, err
	}
	return w, w.ready(ctx, func(context.Context) error { _, err := os.Stat(ready); return err })
}

// Stop ends the worker after the tasks that it runs (Celery's warm shutdown).
func (w *CeleryWorker) Stop() { w.stop(syscall.SIGTERM) }

// Kill ends the worker and its children as kill -9 does.
func (w *CeleryWorker) Kill() { w.kill() }

// CeleryCommand is a Python program that can `import leadgen_worker` and call its
// tasks' delay(), as the platform's API does.
func CeleryCommand(ctx context.Context, o CeleryOptions, code string) (*exec.Cmd, error) {
	python, err := Python()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, python, "-c", code)
	cmd.Env = celeryEnv(o)
	return cmd, nil
}

func celeryEnv(o CeleryOptions) []string {
	env := append(os.Environ(),
		"PYTHONPATH="+filepath.Join(projectRoot(), "testdata", "celery"), "PYTHONDONTWRITEBYTECODE=1", "C_FORCE_ROOT=1",
		"CELERY_BROKER_URL="+o.BrokerURL, "CELERY_RESULT_BACKEND="+o.ResultBackend, "DATABASE_URL="+o.DatabaseURL,
		"LEADGEN_BREAKER_URL="+o.BreakerURL, fmt.Sprintf("LEADGEN_TASK_SECONDS=%g", o.TaskSeconds))
	if len(o.Queues) > 0 {
		env = append(env, "LEADGEN_QUEUE="+o.Queues[0])
	}
	return append(env, o.Env...)
}

// Python finds an interpreter with Celery and psycopg2: that of the system's
// packages, or the one that scripts/setup made.
func Python() (string, error) {
	for _, p := range []string{filepath.Join(projectRoot(), ".tools", "venv", "bin", "python3"), "/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import celery, psycopg2, redis").Run() == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("no Python with celery, redis and psycopg2; run: scripts/setup")
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
