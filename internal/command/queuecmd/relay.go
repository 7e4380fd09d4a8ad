package queuecmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue"
)

type relayOptions struct {
	f        *cmdutil.Factory
	watch    bool
	dryRun   bool
	interval time.Duration
	dispatch cmdutil.DispatchFlags
}

func newRelay(f *cmdutil.Factory) *cobra.Command {
	o := relayOptions{f: f}
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Dispatch the tasks that wait in the outbox",
		Long: `Dispatch the tasks that wait in the outbox, and exit; with --watch, go on until Ctrl-C.

Any number of relays may run: each batch is taken by one of them, and a batch that a
relay left half-way is published once all the same. A broker that is away ends the
command with exit code 5; the outbox keeps the tasks.`,
		Example: "  leadgenctl queue relay\n  leadgenctl queue relay --watch --interval 5s",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runRelay(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.watch, "watch", false, "go on until Ctrl-C")
	cmd.Flags().DurationVar(&o.interval, "interval", 2*time.Second, "with --watch: how often the outbox is looked at")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "count the tasks that would be dispatched, and dispatch none")
	cmd.MarkFlagsMutuallyExclusive("watch", "dry-run")
	o.dispatch.Add(cmd)
	return cmd
}

func runRelay(ctx context.Context, o relayOptions) error {
	if o.interval <= 0 {
		return exit.Usagef("--interval must be positive")
	}
	if err := o.dispatch.Apply(o.f); err != nil {
		return err
	}
	m, _, done, err := connect(ctx, o.f)
	if err != nil {
		return err
	}
	defer done()
	if o.dryRun {
		s, err := m.Status(ctx)
		if err != nil {
			return cmdutil.ExplainQueue(err)
		}
		v := relayPlan{true, s.OutboxPending}
		return o.f.Print(v, func(w io.Writer) error {
			_, err := fmt.Fprintln(w, cmdutil.Plural(v.OutboxPending, "task waits", "tasks wait"), "in the outbox, and would be dispatched")
			return err
		})
	}
	if !o.watch {
		d, err := m.Relay(ctx, queue.RelayOptions{AssumeDead: o.dispatch.AssumeDead})
		if err != nil && !partly(err) {
			return cmdutil.ExplainQueue(err)
		}
		v := cmdutil.DispatchedOf(d)
		if printed := o.f.Print(v, func(w io.Writer) error { return o.f.Fields(w, v.Fields()...) }); printed != nil {
			return printed
		}
		if err == nil {
			err = cmdutil.Failed(d.JobsFailed)
		}
		return cmdutil.ExplainQueue(err)
	}
	return o.follow(ctx, m)
}

type relayPlan struct {
	DryRun        bool  `json:"dry_run"`
	OutboxPending int64 `json:"outbox_pending"`
}

func partly(err error) bool {
	return errors.Is(err, queue.ErrBrokerAway) || errors.Is(err, queue.ErrUnknownHolder) || errors.Is(err, queue.ErrReopened)
}

// follow prints a line for each round in which something was dispatched, and says once
// what keeps it from working.
func (o relayOptions) follow(ctx context.Context, m *queue.Manager) error {
	last := ""
	for {
		d, err := m.Relay(ctx, queue.RelayOptions{AssumeDead: o.dispatch.AssumeDead})
		if ctx.Err() != nil {
			return exit.Silent(exit.Interrupted)
		}
		if errors.Is(err, queue.ErrSchemaMissing) || errors.Is(err, queue.ErrUnregistered) {
			return cmdutil.ExplainQueue(err)
		}
		if moved := d.TasksCreated + d.TasksReused + d.JobsStillRunning + d.JobsFailed; moved > 0 {
			v := cmdutil.DispatchedOf(d)
			if err := o.f.PrintLine(v, func(w io.Writer) error { return o.f.Fields(w, v.Fields()...) }); err != nil {
				return err
			}
		}
		text := ""
		if err != nil {
			text = cmdutil.Explain(err).Error()
		}
		if text != "" && text != last {
			o.f.IO.Warnf("%s", text)
		}
		last = text
		select {
		case <-ctx.Done():
			return exit.Silent(exit.Interrupted)
		case <-time.After(o.interval):
		}
	}
}
