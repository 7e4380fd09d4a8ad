// Package monitorcmd is `leadgenctl monitor`: for those without cron, a process that
// watches the breaker, tells people, and exports metrics.
package monitorcmd

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/adrg/xdg"
	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/monitor"
)

type options struct {
	f       *cmdutil.Factory
	listen  string
	monitor monitor.Options
}

// New returns the command.
func New(f *cmdutil.Factory) *cobra.Command {
	o := &options{f: f}
	cmd := &cobra.Command{
		Use:   "monitor",
		Short: "Watch the breaker, tell people of each transition, and export metrics until Ctrl-C",
		Long: `Watch the live breaker until Ctrl-C. The channels of the configuration (notify) are told
of each transition (critical when it opens, with the reason, the service and the jobs that
were paused, or a second message once they are), of an open breaker that Redis lost, of
one that is open for longer than --max-open, and of tasks that cannot be created. What a
channel does not take is kept in --state and sent later, also after a restart: the last
100 messages, for three days. One that it refuses for good is dropped, which the log and
the metrics show. A second monitor with the same --state is refused.

/metrics is for Prometheus; scripts/prometheus and scripts/grafana have alert rules and a
dashboard. /healthz answers 200 while the monitor does its work, else 503.`,
		Example: "  leadgenctl monitor\n  leadgenctl monitor --listen 0.0.0.0:9464 --interval 30s --max-open 2h",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	flags, m := cmd.Flags(), &o.monitor
	flags.StringVar(&o.listen, "listen", "127.0.0.1:9464", "address of /metrics and /healthz; port 0 for a free one")
	flags.StringVar(&m.StateFile, "state", "", "what was told (default: leadgenctl/monitor.json below the XDG state folder)")
	cmdutil.DurationVar(flags, &m.Interval, "interval", 15*time.Second, "how often everything is looked at; transitions are seen at once")
	cmdutil.DurationVar(flags, &m.MaxOpen, "max-open", time.Hour, "how long the breaker may be open before that is told")
	cmdutil.DurationVar(flags, &m.Remind, "remind", 24*time.Hour, "how often that is told again")
	return cmd
}

func run(ctx context.Context, o *options) error {
	for name, d := range map[string]time.Duration{"interval": o.monitor.Interval, "max-open": o.monitor.MaxOpen, "remind": o.monitor.Remind} {
		if d <= 0 {
			return exit.Usagef("--%s must be positive, not %s", name, d)
		}
	}
	m, err := o.connect(ctx)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return exit.Usagef("--listen %s: %w", o.listen, err)
	}
	server := &http.Server{Handler: m.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	o.f.IO.Infof("watching until Ctrl-C; metrics at http://%s/metrics", listener.Addr())
	err = m.Run(ctx)
	_ = server.Close()
	if errors.Is(err, context.Canceled) {
		return exit.Silent(exit.Interrupted)
	}
	return cmdutil.ExplainQueue(err)
}

func (o *options) connect(ctx context.Context) (*monitor.Monitor, error) {
	channels, err := o.f.Channels()
	if err != nil {
		return nil, err
	}
	q, b, err := o.f.ConnectQueue(ctx, nil)
	if err != nil {
		return nil, err
	}
	pool, err := o.f.Postgres(ctx)
	if err != nil {
		return nil, err
	}
	if o.monitor.StateFile == "" {
		o.monitor.StateFile = filepath.Join(xdg.StateHome, "leadgenctl", "monitor.json")
	}
	if o.monitor.Host, err = os.Hostname(); err != nil {
		o.monitor.Host = "unknown"
	}
	o.monitor.Breaker, o.monitor.Queue, o.monitor.Pool, o.monitor.Channels = b, q, pool, channels
	o.monitor.Warn = o.f.WarnError
	m, err := monitor.New(o.monitor)
	var busy *monitor.BusyError
	if errors.As(err, &busy) {
		return nil, exit.WithHint(exit.Refusedf("%w", err), "end it, or give this one a file of its own: --state FILE")
	}
	return m, err
}
