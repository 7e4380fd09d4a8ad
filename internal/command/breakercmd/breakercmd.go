// Package breakercmd holds `leadgenctl breaker`: look at the global circuit
// breaker, open it, close it, and follow it.
package breakercmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

// New returns the command and its verbs.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "breaker",
		Short: "Look at the global circuit breaker, open it, close it, follow it",
		Long: `Look at the global circuit breaker, open it, close it, follow it.

While the breaker is open no third-party service is called and all jobs are
paused. Any failure of a service opens it; only a person closes it.`,
		Example: "  leadgenctl breaker status\n  leadgenctl breaker open --reason \"Apollo maintenance\" --service apollo\n  leadgenctl breaker close --reason \"Apollo is back\"",
	}
	cmd.AddCommand(newStatus(f, runStatus), newOpen(f, runOpen), newClose(f, runClose), newHistory(f, runHistory), newWatch(f, runWatch))
	return cmd
}

// connect returns the breaker on the configured Redis.
func connect(ctx context.Context, f *cmdutil.Factory) (*breaker.Breaker, error) {
	c, err := f.Config()
	if err != nil {
		return nil, err
	}
	client, err := f.Redis(ctx)
	if err != nil {
		return nil, err
	}
	return breaker.New(client, breaker.Settings{Actor: c.Actor})
}

// classify gives what the breaker refuses its exit code and the next step.
func classify(err error) error {
	var malformed *breaker.MalformedError
	if !errors.As(err, &malformed) {
		return err
	}
	if malformed.Key != breaker.DefaultKey || malformed.Value == "" {
		return exit.WithHint(exit.Refusedf("%w", err),
			"nothing was changed; find out what wrote the key and rename it away: redis-cli RENAME %q %q", malformed.Key, malformed.Key+":set-aside")
	}
	return exit.WithHint(exit.Refusedf("%w", err),
		"nothing was changed; find out who wrote it, then replace it: leadgenctl breaker open|close --replace-malformed")
}
