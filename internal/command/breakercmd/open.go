package breakercmd

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue"
)

type openOptions struct {
	f                *cmdutil.Factory
	reason, service  string
	dryRun           bool
	replaceMalformed bool
	withdraw         bool
}

func newOpen(f *cmdutil.Factory, run func(context.Context, openOptions) error) *cobra.Command {
	o := openOptions{f: f}
	cmd := &cobra.Command{
		Use:   "open --reason REASON",
		Short: "Open the breaker: no service is called any more, and all active jobs are paused",
		Long: `Open the breaker: no service is called any more, and all active jobs are paused.

Redis comes first, so that work stops at once; then one transaction in PostgreSQL
records the transition and pauses every PENDING and PROCESSING job. Where
PostgreSQL cannot be reached the breaker is opened all the same, and the command
ends with exit code 5: "leadgenctl reconcile", or the same command again,
completes it. On an open breaker the command changes nothing in it and says so.

With --withdraw the messages of the paused jobs are taken off the queue as well (and
kept): workers that do not look at the breaker cannot run them then.`,
		Example: "  leadgenctl breaker open --reason \"Apollo maintenance\" --service apollo\n  leadgenctl breaker open --reason drill --dry-run",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.reason, "reason", "", "why; shown to everybody and kept on the jobs (required)")
	cmd.Flags().StringVar(&o.service, "service", "", "the third-party service in question")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show what would change, and change nothing")
	cmd.Flags().BoolVar(&o.replaceMalformed, "replace-malformed", false, "replace a value that is not a breaker; it is kept in the history")
	cmd.Flags().BoolVar(&o.withdraw, "withdraw", false, "take the paused jobs' messages off the queue")
	must(cmd.MarkFlagRequired("reason"))
	return cmd
}

func must(err error) {
	if err != nil {
		panic(err) // a flag of that name does not exist
	}
}

func runOpen(ctx context.Context, o openOptions) error {
	if strings.TrimSpace(o.reason) == "" {
		return exit.Usagef("--reason is empty; say why the breaker is opened")
	}
	db := connecting(ctx, o.f)
	b, err := connect(ctx, o.f)
	if err != nil {
		return err
	}
	if o.dryRun {
		return planWith(ctx, o.f, b, breaker.Open, o.reason, o.service, func(r *result) error { return o.planWithdraw(ctx, b, db, r) })
	}
	opts := breaker.OpenOptions{Reason: o.reason, Service: o.service, ReplaceMalformed: o.replaceMalformed}
	var first breaker.Transition
	var pool *pgxpool.Pool
	select {
	case c := <-db:
		pool, err = c.pool, c.err
	case <-time.After(connectGrace):
		// Work must stop now; PostgreSQL may take its time.
		if first, err = b.Open(ctx, opts); err != nil {
			return classify(err)
		}
		c := <-db
		pool, err = c.pool, c.err
	}
	if exit.Code(err) == exit.Usage {
		return err
	}
	m, newErr := newManager(o.f, pool, b, nil)
	if newErr != nil {
		return newErr
	}
	r, openErr := m.Open(ctx, opts)
	if first.Changed {
		r.Transition.Changed, r.Transition.Previous = true, first.Previous
	}
	var partial *queue.PartialError
	if err != nil && errors.As(openErr, &partial) {
		partial.Err = err // why there is no pool
	}
	if !o.withdraw || openErr != nil {
		return show(o.f, r, breaker.Open, openErr)
	}
	n, err := m.WithdrawPaused(ctx)
	if err != nil {
		err = exit.WithHint(exit.Partialf("the jobs are paused, but their messages were not all withdrawn: %w", err), "run the same command again")
	}
	return errors.Join(showWith(o.f, r, breaker.Open, nil, func(out *result) { out.MessagesWithdrawn = &n }), err)
}

// planWithdraw says how many messages would be taken off the queue.
func (o openOptions) planWithdraw(ctx context.Context, b *breaker.Breaker, db <-chan connection, r *result) error {
	c := <-db
	if !o.withdraw || c.err != nil {
		return nil // the jobs could not be counted either, which is said
	}
	m, err := newManager(o.f, c.pool, b, nil)
	if err != nil {
		return err
	}
	n, err := m.WithdrawablePaused(ctx)
	if err != nil {
		return exit.Partialf("the messages could not be counted: %w", cmdutil.Explain(err))
	}
	r.MessagesWithdrawn = &n
	return nil
}

type connection struct {
	pool *pgxpool.Pool
	err  error
}

// connecting connects to PostgreSQL in the background.
func connecting(ctx context.Context, f *cmdutil.Factory) <-chan connection {
	ch := make(chan connection, 1)
	go func() {
		pool, err := f.Postgres(ctx)
		ch <- connection{pool, err}
	}()
	return ch
}
