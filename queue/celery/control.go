package celery

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/tidwall/gjson"

	"github.com/leadgenctl/leadgenctl/queue"
)

// The methods of the workers' remote control that are asked.
const (
	methodActive     = "active"
	methodReserved   = "reserved"
	methodScheduled  = "scheduled"
	methodRegistered = "registered"
	methodQueues     = "active_queues"
	methodStats      = "stats"
)

// Worker is what one worker answered.
type Worker struct {
	Name       string
	Active     []WorkerTask
	Reserved   []WorkerTask
	Scheduled  []WorkerTask // waiting for its eta
	Registered []string
	Queues     []string
	Prefetch   int
	Processes  int
}

// WorkerTask is a task that a worker holds.
type WorkerTask struct {
	ID      string
	Name    string
	JobID   int64
	Started time.Time // zero for one that has not begun
}

// Answers are those of all workers that listen.
type Answers struct {
	Workers   []Worker      // by name
	Listening int           // how many received the question
	Took      time.Duration // until the last answer
}

func (a Answers) held() []queue.Held {
	var out []queue.Held
	for _, w := range a.Workers {
		add := func(tasks []WorkerTask, place queue.Place) {
			for _, t := range tasks {
				out = append(out, queue.Held{TaskID: t.ID, Name: t.Name, JobID: t.JobID, Place: place, Worker: w.Name})
			}
		}
		add(w.Scheduled, queue.PlaceReserved)
		add(w.Reserved, queue.PlaceReserved)
		add(w.Active, queue.PlaceRunning)
	}
	return out
}

func (a Answers) fleet() queue.Fleet {
	f := queue.Fleet{Silent: max(0, a.Listening-len(a.Workers))}
	if f.Silent > 0 {
		f.Doubt = fmt.Sprintf("of %d workers that listen %d did not answer", a.Listening, f.Silent)
	}
	for _, w := range a.Workers {
		f.Alive = append(f.Alive, w.Name)
		if f.Registered == nil {
			f.Registered = map[string]bool{}
		}
		for _, name := range w.Registered {
			f.Registered[name] = true
		}
	}
	return f
}

// question is one broadcast to the workers.
type question struct{ method, ticket, body, envelope string }

func newQuestion(method, replyTo string, expires time.Time) question {
	q := question{method: method, ticket: uuid.NewString()}
	arguments := object{}
	if method == methodActive {
		arguments = object{{Name: "safe"}}
	}
	body, _ := appendJSON(nil, object{{Name: "method", Value: method}, {Name: "arguments", Value: arguments}, {Name: "destination"},
		{Name: "pattern"}, {Name: "matcher"}, {Name: "ticket", Value: q.ticket},
		{Name: "reply_to", Value: object{{Name: "exchange", Value: "reply.celery.pidbox"}, {Name: "routing_key", Value: replyTo}}}})
	q.body = string(body)
	envelope, _ := appendJSON(nil, object{{Name: "body", Value: base64.StdEncoding.EncodeToString(body)},
		{Name: "content-encoding", Value: "utf-8"}, {Name: "content-type", Value: "application/json"},
		{Name: "headers", Value: object{{Name: "clock", Value: 1}, {Name: "expires", Value: float64(expires.UnixMicro()) / 1e6}}},
		{Name: "properties", Value: object{{Name: "delivery_mode", Value: 2},
			{Name: "delivery_info", Value: object{{Name: "exchange", Value: "celery.pidbox"}, {Name: "routing_key", Value: ""}}},
			{Name: "priority", Value: 0}, {Name: "body_encoding", Value: "base64"}, {Name: "delivery_tag", Value: uuid.NewString()}}}})
	q.envelope = string(envelope)
	return q
}

// MayNotAsk says whether an error is that the workers may not be asked from here, for it
// takes the right to write: by a role that only reads, or on a replica.
func MayNotAsk(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "NOPERM") || strings.Contains(err.Error(), "READONLY"))
}

// Ask asks the workers for everything that is needed to know where tasks are.
func (r *Redis) Ask(ctx context.Context) (Answers, error) {
	return r.ask(ctx, methodScheduled, methodReserved, methodActive, methodRegistered)
}

// AskAll asks for their queues and settings as well.
func (r *Redis) AskAll(ctx context.Context) (Answers, error) {
	return r.ask(ctx, methodScheduled, methodReserved, methodActive, methodRegistered, methodQueues, methodStats)
}

