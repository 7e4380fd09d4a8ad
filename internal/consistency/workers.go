package consistency

import (
	"context"
	"fmt"
	"hash/fnv"
)

// noWorkerCheck is LGE004.
func noWorkerCheck() *Check {
	return &Check{
		ID: "LGE004", Family: Environment, Severity: Warning, Title: "No worker takes tasks from the queue",
		Meaning: "Messages wait in a queue, and no Celery worker takes them: none listens, those that answer do not consume this queue, or they hang and nothing moves. A worker of the solo pool does not answer while it runs a task. " +
			"Where the workers may not be asked (a role that only reads), only a queue that nobody at all listens for is found; on RabbitMQ, one without a consumer.",
		Remedy: "`leadgenctl workers ls` shows who answers, and for which queues; `docker compose ps` who runs. `docker compose restart leadgen-worker-1` starts one anew; look in its log for why it ended (LGQ017 names messages that kill workers).",
		Reads:  "LLEN and LINDEX of each list of the queues; the workers' own answers (active_queues), or PUBSUB NUMSUB <db>.celery.pidbox and PUBSUB NUMPAT where they may not be asked; on RabbitMQ the queues' counts of messages and consumers",
		needs:  broker, twice: true, inspect: noWorker,
	}
}

func noWorker(_ context.Context, l *look, _ *Check) (outcome, error) {
	switch {
	case l.options.BrokerErr != nil:
		return outcome{}, l.options.BrokerErr
	case l.options.Queues == nil:
		return outcome{skip: "no broker is configured"}, nil
	case l.options.Broker == nil:
		return nobodyListens(l)
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.options.Timeout)
	defer cancel()
	waiting, err := l.options.Broker.Waiting(ctx)
	if err != nil || len(waiting) == 0 {
		return outcome{}, err
	}
	workers, err := l.crewOnce()
	if err != nil {
		return outcome{}, err
	}
	if !workers.asked {
		return nobodyListens(l)
	}
	var o outcome
	for _, w := range waiting {
		if workers.queues[w.Queue] {
			continue
		}
		o.count++
		sample, subject := fmt.Sprintf("%d messages wait in %s, and no worker takes them", w.Messages, w.Queue), w.Queue
		if workers.silent > 0 { // one that does not answer may take them all the same: then they move
			next := fnv.New64a()
			next.Write([]byte(w.Next))
			sample, subject = fmt.Sprintf("%s: %d that listen do not answer", sample, workers.silent), fmt.Sprint(w.Queue, next.Sum64())
		}
		o.samples, o.subjects = append(o.samples, sample), append(o.subjects, subject)
	}
	o.samples = o.samples[:min(len(o.samples), l.options.MaxSamples)]
	return o, nil
}

// nobodyListens is what can be told without asking the workers.
func nobodyListens(l *look) (outcome, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.options.Timeout)
	defer cancel()
	waiting, _, err := l.options.Queues.Depth(ctx)
	if err != nil || waiting == 0 {
		return outcome{}, err
	}
	listening, err := l.options.Queues.Listening(ctx)
	if err != nil || listening {
		return outcome{}, err
	}
	o := one(fmt.Sprintf("%d messages wait, and no worker listens", waiting))
	o.subjects = []string{"queues"}
	return o, nil
}
