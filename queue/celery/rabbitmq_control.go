package celery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
)

// pidbox is the exchange on which workers hear their remote control.
const (
	pidbox      = "celery.pidbox"
	pidboxReply = "reply.celery.pidbox"
)

// quietAfter is how long after an answer no further one is expected: RabbitMQ does not
// tell how many workers heard a question.
const quietAfter = 300 * time.Millisecond

// Ask asks the workers for everything that is needed to know where tasks are.
func (r *RabbitMQ) Ask(ctx context.Context) (Answers, error) {
	return r.ask(ctx, methodScheduled, methodReserved, methodActive, methodRegistered, methodQueues)
}

// AskAll asks for their queues and settings as well.
func (r *RabbitMQ) AskAll(ctx context.Context) (Answers, error) {
	return r.ask(ctx, methodScheduled, methodReserved, methodActive, methodRegistered, methodQueues, methodStats)
}

// ask broadcasts questions. A mandatory message that comes back says that no worker
// listens, at once; else it waits until the answers have stopped. The consumers of the
// queues tell how many workers there are beside those that answered, if their queues
// were asked for.
func (r *RabbitMQ) ask(ctx context.Context, methods ...string) (Answers, error) {
	ch, err := r.channel(ctx)
	if err != nil {
		return Answers{}, err
	}
	defer ch.Close()
	replyTo := uuid.NewString()
	answers, err := inboxOf(ch, replyTo)
	if err != nil {
		return Answers{}, err
	}
	returned := ch.NotifyReturn(make(chan amqp.Return, len(methods)))
	if err := ch.Confirm(false); err != nil {
		return Answers{}, fmt.Errorf("ask the workers: %w", err)
	}
	deadline := time.Now().Add(r.options.AnswerTimeout)
	var questions []question
	var last *amqp.DeferredConfirmation
	for _, m := range methods {
		q := newQuestion(m, replyTo, deadline)
		questions = append(questions, q)
		last, err = ch.PublishWithDeferredConfirmWithContext(ctx, pidbox, "", true, false, amqp.Publishing{
			Headers:     amqp.Table{"clock": int64(1), "expires": float64(deadline.UnixMicro()) / 1e6},
			ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp.Transient, Body: []byte(q.body)})
		if err != nil {
			return Answers{}, fmt.Errorf("ask the workers: %w", err)
		}
	}
	if _, err := last.WaitContext(ctx); err != nil {
		return Answers{}, fmt.Errorf("ask the workers: %w", err)
	}
	c := newCollector(questions)
	if len(returned) > 0 {
		return c.answers(), nil // nobody is bound to the exchange
	}
	c.listening = 1
	wait := r.options.AnswerTimeout
	for {
		select {
		case <-ctx.Done():
			return Answers{}, ctx.Err()
		case d, ok := <-answers:
			if !ok {
				return Answers{}, fmt.Errorf("ask the workers: the channel was closed")
			}
			ticket, _ := d.Headers["ticket"].(string)
			c.answer(ticket, d.Body)
			c.listening = max(c.listening, len(c.workers))
			wait = quietAfter
		case <-time.After(wait):
			a := c.answers()
			if slices.Contains(methods, methodQueues) {
				queues, err := r.look(ctx)
				if err != nil {
					return Answers{}, err
				}
				a.Listening = max(a.Listening, len(a.Workers)+queues.silent(a.Workers))
			}
			return a, nil
		}
	}
}

// inboxOf declares what kombu declares for answers, and consumes it. Both end with us.
func inboxOf(ch *amqp.Channel, replyTo string) (<-chan amqp.Delivery, error) {
	// The fanout exchange is there only once a worker was: to declare it as kombu does is
	// harmless, and a message to a missing exchange would close the channel.
	if err := ch.ExchangeDeclare(pidbox, amqp.ExchangeFanout, false, false, false, false, nil); err != nil {
		return nil, fmt.Errorf("declare %s: %w", pidbox, err)
	}
	if err := ch.ExchangeDeclare(pidboxReply, amqp.ExchangeDirect, false, false, false, false, nil); err != nil {
		return nil, fmt.Errorf("declare %s: %w", pidboxReply, err)
	}
	q, err := ch.QueueDeclare(replyTo+"."+pidboxReply, false, true, false, false, amqp.Table{"x-expires": int32(10000)})
	if err == nil {
		err = ch.QueueBind(q.Name, replyTo, pidboxReply, false, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("declare the queue for the workers' answers: %w", err)
	}
	answers, err := ch.Consume(q.Name, "", true, false, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("listen to the workers' answers: %w", err)
	}
	return answers, nil
}
