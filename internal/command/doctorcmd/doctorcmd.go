// Package doctorcmd is `leadgenctl doctor`: can this machine, with these settings and
// these rights, operate the platform, and are its servers set up for it?
package doctorcmd

import (
	"context"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/config"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

type options struct {
	factory *cmdutil.Factory
	failOn  string
}

// New returns the command.
func New(f *cmdutil.Factory) *cobra.Command {
	o := &options{factory: f}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether leadgenctl can work here: settings, servers, rights, versions, table settings",
		Long: `Say whether leadgenctl can work here: which settings are in force, whether each
server answers, which rights this user has there, versions, persistence and eviction
of Redis, our schema, clocks, and the indexes and settings of the table jobs that make
pauses slow. Reads only, and needs no more than the reader's rights.

What the data says is asked of check-consistency; doctor looks at the surroundings.

Exit code 0: nothing found that --fail-on names. 1: something was found. 2: bad
settings. 3: a server cannot be reached, or something could not be looked at.`,
		Example: `  leadgenctl doctor
  leadgenctl doctor --context prod -o json
  leadgenctl doctor --fail-on=warning`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.failOn, "fail-on", string(consistency.FailOnError), "what makes the exit code 1: findings of severity error, warning (and error), or never")
	return cmd
}

// visit is one run: what it has reached, and what it has found.
type visit struct {
	factory     *cmdutil.Factory
	config      *config.Config
	pool        *pgxpool.Pool
	postgresErr error
	redis       redis.UniversalClient
	redisErr    error
	report      report
}

func runDoctor(ctx context.Context, o *options) error {
	failOn := consistency.FailOn(o.failOn)
	if !failOn.Valid() {
		return exit.Usagef("--fail-on is error, warning or never, not %q", o.failOn)
	}
	c, err := o.factory.Config()
	if err != nil {
		return err
	}
	v := &visit{factory: o.factory, config: c, report: report{Checks: []consistency.Result{}}}
	v.settings()
	if err := v.connect(ctx); err != nil {
		return err
	}
	v.postgres(ctx)
	v.redisServer(ctx)
	if err := v.broker(ctx); err != nil {
		return err
	}
	v.jobsTable(ctx)
	if err := v.surroundings(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	v.report.summarize()
	if err := o.factory.Print(v.report, func(w io.Writer) error { return v.report.write(o.factory, w) }); err != nil {
		return err
	}
	return v.report.verdict(failOn)
}

// connect tries both servers at once, so that two silent ones cost one time-out. One
// that is away is a finding; an address that cannot be read ends the run.
func (v *visit) connect(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		v.redis, v.redisErr = v.factory.Redis(ctx)
	}()
	v.pool, v.postgresErr = v.factory.Postgres(ctx)
	<-done
	for _, err := range []error{v.postgresErr, v.redisErr} {
		if exit.Code(err) == exit.Usage {
			return err
		}
	}
	return ctx.Err()
}

// within bounds one question to a server.
func (v *visit) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, v.config.Timeout)
}

// surroundings are those checks of the catalogue that are about the servers and our
// schema, and not about the data.
func (v *visit) surroundings(ctx context.Context) error {
	if v.postgresErr != nil && v.redisErr != nil {
		return nil // both are reported, and nothing is left to look at
	}
	r, err := consistency.Run(ctx, consistency.Options{
		Pool: v.pool, PostgresErr: v.postgresErr, Redis: v.redis, RedisErr: v.redisErr,
		Services: v.config.Services, Timeout: v.config.Timeout, StatementTimeout: v.config.Timeout, Settle: 100 * time.Millisecond,
		Only: []string{"LGB010", "LGB011", "LGB012", "LGE001", "LGE002", "LGS002", "LGS003", "LGS004", "LGS005", "LGS006", "LGS008"},
	})
	if err != nil {
		return err
	}
	v.report.Checks = append(v.report.Checks, r.Checks...)
	return nil
}
