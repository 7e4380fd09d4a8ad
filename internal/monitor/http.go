package monitor

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ok is what Health says of a server that answered.
const ok = "ok"

// Health is what /healthz answers.
type Health struct {
	OK      bool              `json:"ok"`
	At      time.Time         `json:"at"`      // of the last look
	Servers map[string]string `json:"servers"` // "ok", or why not
}

func (h *Health) server(name string, err error) {
	h.Servers[name] = ok
	if err != nil {
		h.Servers[name] = "away"
	}
}

// Health says whether the monitor does its work: it looked of late, and Redis, without
// which it knows nothing of the breaker, answered.
func (m *Monitor) Health() Health {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.health
	h.OK = time.Since(h.At) < 3*m.o.Interval+time.Minute && h.Servers["redis"] == ok
	return h
}

// Handler serves /metrics and /healthz.
func (m *Monitor) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		h := m.Health()
		w.Header().Set("Content-Type", "application/json")
		if !h.OK {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(h)
	})
	return mux
}
