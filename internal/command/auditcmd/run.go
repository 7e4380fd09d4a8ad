package auditcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/audit"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/command/versioncmd"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

type runOptions struct {
	f        *cmdutil.Factory
	checks   cmdutil.CheckFlags
	baseline string
	jitter   time.Duration
	audit    audit.Options
}

// runView is the JSON of an audit, which scripts rely on.
type runView struct {
	Busy string `json:"busy,omitempty"` // why nothing was done: who else audits
	*audit.Outcome
	Summary *consistency.Summary `json:"summary,omitempty"`
}

func newRun(f *cmdutil.Factory) *cobra.Command {
	o := &runOptions{f: f}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the checks, keep the run, and notify of what is new, worse or resolved",
		Long: `Run the checks of check-consistency, keep the run in leadgenctl.audit_runs, and notify
each channel of what is new, worse or resolved since it was last told, with a reminder of
what stays. Each row is known again; above 1,000 rows of a check, a tenth more is worse. Of
what happened (tasks that could not be created, illegal transitions) each channel hears
once. What --only and --skip leave out stays as it was told. A message that fails is made anew by the next audit, and
nothing is lost meanwhile. Channels are set under notify in the config file, or in
LEADGENCTL_NOTIFY as "name=URL name=URL".

One audit runs at a time: a second one says so and exits with 0. Where PostgreSQL is away
the audit goes on with what can be checked, and keeps what it told in --state.

Exit code 0: nothing found that --fail-on names. 1: something was found. 3: some check
could not run. 5: a channel could not be told, or the run could not be kept. 130:
interrupted; nobody is told, and the health check hears of a failure.`,
		Example: `  leadgenctl audit run
  leadgenctl audit run --jitter 30s --textfile /var/lib/node_exporter/jobs.prom
  leadgenctl audit run --fail-on=never --baseline known.yaml -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAudit(cmd.Context(), o) },
	}
	o.checks.Add(cmd)
	flags, a := cmd.Flags(), &o.audit
	flags.StringVar(&o.baseline, "baseline", "", "file of known findings, which are not told")
	cmdutil.DurationVar(flags, &o.jitter, "jitter", 0, "wait for a random part of this first, so that many hosts do not start at once")
	flags.StringVar(&a.Textfile, "textfile", "", "write metrics to this file (*.prom) for node_exporter's textfile collector")
	flags.StringVar(&a.StateFile, "state", "", "what was told, for when PostgreSQL is away (default: leadgenctl/audit.json below the XDG state folder)")
	cmdutil.DurationVar(flags, &a.Keep, "keep", 90*24*time.Hour, "how long runs are kept")
	cmdutil.DurationVar(flags, &a.Remind, "remind", 24*time.Hour, "how often an old finding is told again (0: never)")
	cmdutil.DurationVar(flags, &a.Quiet, "rate-limit", time.Minute, "the least time between two messages on a channel; what is held back comes with the next one")
	return cmd
}

func runAudit(ctx context.Context, o *runOptions) error {
	if err := o.prepare(); err != nil {
		return err
	}
	if o.jitter > 0 {
		select {
		case <-ctx.Done():
			return exit.Silent(exit.Interrupted)
		case <-time.After(rand.N(o.jitter)):
		}
	}
	if err := o.checks.Connect(ctx, o.f); err != nil {
		return err
	}
	o.checks.Run.Version = versioncmd.Version
	o.audit.Checks, o.audit.Pool, o.audit.FailOn = o.checks.Run, o.checks.Run.Pool, consistency.FailOn(o.checks.FailOn)
	partial := false
	o.audit.Warn = func(err error) {
		partial = true
		o.f.WarnError(err)
	}
	out, err := audit.Do(ctx, o.audit)
	var busy *audit.BusyError
	if errors.As(err, &busy) {
		return o.f.Print(runView{Busy: busy.Error()}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "Nothing was done: %v.\n", busy)
			return err
		})
	}
	if err != nil {
		return cmdutil.Explain(err)
	}
	v := runView{Outcome: out, Summary: &out.Report.Summary}
	if err := o.f.Print(v, func(w io.Writer) error { return v.write(o.f, w) }); err != nil {
		return err
	}
	if err := cmdutil.CheckVerdict(out.Report, o.audit.FailOn); err != nil {
		return err
	}
	if partial || slices.ContainsFunc(out.Deliveries, func(d audit.Delivery) bool { return d.Status == audit.Failed }) {
		return exit.Silent(exit.Partial)
	}
	return nil
}

// prepare checks everything that needs no server.
func (o *runOptions) prepare() error {
	if err := o.f.CheckOutput(); err != nil {
		return err
	}
	if err := o.checks.Validate(); err != nil {
		return err
	}
	if o.audit.Keep <= 0 {
		return exit.Usagef("--keep must be positive, not %s", o.audit.Keep)
	}
	for name, d := range map[string]time.Duration{"jitter": o.jitter, "remind": o.audit.Remind, "rate-limit": o.audit.Quiet} {
		if d < 0 {
			return exit.Usagef("--%s cannot be negative: %s", name, d)
		}
	}
	if err := validTextfile(o.audit.Textfile); err != nil {
		return err
	}
	c, err := o.f.Config()
	if err != nil {
		return err
	}
	if o.baseline != "" {
		if o.audit.Baseline, err = cmdutil.ReadBaseline(o.baseline); err != nil {
			return err
		}
	}
	if o.audit.Channels, err = o.f.Channels(); err != nil {
		return err
	}
	if u, err := url.Parse(c.PingURL); err != nil || c.PingURL != "" && (u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https") {
		return exit.Usagef("ping-url is no http or https URL")
	}
	o.audit.PingURL = c.PingURL
	if o.audit.Host, err = os.Hostname(); err != nil {
		o.audit.Host = "unknown"
	}
	return nil
}

func (v runView) write(f *cmdutil.Factory, w io.Writer) error {
	if len(v.Events) > 0 {
		if err := f.Table(w, eventHeader, eventRows(v.Events)); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	stored := "not kept"
	if v.Stored {
		stored = fmt.Sprintf("audit %d", v.Run.ID)
	}
	_, err := fmt.Fprintf(w, "%s: %d findings, %d checks could not run; %d changes since the last audit\n", stored, v.Summary.Fail, v.Summary.Error, len(v.Events))
	for _, d := range v.Deliveries {
		if d.Status == audit.Silent {
			continue
		}
		line := fmt.Sprintf("%s: %s (%d events)", d.Channel, d.Status, len(d.Events))
		if d.Error != "" {
			line += ": " + d.Error
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return err
}

var eventHeader = []string{"change", "check", "severity", "count", "was", "title"}

func eventRows(events []audit.Event) [][]string {
	rows := make([][]string, len(events))
	for i, e := range events {
		rows[i] = []string{string(e.Kind), e.Check, string(e.Severity), cmdutil.Count(e.Count), cmdutil.Count(e.Before), e.Title}
	}
	return rows
}
