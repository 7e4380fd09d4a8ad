package celery

import (
	"encoding/json"
	"testing"

	"github.com/leadgenctl/leadgenctl/queue"
)

// What we write we read, whatever the arguments are.
func FuzzEncode(f *testing.F) {
	f.Add("process_job_task", "id-1", int64(7), "c-1")
	f.Add("t", "\x00\"\\", int64(-1), "Zoë \U0001F600\n'")
	f.Fuzz(func(t *testing.T, name, id string, job int64, text string) {
		raw, err := newEncoder("").redis(nil, new([]byte), queue.Task{ID: id, Name: name, Kwargs: []queue.Kwarg{{Name: "job_id", Value: job}, {Name: text, Value: []any{text, nil, true, 1.5}}}})
		if name == "" || id == "" {
			if err == nil {
				t.Fatal("no error")
			}
			return
		}
		if err != nil || !json.Valid(raw) {
			t.Fatalf("%v: %s", err, raw)
		}
		m, err := decode(string(raw))
		if err != nil || m.Defect != "" {
			t.Fatalf("%v, %q: %s", err, m.Defect, raw)
		}
	})
}

// Rubbish on the queue is told, and never kills us.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{}`, `[]`, `{"headers": {"id": "x", "task": "t"}, "body": "!"}`, `{"body": {"id": "1", "task": "t", "kwargs": {"job_id": 7}}}`,
		`{"headers": null, "properties": null}`, `{"properties": {"delivery_tag": 1, "body_encoding": "base64"}, "body": "W10="}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		m, err := decode(raw)
		if err != nil && !m.Poison {
			t.Fatalf("%q is no JSON and no poison", raw)
		}
		c := newCollector([]question{{method: methodActive, ticket: "t"}, {method: methodStats, ticket: "s"}})
		c.take(raw)
		c.answer("t", []byte(raw))
		c.answer("s", []byte(raw))
	})
}
