package celery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leadgenctl/leadgenctl/queue"
)

// RabbitMQ is a broker on RabbitMQ. It publishes with confirmation, mandatory and
// durable: a task is Published when the server has it on a queue, and Rejected when no
// queue takes it. Safe for concurrent use.
//
// What it cannot do: a message on a queue can be neither found nor taken out without
// disturbing the others, and the server knows no ids. So while messages wait on the
// queues, a task that no worker has is in doubt: neither is it made anew, nor is a batch
// sent again whose confirmation was lost. The workers run what waits; then it is known.
type RabbitMQ struct {
	url     string
	options Options
	encoder encoder

	mu   sync.Mutex
	conn *amqp.Connection
}

var _ queue.Broker = (*RabbitMQ)(nil)

// NewRabbitMQ returns the broker at an AMQP address; it connects when it must.
func NewRabbitMQ(url string, o Options) (*RabbitMQ, error) {
	if _, err := amqp.ParseURI(url); err != nil {
		return nil, errors.New("the AMQP address cannot be read")
	}
	o = o.withDefaults()
	return &RabbitMQ{url: url, options: o, encoder: newEncoder(o.DefaultQueue)}, nil
}

// Close ends the connection.
func (r *RabbitMQ) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn != nil {
		r.conn.Close()
	}
}

// channel opens a channel on a connection that lives.
func (r *RabbitMQ) channel(ctx context.Context) (*amqp.Channel, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil || r.conn.IsClosed() {
		conn, err := amqp.DialConfig(r.url, amqp.Config{Heartbeat: 10 * time.Second, Dial: amqp.DefaultDial(3 * time.Second),
			Properties: amqp.Table{"connection_name": "leadgenctl"}})
		if err != nil {
			return nil, fmt.Errorf("connect to RabbitMQ: %w", err)
		}
		r.conn = conn
	}
	ch, err := r.conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a channel on RabbitMQ: %w", err)
	}
	return ch, nil
}

// publishing is a task as kombu sends it over AMQP: the body is plain JSON, and what is
// null in the headers is void.
func (r *RabbitMQ) publishing(t queue.Task) (amqp.Publishing, error) {
	if err := fit(t); err != nil {
		return amqp.Publishing{}, err
	}
	body, err := r.encoder.body(nil, t)
	if err != nil {
		return amqp.Publishing{}, fmt.Errorf("the arguments of task %s: %w", t.Name, err)
	}
	headers := amqp.Table{}
	for _, h := range r.encoder.headers(t) {
		v := h.Value
		if n, ok := v.(int); ok {
			v = int32(n)
		}
		headers[h.Name] = v
	}
	return amqp.Publishing{Headers: headers, ContentType: "application/json", ContentEncoding: "utf-8",
		DeliveryMode: amqp.Persistent, Priority: uint8(t.Priority), CorrelationId: t.ID, ReplyTo: r.encoder.replyTo,
		Body: body}, nil
}

// Publish implements queue.Publisher.
func (r *RabbitMQ) Publish(ctx context.Context, _ string, tasks []queue.Task) ([]queue.Delivery, error) {
	ch, err := r.channel(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", queue.ErrNotSent, err)
	}
	defer ch.Close()
	if err := ch.Confirm(false); err != nil {
		return nil, fmt.Errorf("%w: ask RabbitMQ for confirmations: %w", queue.ErrNotSent, err)
	}
	returned := ch.NotifyReturn(make(chan amqp.Return, len(tasks)+1))
	out := make([]queue.Delivery, len(tasks))
	waiting := make([]*amqp.DeferredConfirmation, len(tasks))
	for i, t := range tasks {
		p, err := r.publishing(t)
		if err != nil {
			out[i] = queue.Delivery{Outcome: queue.Unfit, Err: err}
			continue
		}
		if waiting[i], err = ch.PublishWithDeferredConfirmWithContext(ctx, "", r.encoder.queueOf(t), true, false, p); err != nil {
			return nil, fmt.Errorf("publish to RabbitMQ: %w", err)
		}
	}
	for i, w := range waiting {
		if w == nil {
			continue
		}
		wait, cancel := context.WithTimeout(ctx, 10*time.Second)
		ok, err := w.WaitContext(wait)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("wait for RabbitMQ's confirmation: %w", err)
		}
		if !ok {
			if ch.IsClosed() {
				return nil, errors.New("publish to RabbitMQ: the channel was closed")
			}
			out[i] = queue.Delivery{Outcome: queue.Rejected, Err: errors.New("RabbitMQ refused the message (a queue may be full)")}
		}
	}
	// A return comes before its confirmation, so that all are here.
	byID := map[string]amqp.Return{}
	for range len(returned) {
		ret := <-returned
		byID[ret.CorrelationId] = ret
	}
	for i, t := range tasks {
		if ret, ok := byID[t.ID]; ok {
			out[i] = queue.Delivery{Outcome: queue.Rejected, Err: fmt.Errorf("RabbitMQ has no queue %q: %s", ret.RoutingKey, ret.ReplyText)}
		}
	}
	return out, nil
}

