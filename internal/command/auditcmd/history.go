package auditcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/audit"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

func newHistory(f *cmdutil.Factory) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "history",
		Short:   "List the last audits, newest first",
		Example: "  leadgenctl audit history\n  leadgenctl audit history --limit 100 -o json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runHistory(cmd.Context(), f, limit) },
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many")
	return cmd
}

func runHistory(ctx context.Context, f *cmdutil.Factory, limit int) error {
	if limit < 1 {
		return exit.Usagef("--limit must be positive")
	}
	pool, err := f.Postgres(ctx)
	if err != nil {
		return err
	}
	runs, err := audit.History(ctx, pool, limit)
	if err != nil {
		return cmdutil.Explain(err)
	}
	value := struct {
		Audits []audit.Run `json:"audits"`
	}{append([]audit.Run{}, runs...)}
	return f.Print(value, func(w io.Writer) error {
		if len(runs) == 0 {
			_, err := fmt.Fprintln(w, "No audit was kept yet: leadgenctl audit run")
			return err
		}
		rows := make([][]string, len(runs))
		for i, r := range runs {
			rows[i] = []string{strconv.FormatInt(r.ID, 10), cmdutil.Time(r.StartedAt), r.FinishedAt.Sub(r.StartedAt).Round(time.Millisecond).String(),
				cmdutil.Count(r.Findings), cmdutil.Count(r.Errors), r.Host}
		}
		return f.Table(w, []string{"audit", "started", "took", "findings", "errors", "host"}, rows)
	})
}

func newDiff(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "diff [A B]",
		Short: "Show what the later of two audits found that the earlier did not, and the other way round",
		Long: `Show what changed between two audits, by their numbers in "audit history"; between the
last two without numbers. A check that was left out of one of them, or could not run in the
later, counts as neither found nor resolved. Audits of the last week are compared row by
row, older ones by their counts.`,
		Example: "  leadgenctl audit diff\n  leadgenctl audit diff 41 57 -o json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 0 && len(args) != 2 {
				return fmt.Errorf("two numbers, or none, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runDiff(cmd.Context(), f, args) },
	}
}

func runDiff(ctx context.Context, f *cmdutil.Factory, args []string) error {
	var a, b int64
	var err error
	if len(args) == 0 {
		a, b, err = lastTwo(ctx, f)
	} else if a, err = number(args[0]); err == nil {
		b, err = number(args[1])
	}
	if err != nil {
		return err
	}
	pool, err := f.Postgres(ctx)
	if err != nil {
		return err
	}
	from, before, err := audit.Load(ctx, pool, a)
	if err == nil {
		to, after, loadErr := audit.Load(ctx, pool, b)
		if err = loadErr; err == nil {
			return printDiff(f, from, to, audit.Diff(before, after, to.StartedAt))
		}
	}
	if errors.Is(err, audit.ErrNoRun) {
		return exit.WithHint(exit.Refusedf("%w", err), "see: leadgenctl audit history")
	}
	return cmdutil.Explain(err)
}

func printDiff(f *cmdutil.Factory, from, to audit.Run, events []audit.Event) error {
	value := struct {
		From   audit.Run     `json:"from"`
		To     audit.Run     `json:"to"`
		Events []audit.Event `json:"events"`
	}{from, to, append([]audit.Event{}, events...)}
	return f.Print(value, func(w io.Writer) error {
		if len(events) == 0 {
			_, err := fmt.Fprintf(w, "Audits %d and %d found the same.\n", from.ID, to.ID)
			return err
		}
		return f.Table(w, eventHeader, eventRows(events))
	})
}
