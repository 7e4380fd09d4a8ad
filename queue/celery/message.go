package celery

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"

	"github.com/google/uuid"

	"github.com/leadgenctl/leadgenctl/queue"
)

// DefaultQueue is Celery's own default.
const DefaultQueue = "celery"

// encoder writes task messages as Celery's protocol 2 has them.
type encoder struct {
	origin  string // who sent it: gen<pid>@<host>
	replyTo string
	queue   string // the default
}

func newEncoder(defaultQueue string) encoder {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if defaultQueue == "" {
		defaultQueue = DefaultQueue
	}
	return encoder{origin: fmt.Sprintf("gen%d@%s", os.Getpid(), host), replyTo: uuid.NewString(), queue: defaultQueue}
}

// body is the JSON that the worker's own deserializer reads.
func (e encoder) body(t queue.Task) ([]byte, error) {
	b, err := appendJSON(append(make([]byte, 0, 1024), '['), orEmpty(t.Args))
	if err == nil {
		b, err = appendObject(append(b, ", "...), t.Kwargs)
	}
	return append(b, `, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`...), err
}

func orEmpty(args []any) []any {
	if args == nil {
		return []any{}
	}
	return args
}

// headers are those of protocol 2, for AMQP.
func (e encoder) headers(t queue.Task) object {
	return object{{Name: "lang", Value: "py"}, {Name: "task", Value: t.Name}, {Name: "id", Value: t.ID}, {Name: "shadow"},
		{Name: "eta"}, {Name: "expires"}, {Name: "group"}, {Name: "group_index"}, {Name: "retries", Value: 0},
		{Name: "timelimit", Value: []any{nil, nil}}, {Name: "root_id", Value: t.ID}, {Name: "parent_id"},
		{Name: "argsrepr", Value: repr(orEmpty(t.Args), true)}, {Name: "kwargsrepr", Value: repr(t.Kwargs, false)},
		{Name: "origin", Value: e.origin}, {Name: "ignore_result", Value: false}}
}

func (e encoder) queueOf(t queue.Task) string {
	if t.Queue != "" {
		return t.Queue
	}
	return e.queue
}

// redis is the whole message as kombu puts it on a list: the same fields as headers,
// written without a tree of values between, since a resume writes a million of them.
func (e encoder) redis(t queue.Task) ([]byte, error) {
	if err := fit(t); err != nil {
		return nil, err
	}
	body, err := e.body(t)
	if err != nil {
		return nil, fmt.Errorf("the arguments of task %s: %w", t.Name, err)
	}
	b := make([]byte, 0, 1200+2*len(body))
	b = append(b, `{"body": "`...)
	b = base64.StdEncoding.AppendEncode(b, body)
	b = appendString(append(b, `", "content-encoding": "utf-8", "content-type": "application/json", "headers": {"lang": "py", "task": `...), t.Name)
	b = appendString(append(b, `, "id": `...), t.ID)
	b = append(b, `, "shadow": null, "eta": null, "expires": null, "group": null, "group_index": null, "retries": 0, "timelimit": [null, null], "root_id": `...)
	b = appendString(b, t.ID)
	b = appendString(append(b, `, "parent_id": null, "argsrepr": `...), repr(orEmpty(t.Args), true))
	b = appendString(append(b, `, "kwargsrepr": `...), repr(t.Kwargs, false))
	b = appendString(append(b, `, "origin": `...), e.origin)
	b = appendString(append(b, `, "ignore_result": false}, "properties": {"correlation_id": `...), t.ID)
	b = appendString(append(b, `, "reply_to": `...), e.replyTo)
	b = appendString(append(b, `, "delivery_mode": 2, "delivery_info": {"exchange": "", "routing_key": `...), e.queueOf(t))
	b = strconv.AppendInt(append(b, `}, "priority": `...), int64(t.Priority), 10)
	b = appendTag(append(b, `, "body_encoding": "base64", "delivery_tag": "`...))
	return append(b, `"}}`...), nil
}

// appendTag appends a fresh UUID. A delivery tag is no secret: it need only be unique,
// and a call of the system for each would cost more than all the rest.
func appendTag(b []byte) []byte {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	text, _ := id.MarshalText()
	return append(b, text...)
}

func fit(t queue.Task) error {
	switch {
	case t.ID == "":
		return errors.New("the task has no id")
	case t.Name == "":
		return errors.New("the task has no name")
	case t.Priority < 0 || t.Priority > 9:
		return fmt.Errorf("priority %d is not between 0 and 9", t.Priority)
	}
	return nil
}