// Idempotent implements queue.Publisher: it is not.
func (r *RabbitMQ) Idempotent() bool { return false }

// Retract implements queue.Publisher: RabbitMQ cannot. A relay that lives has ended its
// batch by the time that another takes it back; one that lost PostgreSQL in the middle of
// a publication may still finish that.
func (r *RabbitMQ) Retract(context.Context, []string) error { return nil }

// Depth implements queue.Inspector; what is reserved RabbitMQ does not tell.
func (r *RabbitMQ) Depth(ctx context.Context) (queued, reserved int64, err error) {
	queues, err := r.look(ctx)
	return queues.messages(), -1, err
}

// Listening says whether a queue has a consumer.
func (r *RabbitMQ) Listening(ctx context.Context) (bool, error) {
	queues, err := r.look(ctx)
	for _, q := range queues {
		if q.Consumers > 0 {
			return true, nil
		}
	}
	return false, err
}

// queues are what the server tells of each queue.
type queues []amqp.Queue

func (qs queues) messages() (n int64) {
	for _, q := range qs {
		n += int64(q.Messages)
	}
	return n
}

// silent counts the consumers that belong to none of the workers that answered.
func (qs queues) silent(workers []Worker) int {
	most := 0
	for _, q := range qs {
		left := q.Consumers
		for _, w := range workers {
			if slices.Contains(w.Queues, q.Name) {
				left--
			}
		}
		most = max(most, left)
	}
	return most
}

// look counts the messages that wait on each queue, and its consumers.
func (r *RabbitMQ) look(ctx context.Context) (queues, error) {
	var all queues
	for _, name := range r.options.Queues {
		ch, err := r.channel(ctx)
		if err != nil {
			return nil, err
		}
		q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		var missing *amqp.Error
		if errors.As(err, &missing) && missing.Code == amqp.NotFound {
			continue // the server has closed the channel
		}
		ch.Close()
		if err != nil {
			return nil, fmt.Errorf("look at queue %s: %w", name, err)
		}
		all = append(all, q)
	}
	return all, nil
}

// Withdraw implements queue.Inspector: RabbitMQ cannot.
func (r *RabbitMQ) Withdraw(context.Context, string, func([]queue.Held) ([]bool, error)) (int64, error) {
	return 0, fmt.Errorf("take messages out of a queue on RabbitMQ: %w", errors.ErrUnsupported)
}

// Queued implements queue.Inspector: RabbitMQ cannot.
func (r *RabbitMQ) Queued(context.Context, func([]queue.Held) error) error {
	return fmt.Errorf("look for messages in a queue on RabbitMQ: %w", errors.ErrUnsupported)
}

// PutBack implements queue.Inspector: nothing can have been withdrawn.
func (r *RabbitMQ) PutBack(context.Context, func(string) bool) (int64, error) { return 0, nil }

// Started implements queue.Inspector: the results are kept elsewhere.
func (r *RabbitMQ) Started(context.Context, []string) ([]queue.Held, error) { return nil, nil }

// Ended implements queue.Inspector: the results are kept elsewhere.
func (r *RabbitMQ) Ended(context.Context, []string) (map[string]string, error) { return nil, nil }

// Workers implements queue.Inspector.
func (r *RabbitMQ) Workers(ctx context.Context) (queue.Fleet, error) {
	a, err := r.ask(ctx, methodRegistered)
	return a.fleet(), err
}

// Each implements queue.Inspector: only the workers can tell. What they do not have may
// still wait on a queue, unless those are empty: then the workers are asked once more,
// since a message may have been on its way to one.
func (r *RabbitMQ) Each(ctx context.Context, fn func([]queue.Held) error) (queue.Fleet, error) {
	before, err := r.look(ctx)
	if err != nil {
		return queue.Fleet{}, err
	}
	a, err := r.Ask(ctx)
	if err != nil {
		return queue.Fleet{}, err
	}
	held := a.held()
	if before.messages() == 0 && len(a.Workers) > 0 {
		if a, err = r.Ask(ctx); err != nil {
			return queue.Fleet{}, err
		}
		held = append(held, a.held()...)
	}
	f := a.fleet()
	if n := before.messages(); n > 0 && f.Doubt == "" {
		f.Doubt = fmt.Sprintf("RabbitMQ cannot show the %d messages that wait on its queues", n)
	}
	return f, fn(held)
}
