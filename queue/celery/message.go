package celery

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"unsafe"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

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

// body appends the JSON that the worker's own deserializer reads.
func (e encoder) body(b []byte, t queue.Task) ([]byte, error) {
	b, err := appendJSON(append(b, '['), orEmpty(t.Args))
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

// redis appends the whole message as kombu puts it on a list: the same fields as headers,
// written without a tree of values between, since a resume writes a million of them.
// scratch is room to write in. On an error b is as it was.
func (e encoder) redis(b []byte, scratch *[]byte, t queue.Task) ([]byte, error) {
	if err := fit(t); err != nil {
		return b, err
	}
	s, err := e.body((*scratch)[:0], t)
	if err != nil {
		return b, fmt.Errorf("the arguments of task %s: %w", t.Name, err)
	}
	b = append(b, `{"body": "`...)
	b = base64.StdEncoding.AppendEncode(b, s)
	b = appendString(append(b, `", "content-encoding": "utf-8", "content-type": "application/json", "headers": {"lang": "py", "task": `...), t.Name)
	b = appendString(append(b, `, "id": `...), t.ID)
	b = append(b, `, "shadow": null, "eta": null, "expires": null, "group": null, "group_index": null, "retries": 0, "timelimit": [null, null], "root_id": `...)
	b = appendString(b, t.ID)
	s = shortRepr(s[:0], orEmpty(t.Args), true)
	b = appendString(append(b, `, "parent_id": null, "argsrepr": `...), text(s))
	s = shortRepr(s[:0], t.Kwargs, false)
	b = appendString(append(b, `, "kwargsrepr": `...), text(s))
	*scratch = s
	b = appendString(append(b, `, "origin": `...), e.origin)
	b = appendString(append(b, `, "ignore_result": false}, "properties": {"correlation_id": `...), t.ID)
	b = appendString(append(b, `, "reply_to": `...), e.replyTo)
	b = appendString(append(b, `, "delivery_mode": 2, "delivery_info": {"exchange": "", "routing_key": `...), e.queueOf(t))
	b = strconv.AppendInt(append(b, `}, "priority": `...), int64(t.Priority), 10)
	b = appendTag(append(b, `, "body_encoding": "base64", "delivery_tag": "`...))
	return append(b, `"}}`...), nil
}

// text is the text that b holds, as long as b is not written to.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

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
	JobID  int64  // of a task that has a job_id; 0 for none
	NoJob  string // a job_id that no job can have: 0, less, or no number
	ETA    string
	Tag    string // properties.delivery_tag
	Defect string // what would crash a worker, or make it drop the message
	Poison bool   // the defect crashes workers
}

// envelope is a message as kombu writes it. A value of the wrong kind is not read at all.
type envelope struct {
	body                         gjson.Result
	contentType                  *string
	headers, properties          bool // present
	id, task, compression        *string
	eta                          gjson.Result
	encoding                     string
	deliveryInfo, tagged, failed bool
	tag                          string
}

// valid is for messages of any origin: gjson's check is fast and recursive, so that long
// ones, which may be nested without end, go to a check that has a bound.
func valid(raw string) bool {
	if len(raw) > 1<<16 {
		return json.Valid([]byte(raw))
	}
	return gjson.Valid(raw)
}

func readEnvelope(raw string) (e envelope, ok bool) {
	r := gjson.Parse(raw)
	if !valid(raw) || !r.IsObject() {
		return e, false
	}
	r.ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "body":
			e.body = v
		case "content-type":
			e.contentType = e.text(v)
		case "headers":
			if e.headers = e.object(v); e.headers {
				v.ForEach(e.header)
			}
		case "properties":
			if e.properties = e.object(v); e.properties {
				v.ForEach(e.property)
			}
		}
		return true
	})
	return e, !e.failed
}

func (e *envelope) header(k, v gjson.Result) bool {
	switch k.Str {
	case "id":
		e.id = e.text(v)
	case "task":
		e.task = e.text(v)
	case "eta":
		e.eta = v
	case "compression":
		e.compression = e.text(v)
	}
	return true
}

func (e *envelope) property(k, v gjson.Result) bool {
	switch k.Str {
	case "body_encoding":
		if s := e.text(v); s != nil {
			e.encoding = *s
		}
	case "delivery_info":
		e.deliveryInfo = true
	case "delivery_tag":
		e.tagged, e.tag = true, v.Str
	}
	return true
}

// text is a string, or nil for null.
func (e *envelope) text(v gjson.Result) *string {
	e.failed = e.failed || v.Type != gjson.String && v.Type != gjson.Null
	if v.Type != gjson.String {
		return nil
	}
	return &v.Str
}