// ask broadcasts questions and waits for exactly as many answers as workers listened:
// a fleet that lives answers in milliseconds, and one that is dead costs nothing.
func (r *Redis) ask(ctx context.Context, methods ...string) (Answers, error) {
	replyTo := uuid.NewString()
	inbox := r.key(replyTo + ".reply.celery.pidbox")
	binding, member := r.key("_kombu.binding.reply.celery.pidbox"), strings.Join([]string{replyTo, "", replyTo + ".reply.celery.pidbox"}, r.options.Separator)
	asked := time.Now()
	deadline := asked.Add(r.options.AnswerTimeout)
	var questions []question
	var heard []*redis.IntCmd
	_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.SAdd(ctx, binding, member)
		for _, m := range methods {
			q := newQuestion(m, replyTo, deadline)
			questions = append(questions, q)
			heard = append(heard, p.Publish(ctx, r.pidbox(), q.envelope))
		}
		return nil
	})
	// The binding goes first: an answer that comes too late then goes nowhere.
	defer r.client.Pipelined(context.WithoutCancel(ctx), func(p redis.Pipeliner) error {
		p.SRem(context.WithoutCancel(ctx), binding, member)
		p.Del(context.WithoutCancel(ctx), inbox)
		return nil
	})
	if err != nil {
		return Answers{}, fmt.Errorf("ask the workers: %w", err)
	}
	c := newCollector(questions)
	expected := 0
	for _, h := range heard {
		expected += int(h.Val())
		c.listening = max(c.listening, int(h.Val()))
	}
	for got := 0; got < expected; {
		left := time.Until(deadline)
		if left <= 0 {
			break
		}
		reply, err := r.client.BLPop(ctx, max(left, time.Second), inbox).Result()
		if errors.Is(err, redis.Nil) {
			break
		}
		if err != nil {
			return Answers{}, fmt.Errorf("wait for the workers' answers: %w", err)
		}
		if c.take(reply[1]) {
			got++
		}
	}
	a := c.answers()
	a.Took = time.Since(asked)
	return a, nil
}

// collector puts the answers of the workers together.
type collector struct {
	methods   map[string]string // by ticket
	workers   map[string]*Worker
	count     map[string]int
	listening int
}

func newCollector(qs []question) *collector {
	c := &collector{methods: map[string]string{}, workers: map[string]*Worker{}, count: map[string]int{}}
	for _, q := range qs {
		c.methods[q.ticket] = q.method
	}
	return c
}

// take reads one answer from its Redis envelope.
func (c *collector) take(raw string) bool {
	var e struct {
		Body       json.RawMessage `json:"body"`
		Headers    map[string]any  `json:"headers"`
		Properties struct {
			BodyEncoding string `json:"body_encoding"`
		} `json:"properties"`
	}
	if json.Unmarshal([]byte(raw), &e) != nil {
		return false
	}
	var s string
	body := []byte(e.Body)
	if json.Unmarshal(e.Body, &s) == nil {
		body = []byte(s)
		if e.Properties.BodyEncoding == "base64" {
			var err error
			if body, err = base64.StdEncoding.DecodeString(s); err != nil {
				return false
			}
		}
	}
	ticket, _ := e.Headers["ticket"].(string)
	return c.answer(ticket, body)
}

func (c *collector) answer(ticket string, body []byte) bool {
	method, ok := c.methods[ticket]
	if !ok {
		return false
	}
	var byWorker map[string]json.RawMessage
	if json.Unmarshal(body, &byWorker) != nil {
		return false
	}
	for name, answer := range byWorker {
		w := c.workers[name]
		if w == nil {
			w = &Worker{Name: name}
			c.workers[name] = w
		}
		c.count[name]++
		w.read(method, answer)
	}
	return true
}

func (w *Worker) read(method string, answer json.RawMessage) {
	switch method {
	case methodActive:
		w.Active = readTasks(answer)
	case methodReserved:
		w.Reserved = readTasks(answer)
	case methodScheduled:
		var list []struct {
			Request json.RawMessage `json:"request"`
		}
		_ = json.Unmarshal(answer, &list)
		for _, s := range list {
			w.Scheduled = append(w.Scheduled, readTask(s.Request))
		}
	case methodRegistered:
		_ = json.Unmarshal(answer, &w.Registered)
	case methodQueues:
		var list []struct {
			Name string `json:"name"`
		}
		_ = json.Unmarshal(answer, &list)
		for _, q := range list {
			w.Queues = append(w.Queues, q.Name)
		}
	case methodStats:
		var s struct {
			Prefetch int `json:"prefetch_count"`
			Pool     struct {
				Processes []int `json:"processes"`
			} `json:"pool"`
		}
		_ = json.Unmarshal(answer, &s)
		w.Prefetch, w.Processes = s.Prefetch, len(s.Pool.Processes)
	}
}

func readTasks(answer json.RawMessage) []WorkerTask {
	var list []json.RawMessage
	_ = json.Unmarshal(answer, &list)
	var tasks []WorkerTask
	for _, raw := range list {
		tasks = append(tasks, readTask(raw))
	}
	return tasks
}

func readTask(raw json.RawMessage) WorkerTask {
	var t struct {
		ID     string          `json:"id"`
		Name   string          `json:"name"`
		Args   json.RawMessage `json:"args"`
		Kwargs json.RawMessage `json:"kwargs"`
		Start  *float64        `json:"time_start"`
	}
	_ = json.Unmarshal(raw, &t)
	m := message{TaskID: t.ID, Name: t.Name}
	m.readJobID(gjson.ParseBytes(t.Kwargs), gjson.ParseBytes(t.Args))
	w := WorkerTask{ID: t.ID, Name: t.Name, JobID: m.JobID}
	if t.Start != nil {
		w.Started = time.UnixMicro(int64(*t.Start * 1e6)).UTC()
	}
	return w
}

// answers leaves out a worker that answered only a part of the questions: it is silent.
func (c *collector) answers() Answers {
	a := Answers{Listening: c.listening}
	for name, w := range c.workers {
		if c.count[name] == len(c.methods) {
			a.Workers = append(a.Workers, *w)
		}
	}
	slices.SortFunc(a.Workers, func(x, y Worker) int { return strings.Compare(x.Name, y.Name) })
	return a
}
