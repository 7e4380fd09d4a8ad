// Package celery speaks to a Celery fleet as its own client does: it writes task
// messages that workers run, to Redis or RabbitMQ, finds where a task is, and asks
// the workers over their remote control.
//
// Redis and RabbitMQ implement queue.Broker. On Redis a batch is published by one
// script that remembers it, so that publishing it again does nothing, and a queued
// message is exchanged for a new one in one atomic step. On RabbitMQ neither is
// possible: see RabbitMQ.
package celery
