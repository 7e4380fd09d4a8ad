package celery_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
)

// stopped stops a worker as SIGSTOP does, with all its processes, and lets it go on at
// the end of the test.
func stopped(t *testing.T, w *servers.CeleryWorker) (resume func()) {
	t.Helper()
	signal := func(s syscall.Signal) {
		if err := syscall.Kill(-w.Pid(), s); err != nil {
			t.Errorf("signal the worker: %v", err)
		}
	}
	signal(syscall.SIGSTOP)
	done := false
	resume = func() {
		if !done {
			done = true
			signal(syscall.SIGCONT)
		}
	}
	t.Cleanup(resume)
	return resume
}

// Two workers run a job each, and one of them is stopped: what it runs is unknown, and
// gets no second task, on either broker. When it answers again, all is known.
func TestWhatASilentWorkerRunsIsNotDoubled(t *testing.T) {
	t.Parallel()
	for _, broker := range []string{"Redis", "RabbitMQ"} {
		t.Run(broker, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, queue.Settings{RetryDelay: 20 * time.Millisecond})
			url := p.redis.URL(0)
			if broker == "RabbitMQ" {
				url = testenv.NewVHost(t)
				p.queue = p.with(t, queue.Settings{Broker: newRabbit(t, url), RetryDelay: 20 * time.Millisecond})
			}
			p.pending(t, 2)
			o := servers.CeleryOptions{TaskSeconds: 10, Concurrency: 1}
			testenv.StartCeleryWorker(t, url, p.db.URL, o)
			silent := testenv.StartCeleryWorker(t, url, p.db.URL, o)
			p.queueOldOn(t, url, "true")
			testenv.Eventually(t, time.Minute, func() error {
				return p.db.Expect("SELECT count(*) = 2 FROM jobs WHERE status = 'PROCESSING'")
			})
			resume := stopped(t, silent)
			p.open(t)
			r, err := p.queue.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{})
			if !errors.Is(err, queue.ErrUnknownHolder) || r.JobsStillRunning != 1 || r.JobsUnknown != 1 || r.TasksCreated != 0 {
				t.Errorf("while it is silent: %+v, %v", r, err)
			}
			if r, err := p.queue.Reconcile(t.Context()); !errors.Is(err, queue.ErrUnknownHolder) || r.JobsUnknown != 1 {
				t.Errorf("once more: %+v, %v", r, err)
			}
			resume()
			testenv.Eventually(t, time.Minute, func() error {
				if r, err := p.queue.Reconcile(t.Context()); err != nil || r.OutboxPending != 0 {
					return errors.Join(errors.New("it is still not known"), err)
				}
				return nil
			})
			testenv.Eventually(t, time.Minute, func() error { return p.db.Expect("SELECT bool_and(status = 'COMPLETED') FROM jobs") })
			if err := p.db.Expect("SELECT count(*) = 2 AND count(DISTINCT job_id) = 2 FROM worker_log.executions"); err != nil {
				t.Error(err)
			}
		})
	}
}

// Who says that a silent worker is dead gets its tasks anew.
func TestAssumeDeadDecides(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{RetryDelay: 20 * time.Millisecond})
	p.pending(t, 1)
	w := p.worker(t, servers.CeleryOptions{TaskSeconds: 60, Concurrency: 1})
	p.queueOld(t, "true")
	testenv.Eventually(t, time.Minute, func() error { return p.db.Expect("SELECT count(*) = 1 FROM jobs WHERE status = 'PROCESSING'") })
	stopped(t, w)
	p.open(t)
	if r, err := p.queue.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{AssumeDead: true}); err != nil || r.TasksCreated != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// On RabbitMQ a message that a dead worker had reserved is back on its queue, which
// cannot be read: it is not made anew, and runs once.
func TestAReservedMessageThatWentBackIsNotDoubled(t *testing.T) {
	t.Parallel()
	url := testenv.NewVHost(t)
	p := newPlatform(t, queue.Settings{Broker: newRabbit(t, url), RetryDelay: 20 * time.Millisecond})
	p.pending(t, 2)
	first := testenv.StartCeleryWorker(t, url, p.db.URL, servers.CeleryOptions{TaskSeconds: 60, Concurrency: 1})
	p.queueOldOn(t, url, "true")
	testenv.Eventually(t, time.Minute, func() error {
		if err := p.db.Expect("SELECT count(*) = 1 FROM jobs WHERE status = 'PROCESSING'"); err != nil {
			return err
		}
		a, err := newRabbit(t, url).Ask(t.Context())
		if err != nil || len(a.Workers) != 1 || len(a.Workers[0].Active) != 1 || len(a.Workers[0].Reserved) == 0 {
			return errors.Join(errors.New("the second message is not reserved"), err)
		}
		return nil
	})
	p.open(t)
	if r := p.close(t); r.JobsStillRunning != 2 || r.TasksCreated != 0 {
		t.Fatalf("%+v", r)
	}
	first.Kill()
	testenv.Eventually(t, time.Minute, func() error {
		if n, _, err := newRabbit(t, url).Depth(t.Context()); err != nil || n != 1 {
			return errors.Join(errors.New("the message is not back"), err)
		}
		return nil
	})
	if r, err := p.queue.Reconcile(t.Context()); err != nil || lost(r) != 0 || r.TasksCreated != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	testenv.StartCeleryWorker(t, url, p.db.URL, servers.CeleryOptions{})
	testenv.Eventually(t, time.Minute, func() error {
		_, err := p.queue.Reconcile(t.Context()) // and what the dead worker ran is made anew, now that the queue is empty
		return errors.Join(err, p.db.Expect("SELECT bool_and(status = 'COMPLETED') FROM jobs"))
	})
	if err := p.db.Expect("SELECT count(*) = 1 FROM worker_log.executions AS e JOIN jobs AS j ON j.id = e.job_id WHERE j.id = (SELECT max(id) FROM jobs)"); err != nil {
		t.Error(err)
	}
}
