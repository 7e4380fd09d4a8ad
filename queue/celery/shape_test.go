package celery

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/leadgenctl/leadgenctl/queue"
)

// ours is a message as we write it.
func ours(t testing.TB, task queue.Task) string {
	t.Helper()
	raw, err := newEncoder("").redis(nil, new([]byte), task)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// What a layout that is known tells of a message is what reading it in full tells,
// whatever was learned before and whatever the message is.
func FuzzDecoder(f *testing.F) {
	first := ours(f, queue.Task{ID: "a", Name: "process_job_task", Kwargs: []queue.Kwarg{{Name: "job_id", Value: 1}, {Name: "s", Value: "x"}}})
	for _, change := range [][2]string{{"", ""}, {`"id": "a"`, `"id": ""`}, {`"retries": 0`, `"retries": 07`}, {`"retries": 0`, `"retries": -1`}, {`"priority": 0`, `"priority": 1.5`},
		{`"base64"`, `"utf8"`}, {`"eta": null`, `"eta": "2026-01-05T10:20:41"`}, {`"id": "a"`, `"id": "a", "id": null`}, {`"task": "process`, `"task": "\u0041process`},
		{`{"lang"`, "{\t\"lang\""}, {`"body": "`, `"body": "!`}, {`}}`, `}} x`}, {`, "delivery_tag"`, `, "tag"`}} {
		f.Add(first, strings.Replace(first, change[0], change[1], 1))
	}
	f.Add(first, ours(f, queue.Task{ID: "b", Name: "process_job_task", Args: []any{7}}))
	f.Add(ours(f, queue.Task{ID: "b", Name: "fetch_and_save_leads_task", Args: []any{"x", "y", 7}}), ours(f, queue.Task{ID: "c", Name: "enrich_lead_task", Args: []any{"x", "y", 8}}))
	f.Fuzz(func(t *testing.T, learned, raw string) {
		var d decoder
		for _, text := range []string{learned, raw, learned, raw} {
			want, wantErr := decode(text)
			got, err := d.decode(text)
			if got != want || (err == nil) != (wantErr == nil) {
				t.Fatalf("%q: %+v, %v; in full %+v, %v", text, got, err, want, wantErr)
			}
		}
	})
}

// Of a text that is valid JSON a shape matches the text itself, and what it matches is valid.
func FuzzShape(f *testing.F) {
	f.Add(`{"a": [1, "x", {"1": 2}], "b": -7, "c": 1.5}`, `{"a": [12, "", {"1": 0}], "b": -7, "c": 1.5}`)
	f.Add(`[[], {"job_id": 7}, null]`, `[[], {"job_id": 08}, null]`)
	f.Fuzz(func(t *testing.T, text, other string) {
		if !unescaped(text) || !json.Valid([]byte(text)) {
			return
		}
		s, ok := shapeOf(text)
		if !ok {
			return
		}
		if s.match(text, nil) == nil && len(s.places) > 0 {
			t.Fatalf("%q does not match its own shape %q", text, s.fixed)
		}
		if unescaped(other) && s.match(other, nil) != nil && !json.Valid([]byte(other)) {
			t.Fatalf("%q matches %q and is not valid", other, s.fixed)
		}
	})
}

// BenchmarkDecode reads 1,000 messages as a walk does, beside reading each in full.
func BenchmarkDecode(b *testing.B) {
	raws := make([]string, 1000)
	for i := range raws {
		raws[i] = ours(b, queue.Task{ID: uuid.NewString(), Name: "process_job_task", Kwargs: []queue.Kwarg{{Name: "job_id", Value: i},
			{Name: "job_type", Value: "FETCH_LEADS"}, {Name: "campaign_id", Value: uuid.NewString()}}})
	}
	for name, read := range map[string]func(string) (message, error){"walk": new(decoder).decode, "in full": decode} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				if m, err := read(raws[i%len(raws)]); err != nil || m.JobID != int64(i%len(raws)) {
					b.Fatal(m, err)
				}
			}
		})
	}
}
