package monitor

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/queue"
)

// metrics are what /metrics exports, of the last look.
type metrics struct {
	registry *prometheus.Registry

	open, lost                   prometheus.Gauge
	epoch, openedAt, ttl         prometheus.Gauge
	transitions, notifications   *prometheus.CounterVec
	up, jobs, messages           *prometheus.GaugeVec
	outbox, failures, pausedFrom prometheus.Gauge
	looked                       prometheus.Gauge
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		m.registry.MustRegister(g)
		return g
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(g)
		return g
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	m.open = gauge("leadgenctl_breaker_open", "Whether the global circuit breaker is open, as the app sees it.")
	m.lost = gauge("leadgenctl_breaker_lost", "Whether Redis lost the open breaker, which the app takes for closed, and it can be put back.")
	m.epoch = gauge("leadgenctl_breaker_epoch", "The epoch of the breaker's last transition.")
	m.openedAt = gauge("leadgenctl_breaker_opened_timestamp_seconds", "When the breaker opened; 0 while it is closed.")
	m.ttl = gauge("leadgenctl_breaker_key_ttl_seconds", "What is left of the life of the breaker's key; 0, as it should be, for no time to live.")
	m.transitions = counters("leadgenctl_breaker_transitions_total", "Transitions of the breaker that this monitor has seen.", "state")
	for _, s := range []breaker.State{breaker.Open, breaker.Closed} { // from 0 on, so that the first one is an increase
		m.transitions.WithLabelValues(string(s))
	}
	m.up = gauges("leadgenctl_up", "Whether a server answered.", "server")
	m.jobs = gauges("leadgenctl_jobs", "Jobs by status and type.", "status", "type")
	m.pausedFrom = gauge("leadgenctl_jobs_paused_since_timestamp_seconds", "Since when the longest paused job is paused; 0 for none.")
	m.outbox = gauge("leadgenctl_outbox_pending_jobs", "Jobs whose new task is not on the broker yet.")
	m.failures = gauge("leadgenctl_task_creation_failures", "Recorded jobs whose task could not be created.")
	m.messages = gauges("leadgenctl_broker_messages", "Messages on the broker, queued or reserved by workers.", "place")
	m.notifications = counters("leadgenctl_notifications_total", "Messages to channels: sent, failed (and tried again), or dropped.", "channel", "result")
	m.looked = gauge("leadgenctl_monitor_last_look_timestamp_seconds", "When the monitor last looked at everything.")
	return m
}

func (m *metrics) breaker(st breaker.Status) {
	m.open.Set(0)
	m.openedAt.Set(0)
	if st.State == breaker.Open && !st.Lost {
		m.open.Set(1)
		if !st.OpenedAt.IsZero() {
			m.openedAt.Set(float64(st.OpenedAt.UnixMilli()) / 1000)
		}
	}
	m.epoch.Set(float64(st.Epoch))
	m.ttl.Set(st.TTL.Seconds())
}

func (m *metrics) queue(s queue.State) {
	m.jobs.Reset()
	for _, c := range s.Counts {
		m.jobs.WithLabelValues(string(c.Status), string(c.Type)).Set(float64(c.Jobs))
	}
	m.pausedFrom.Set(0)
	if !s.PausedSince.IsZero() {
		m.pausedFrom.Set(float64(s.PausedSince.UnixMilli()) / 1000)
	}
	m.outbox.Set(float64(s.OutboxPending))
	m.messages.Reset()
	if s.BrokerErr == nil {
		m.messages.WithLabelValues("queued").Set(float64(s.Queued))
		if s.Reserved >= 0 { // RabbitMQ does not tell
			m.messages.WithLabelValues("reserved").Set(float64(s.Reserved))
		}
	}
}

// server tells whether one answered; of one that was not asked, nothing.
func (m *metrics) server(name string, servers map[string]string) {
	switch said, asked := servers[name]; {
	case !asked:
		m.up.DeleteLabelValues(name)
	case said == ok:
		m.up.WithLabelValues(name).Set(1)
	default:
		m.up.WithLabelValues(name).Set(0)
	}
}
