package consistency

import "context"

// taskChecks compare the broker's messages with the jobs. Rights to read are enough for
// them: where the workers may be asked as well, less is left in doubt.
func taskChecks() []*Check {
	return []*Check{
		{
			ID: "LGQ006", Family: Queue, Severity: Error, Title: "Pending jobs whose task is nowhere (lost tasks)",
			Meaning: "The job waits for a Celery task that is in no queue and with no worker: the broker lost it. Nothing will run the job.",
			Remedy:  "Let it be mended (`--fix` gives each job exactly one new task). Then look for the cause: a broker that was emptied, or a worker that was killed with reserved tasks.",
			needs:   broker | postgres, twice: true, Reads: brokerReads,
			inspect: surveyed(broker|postgres, func(s *survey) outcome { return s.lost }), fix: newTasks,
		},
		{
			ID: "LGQ007", Family: Queue, Severity: Error, Title: "Jobs are queued twice",
			Meaning: "Two messages in the broker run the same job, or the same task of one that names no job (enrich_lead_task): it will be worked on twice.",
			Remedy:  "Let it be mended (`--fix` withdraws all messages but one, and keeps their bytes). See who queued it again: a resume of the app beside the old message is the usual reason.",
			needs:   broker, twice: true, Reads: brokerReads,
			inspect: surveyed(broker, func(s *survey) outcome { return s.twice }), fix: withdrawDoubles,
		},
		{
			ID: "LGQ008", Family: Queue, Severity: Warning, Title: "Tasks of finished jobs are queued",
			Meaning: "A message waits whose job is COMPLETED, FAILED or CANCELLED, by its job_id, or where it names none (enrich_lead_task) by the task_id of a job: a worker will do the work again.",
			Remedy:  "If the work must not be done again, take the message out: `leadgenctl tasks withdraw <task id>`, which keeps it for `tasks restore`. Otherwise let the worker run it. Find out who queued it.",
			needs:   broker | postgres, twice: true, Reads: brokerReads,
			inspect: surveyed(broker|postgres, func(s *survey) outcome { return s.finished }),
		},
		{
			ID: "LGQ009", Family: Queue, Severity: Warning, Title: "Tasks point to no job",
			Meaning: "A message names a job_id that does not exist, or that none can have (0, or less): its task will fail. Jobs were deleted, or the broker belongs to another database.",
			Remedy:  "Look whether broker and database belong together: `leadgenctl config view`. If they do, take the messages out as LGQ008 says, or let them fail.",
			needs:   broker | postgres, twice: true, Reads: brokerReads,
			inspect: surveyed(broker|postgres, func(s *survey) outcome { return s.orphans }),
		},
		{
			ID: "LGQ010", Family: Queue, Severity: Error, Title: "Jobs are processing and nobody works on them (zombies)",
			Meaning: "The job has been PROCESSING for longer than the task's hard time limit, no message of it is in the broker, and no worker that is alive runs it: its worker died, or it is a first row that process_job_task leaves behind for an ENRICH_LEAD job. " +
				"A task whose result says STARTED is with a worker; whether that one is alive can be told only where the workers may be asked (not by a role that only reads): otherwise it is no finding.",
			Remedy: "Let it be mended: `--fix --zombies=requeue` gives each a new task, `--zombies=fail` ends them as FAILED. Choose fail when the work may have been done. It asks the workers first, and leaves alone what one of them holds, or may hold since it does not answer.",
			needs:  broker | postgres, twice: true, Reads: brokerReads + "; MGET celery-task-meta-<task id>; the workers' own answers (active, reserved, scheduled)",
			inspect: surveyed(broker|postgres, func(s *survey) outcome { return s.zombies }), fix: mendZombies,
		},
		{
			ID: "LGQ011", Family: Queue, Severity: Warning, Title: "Messages are reserved for longer than the visibility timeout",
			Meaning: "A worker fetched them and neither ran nor gave them back, and no worker has put them back into the queue: no worker is alive, or one hangs.",
			Remedy:  "Restart the workers: `docker compose restart leadgen-worker-1`. A worker that starts puts such messages back by itself.",
			needs:   broker, twice: true, Reads: brokerReads,
			inspect: surveyed(broker, func(s *survey) outcome { return s.overdue }),
		},
		{
			ID: "LGQ017", Family: Queue, Severity: Error, Title: "Messages in the queue that crash a worker or are dropped",
			Meaning: "A worker that takes such a message dies, or drops it with no more than a line in its log; some are put back and kill the next worker. Dropped are: what is not JSON, compressed in a way nobody can undo, an eta that is no date, and tasks that no worker knows. " +
				"Which tasks they know is asked of the workers; where they may not be asked, or one does not answer, no task counts as unknown.",
			Remedy: "Stop the workers, look at the message where it lies (`redis-cli LINDEX <list> <index>`), keep a copy, and take it out: `redis-cli LREM <list> 1 <message>`. Find the program that sent it; of an unknown task, the worker that should run it.",
			needs:  broker, twice: true, Reads: brokerReads + "; the workers' own answers (registered)",
			inspect: surveyed(broker, func(s *survey) outcome { return s.malformed }),
		},
		{
			ID: "LGQ018", Family: Queue, Severity: Warning, Title: "Dead reply queues are left in the broker",
			Meaning: "Answers of workers to a client that is gone. They have no time to live, and each costs memory for ever.",
			Remedy:  "Clear them with `leadgenctl tasks gc`, which leaves alone what somebody still reads.",
			needs:   broker, twice: true, Reads: brokerReads,
			inspect: surveyed(broker, func(s *survey) outcome { return s.replies }),
		},
	}
}

// brokerReads is what all of these read, once.
const brokerReads = "LRANGE of each list of the queues, HSCAN unacked, ZRANGE unacked_index, SMEMBERS _kombu.binding.reply.celery.pidbox; SELECT id, task_id, status FROM jobs"

// surveyed takes a check's finding from the look's one pass over the broker, and where it
// needs PostgreSQL from the comparison with the jobs.
func surveyed(needs store, pick func(*survey) outcome) func(context.Context, *look, *Check) (outcome, error) {
	return func(_ context.Context, l *look, _ *Check) (outcome, error) {
		if l.options.Broker == nil && l.options.BrokerErr == nil {
			return outcome{skip: "the broker is RabbitMQ, which cannot show single messages"}, nil
		}
		read := l.surveyOnce
		if needs&postgres != 0 {
			read = l.compareOnce
		}
		s, err := read()
		if err != nil {
			return outcome{}, err
		}
		return pick(s), nil
	}
}