func (e *envelope) object(v gjson.Result) bool {
	e.failed = e.failed || !v.IsObject() && v.Type != gjson.Null
	return v.IsObject()
}

// decode reads a message of either protocol. An error means that it is no JSON
// object at all; Defect tells what else is wrong with it.
func decode(raw string) (message, error) {
	e, ok := readEnvelope(raw)
	if !ok {
		return message{Defect: "no JSON object", Poison: true}, errors.New("not a message: no JSON object of the kinds that a message has")
	}
	m := message{Tag: e.tag}
	flaw := func(poison bool, text string) {
		if m.Defect == "" {
			m.Defect, m.Poison = text, poison
		}
	}
	switch {
	case !e.properties:
		flaw(true, "no properties")
	case !e.deliveryInfo:
		flaw(true, "no delivery_info")
	case !e.tagged:
		flaw(true, "no delivery_tag")
	}
	body, ok := e.bodyText()
	if !ok {
		flaw(true, "the body is not base64")
	}
	body, readable := e.plain(body, flaw)
	if e.id == nil && e.task == nil {
		if readable {
			m.readBody1(body, flaw)
		}
		return m, nil
	}
	if e.id == nil {
		flaw(true, "no id")
	} else {
		m.TaskID = *e.id
	}
	if e.task == nil {
		flaw(false, "no task name")
	} else {
		m.Name = *e.task
	}
	if e.eta.Exists() && e.eta.Type != gjson.Null {
		if m.ETA = e.eta.String(); e.eta.Type != gjson.String || !isDate(m.ETA) {
			flaw(false, "the eta is no date")
		}
	}
	if readable {
		m.readBody2(body, flaw)
	}
	return m, nil
}

func (e envelope) bodyText() (string, bool) {
	if e.body.Type != gjson.String {
		return e.body.Raw, true
	}
	if e.encoding != "base64" {
		return e.body.Str, true
	}
	b, err := base64.StdEncoding.DecodeString(e.body.Str)
	return string(b), err == nil
}

// readBody2 reads protocol 2: [args, kwargs, embed].
func (m *message) readBody2(body string, flaw func(bool, string)) {
	if !valid(body) {
		flaw(false, "the body is not JSON")
		return
	}
	var parts [3]gjson.Result
	n := 0
	if r := gjson.Parse(body); r.IsArray() {
		r.ForEach(func(_, v gjson.Result) bool {
			if n < len(parts) {
				parts[n] = v
			}
			n++
			return true
		})
	}
	if n != len(parts) {
		flaw(true, "the body is not [args, kwargs, embed]")
		return
	}
	m.readJobID(parts[1], parts[0])
	named := parts[1].Get("job_id")
	if at := argumentOf(m.Name); at >= 0 && !named.Exists() {
		named = parts[0].Get(strconv.Itoa(at))
	}
	m.NoJob = impossibleJob(named, m.JobID)
}

// readBody1 reads protocol 1: everything in the body.
func (m *message) readBody1(body string, flaw func(bool, string)) {
	r := gjson.Parse(body)
	if !valid(body) || !r.IsObject() || r.Get("task").Str == "" {
		flaw(false, "no task headers")
		return
	}
	m.TaskID, m.Name = r.Get("id").Str, r.Get("task").Str
	m.readJobID(r.Get("kwargs"), r.Get("args"))
}

// argumentOf is the position of the job's id among the arguments of the platform's
// tasks, -1 for a task that has none.
func argumentOf(task string) int {
	switch task {
	case "process_job_task":
		return 0
	case "fetch_and_save_leads_task":
		return 2
	}
	return -1
}

func (m *message) readJobID(kwargs, args gjson.Result) {
	if v := kwargs.Get("job_id"); kwargs.IsObject() && (v.Type == gjson.Number || v.Type == gjson.String && v.Str != "") {
		if id, err := strconv.ParseInt(v.String(), 10, 64); err == nil { // beyond 64 bits no job is named
			m.JobID = id
		}
		return
	}
	at := argumentOf(m.Name)
	if list := args.Array(); at >= 0 && args.IsArray() && at < len(list) && list[at].Type == gjson.Number && math.Abs(list[at].Num) < 1<<53 {
		m.JobID = int64(list[at].Num)
	}
}

func (m message) held(place queue.Place) queue.Held {
	return queue.Held{TaskID: m.TaskID, Name: m.Name, JobID: m.JobID, Place: place}
}