// message is what is read of a task message, whoever wrote it.
type message struct {
	TaskID string
	Name   string
	JobID  int64 // of a task that has a job_id; 0 for none
	ETA    string
	Tag    string // properties.delivery_tag
	Defect string // what would crash a worker, or make it drop the message
	Poison bool   // the defect crashes workers
}

type envelope struct {
	Body            json.RawMessage `json:"body"`
	ContentType     *string         `json:"content-type"`
	ContentEncoding *string         `json:"content-encoding"`
	Headers         *struct {
		ID   *string `json:"id"`
		Task *string `json:"task"`
		ETA  *string `json:"eta"`
	} `json:"headers"`
	Properties *struct {
		BodyEncoding string          `json:"body_encoding"`
		DeliveryInfo json.RawMessage `json:"delivery_info"`
		DeliveryTag  json.RawMessage `json:"delivery_tag"`
	} `json:"properties"`
}

// decode reads a message of either protocol. An error means that it is no JSON
// object at all; Defect tells what else is wrong with it.
func decode(raw string) (message, error) {
	var e envelope
	if err := json.Unmarshal([]byte(raw), &e); err != nil {
		return message{Defect: "no JSON object", Poison: true}, fmt.Errorf("not a message: %w", err)
	}
	var m message
	flaw := func(poison bool, text string) {
		if m.Defect == "" {
			m.Defect, m.Poison = text, poison
		}
	}
	switch {
	case e.Properties == nil:
		flaw(true, "no properties")
	case e.Properties.DeliveryInfo == nil:
		flaw(true, "no delivery_info")
	case e.Properties.DeliveryTag == nil:
		flaw(true, "no delivery_tag")
	}
	if e.ContentType == nil {
		flaw(true, "no content-type")
	}
	if e.Properties != nil {
		_ = json.Unmarshal(e.Properties.DeliveryTag, &m.Tag)
	}
	body, ok := bodyOf(e)
	if !ok {
		flaw(true, "the body is not base64")
	}
	if e.Headers != nil && (e.Headers.ID != nil || e.Headers.Task != nil) {
		if e.Headers.ID == nil {
			flaw(true, "no id")
		} else {
			m.TaskID = *e.Headers.ID
		}
		if e.Headers.Task == nil {
			flaw(false, "no task name")
		} else {
			m.Name = *e.Headers.Task
		}
		if e.Headers.ETA != nil {
			m.ETA = *e.Headers.ETA
		}
		m.readBody2(body, flaw)
		return m, nil
	}
	m.readBody1(body, flaw)
	return m, nil
}

func bodyOf(e envelope) ([]byte, bool) {
	var s string
	if json.Unmarshal(e.Body, &s) != nil {
		return e.Body, true
	}
	if e.Properties == nil || e.Properties.BodyEncoding != "base64" {
		return []byte(s), true
	}
	b, err := base64.StdEncoding.DecodeString(s)
	return b, err == nil
}

// readBody2 reads protocol 2: [args, kwargs, embed].
func (m *message) readBody2(body []byte, flaw func(bool, string)) {
	var parts []json.RawMessage
	if json.Unmarshal(body, &parts) != nil || len(parts) != 3 {
		flaw(true, "the body is not [args, kwargs, embed]")
		return
	}
	m.readJobID(parts[1], parts[0])
}

// readBody1 reads protocol 1: everything in the body.
func (m *message) readBody1(body []byte, flaw func(bool, string)) {
	var old struct {
		ID     string          `json:"id"`
		Task   string          `json:"task"`
		Args   json.RawMessage `json:"args"`
		Kwargs json.RawMessage `json:"kwargs"`
	}
	if json.Unmarshal(body, &old) != nil || old.Task == "" {
		flaw(false, "no task headers")
		return
	}
	m.TaskID, m.Name = old.ID, old.Task
	m.readJobID(old.Kwargs, old.Args)
}

// jobIDFirst are the platform's tasks whose first positional argument is the job's id.
var jobIDFirst = map[string]bool{"process_job_task": true}

func (m *message) readJobID(kwargs, args json.RawMessage) {
	var named struct {
		JobID json.Number `json:"job_id"`
	}
	if json.Unmarshal(kwargs, &named) == nil && named.JobID != "" {
		m.JobID, _ = named.JobID.Int64()
		return
	}
	var list []any
	if json.Unmarshal(args, &list) != nil {
		return
	}
	at := -1
	if jobIDFirst[m.Name] {
		at = 0
	} else if m.Name == "fetch_and_save_leads_task" {
		at = 2
	}
	if at >= 0 && at < len(list) {
		if f, ok := list[at].(float64); ok {
			m.JobID = int64(f)
		}
	}
}

func (m message) held(place queue.Place) queue.Held {
	return queue.Held{TaskID: m.TaskID, Name: m.Name, JobID: m.JobID, Place: place}
}
