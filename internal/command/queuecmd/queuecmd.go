// Package queuecmd is `leadgenctl queue`: the jobs beside the breaker, the outbox of
// their tasks, and the guard of their transitions.
package queuecmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/queue"
)

// New returns the command with its verbs.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "Look at the jobs and their tasks; pause, resume, dispatch and retry them",
	}
	cmd.AddCommand(newStatus(f), newPause(f), newResume(f), newRelay(f), newGuard(f), newInspect(f), newRetry(f))
	return cmd
}

// connect returns the manager; with progress, dispatching shows a bar on a terminal.
func connect(ctx context.Context, f *cmdutil.Factory) (*queue.Manager, *breaker.Breaker, func(), error) {
	var bar *cmdutil.Progress
	m, b, err := f.ConnectQueue(ctx, func(done, total int64) {
		if bar == nil {
			bar = f.Progress("resume", total)
		}
		bar.Set(done, total)
	})
	return m, b, func() {
		if bar != nil {
			bar.Done()
		}
	}, err
}

// warn tells on stderr what a person should know at once.
func warn(f *cmdutil.Factory, findings []queue.Finding) {
	for _, found := range findings {
		if found.Loud {
			f.IO.Warnf("%s; %s", found.Detail, found.Action)
		}
	}
}
