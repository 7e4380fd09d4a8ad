package breakercmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

type watchOptions struct {
	f     *cmdutil.Factory
	after string
}

func newWatch(f *cmdutil.Factory, run func(context.Context, watchOptions) error) *cobra.Command {
	o := watchOptions{f: f}
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Follow the breaker's transitions until Ctrl-C",
		Long: `Follow the breaker's transitions until Ctrl-C, which ends it with exit code 130.

With -o json each transition is one line. Changes that Python workers write are
found within a quarter of a second; they have no epoch until they are adopted.
An open breaker that Redis loses is told as "lost", for the app takes it for closed.
While Redis is away the command says so and goes on when it is back. --after
continues behind an event's id (see history -o json); "0-0" begins with the first.`,
		Example: "  leadgenctl breaker watch\n  leadgenctl breaker watch -o json --after 0-0",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.after, "after", "", "the id of the last event that was seen")
	return cmd
}

func runWatch(ctx context.Context, o watchOptions) error {
	if o.after != "" && !regexp.MustCompile(`^\d{1,19}-\d{1,19}$`).MatchString(o.after) {
		return exit.Usagef("--after %q is not the id of an event, such as 1767608441870-0", o.after)
	}
	b, err := connect(ctx, o.f)
	if err != nil {
		return err
	}
	st, err := b.State(ctx)
	if err != nil {
		return classify(err)
	}
	o.f.IO.Infof("%s is %s; following it until Ctrl-C", b.Keys().Breaker, st.State)
	for e, err := range b.Watch(ctx, o.after) {
		if err != nil {
			var malformed *breaker.MalformedError
			if errors.As(err, &malformed) {
				o.f.IO.Warnf("%v", err)
			} else {
				o.f.IO.Warnf("%v; trying on", cmdutil.Explain(err))
			}
			continue
		}
		out := eventOf(e)
		if err := o.f.PrintLine(out, out.writeLine); err != nil {
			return err
		}
	}
	return exit.Silent(exit.Interrupted)
}

func (e event) writeLine(w io.Writer) error {
	line := fmt.Sprintf("%s  %-8s  epoch %s  by %s", e.at(), e.Kind, e.epoch(), e.who())
	if e.Service != "" {
		line += "  service " + e.Service
	}
	if why := e.why(); why != "" {
		line += ": " + why
	}
	_, err := fmt.Fprintln(w, output.OneLine(line))
	return err
}
