// Package queue keeps the platform's jobs in step with the global breaker: when
// the breaker opens every active job is paused, when it closes every paused job is
// resumed and gets one Celery task.
//
// Redis holds the live state of the breaker; PostgreSQL (schema leadgenctl) holds
// the durable log of its transitions and which of them has been applied to the
// jobs. A Manager keeps the two together:
//
//	m, err := queue.New(pool, b, queue.Settings{})
//	result, err := m.Open(ctx, breaker.OpenOptions{Reason: "Apollo answers 502"})
//
// Opening stops work first, in Redis, then records the transition and pauses the
// jobs in one transaction. A process that dies half-way leaves a state which the
// same call, Reconcile, or any other call that changes state, completes.
package queue
