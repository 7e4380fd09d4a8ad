package cmdutil

import (
	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/exit"
)

// DispatchFlags say how tasks are dispatched, the same for every command that does it.
type DispatchFlags struct {
	AssumeDead  bool
	maxAttempts int
}

// Add registers the flags on cmd.
func (d *DispatchFlags) Add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&d.AssumeDead, "assume-dead", false, "take workers that do not answer for dead: their tasks are made anew, and run twice if they live")
	cmd.Flags().IntVar(&d.maxAttempts, "max-attempts", 0, "how often a task is offered that the broker refuses, before its job is FAILED (default 5, or celery.max-attempts of the config file)")
}

// Apply checks the flags and puts them into the settings.
func (d *DispatchFlags) Apply(f *Factory) error {
	if d.maxAttempts < 0 {
		return exit.Usagef("--max-attempts is %d; it must be at least 1", d.maxAttempts)
	}
	c, err := f.Config()
	if err == nil && d.maxAttempts > 0 {
		c.MaxAttempts = d.maxAttempts
	}
	return err
}
