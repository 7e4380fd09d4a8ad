package consistency_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// fakeWorker answers the workers' remote control, so that a test decides what it says.
type fakeWorker struct {
	name   string
	queues []string
	active map[string]int64 // its tasks, with their jobs
	silent bool             // it listens and never answers
}

// worker is one that takes messages from the queue, as far as can be told, and runs none.
func (h *house) worker() { h.fake(fakeWorker{name: "w1@test", queues: []string{"celery"}}) }

func (h *house) fake(w fakeWorker) {
	h.t.Helper()
	s := h.redis.Client.Subscribe(context.Background(), "/0.celery.pidbox")
	_, err := s.Receive(context.Background())
	h.must(err)
	h.t.Cleanup(func() { s.Close() })
	go func() {
		for m := range s.Channel() {
			if !w.silent {
				h.reply(w, m.Payload)
			}
		}
	}()
}

func (h *house) reply(w fakeWorker, question string) {
	var envelope struct {
		Body string `json:"body"`
	}
	var q struct {
		Method  string `json:"method"`
		Ticket  string `json:"ticket"`
		ReplyTo struct {
			RoutingKey string `json:"routing_key"`
		} `json:"reply_to"`
	}
	if json.Unmarshal([]byte(question), &envelope) == nil {
		body, _ := base64.StdEncoding.DecodeString(envelope.Body)
		_ = json.Unmarshal(body, &q)
	}
	body, _ := json.Marshal(map[string]any{w.name: w.answer(q.Method)})
	raw, _ := json.Marshal(map[string]any{"body": base64.StdEncoding.EncodeToString(body),
		"headers": map[string]any{"ticket": q.Ticket}, "properties": map[string]any{"body_encoding": "base64"}})
	// The test may have ended meanwhile: an answer that comes too late goes nowhere.
	_ = h.redis.Client.LPush(context.Background(), q.ReplyTo.RoutingKey+".reply.celery.pidbox", raw).Err()
}

func (w fakeWorker) answer(method string) any {
	list := []any{}
	switch method {
	case "active":
		for task, job := range w.active {
			list = append(list, map[string]any{"id": task, "name": "process_job_task", "args": []any{}, "kwargs": map[string]any{"job_id": job}})
		}
	case "active_queues":
		for _, q := range w.queues {
			list = append(list, map[string]any{"name": q})
		}
	case "registered":
		for _, name := range strings.Fields("process_job_task fetch_and_save_leads_task enrich_lead_task cleanup_campaign_jobs_task") {
			list = append(list, name)
		}
	case "stats":
		return map[string]any{"prefetch_count": 1}
	}
	return list
}
