package auditcmd

import (
	"embed"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

//go:embed units
var units embed.FS

type installOptions struct {
	f                         *cmdutil.Factory
	systemd, cron, kubernetes bool

	Every    time.Duration
	User     string
	Binary   string
	EnvFile  string
	Textfile string
	Image    string
}

func newInstall(f *cmdutil.Factory) *cobra.Command {
	o := installOptions{f: f}
	cmd := &cobra.Command{
		Use:   "install --systemd | --cron | --kubernetes",
		Short: "Print what runs the audit regularly: systemd units, a cron file or a CronJob",
		Long: `Print what runs the audit regularly; nothing is installed. The units run as a user of
their own, end an audit that hangs, and hold no secret: addresses and passwords are read
from an environment file that root alone may write, or from a Kubernetes secret. The file
has a NAME=value a line, unquoted, as systemd, Docker, kubectl and --env-file of this
program read it; a shell need not understand it.

While PostgreSQL is away a file keeps what was told: in systemd's state folder, in the
home of the cron job's user, or in a small volume, which Kubernetes makes by its default
storage class. Metrics for node_exporter are written where --textfile says, which --user
must be able to do.`,
		Example: `  leadgenctl audit install --systemd
  leadgenctl audit install --systemd --textfile /var/lib/node_exporter/jobs.prom
  leadgenctl audit install --cron --every 10m
  leadgenctl audit install --kubernetes --image example.org/leadgenctl:1.0`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.print() },
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.systemd, "systemd", false, "a service and a timer")
	flags.BoolVar(&o.cron, "cron", false, "a file for /etc/cron.d")
	flags.BoolVar(&o.kubernetes, "kubernetes", false, "a CronJob, and a PersistentVolumeClaim for what was told")
	cmdutil.DurationVar(flags, &o.Every, "every", 15*time.Minute, "how often; minutes that divide an hour, or 1h")
	flags.StringVar(&o.User, "user", "leadgenctl", "who runs it")
	flags.StringVar(&o.Binary, "binary", "/usr/local/bin/leadgenctl", "where the program is")
	flags.StringVar(&o.EnvFile, "env-file", "/etc/leadgenctl/env", "file of NAME=value lines with the addresses and secrets")
	flags.StringVar(&o.Textfile, "textfile", "", "write metrics to this file for node_exporter's textfile collector; not with --kubernetes")
	flags.StringVar(&o.Image, "image", "leadgenctl:latest", "with --kubernetes: the container image")
	cmd.MarkFlagsMutuallyExclusive("systemd", "cron", "kubernetes")
	cmd.MarkFlagsOneRequired("systemd", "cron", "kubernetes")
	return cmd
}

func (o installOptions) print() error {
	if m := o.Minutes(); o.Every%time.Minute != 0 || m < 1 || m > 60 || 60%m != 0 {
		return exit.Usagef("--every %s is not a number of minutes that divides an hour", o.Every)
	}
	if err := o.validate(); err != nil {
		return err
	}
	name := "units/systemd.tmpl"
	switch {
	case o.cron:
		name = "units/cron.tmpl"
	case o.kubernetes:
		name = "units/kubernetes.tmpl"
	}
	t, err := template.ParseFS(units, name)
	if err != nil {
		return fmt.Errorf("read the template: %w", err)
	}
	if err := t.Execute(o.f.IO.Out, o); err != nil {
		return fmt.Errorf("write the units: %w", err)
	}
	return nil
}

// validate refuses what makes a unit that cannot work.
func (o installOptions) validate() error {
	for flag, value := range map[string]string{"user": o.User, "binary": o.Binary, "env-file": o.EnvFile, "image": o.Image} {
		if value == "" {
			return exit.Usagef("--%s cannot be empty", flag)
		}
	}
	for flag, path := range map[string]string{"binary": o.Binary, "env-file": o.EnvFile, "textfile": o.Textfile} {
		if path != "" && !filepath.IsAbs(path) {
			return exit.Usagef("--%s must be an absolute path, not %q", flag, path)
		}
	}
	for _, word := range []string{o.User, o.Binary, o.EnvFile, o.Textfile, o.Image} {
		if !plain(word) {
			return exit.Usagef("%q holds characters that a unit cannot have", word)
		}
	}
	if o.kubernetes && o.Textfile != "" {
		return exit.Usagef("--textfile is no use in a pod, where no node_exporter reads it")
	}
	return validTextfile(o.Textfile)
}

// validTextfile refuses a name that node_exporter's collector passes over.
func validTextfile(name string) error {
	if name != "" && !strings.HasSuffix(name, ".prom") {
		return exit.Usagef("--textfile must end in .prom, since node_exporter reads no other file: %q", name)
	}
	return nil
}

// plain says whether a word needs no quoting in any of the units.
func plain(s string) bool {
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '/', r == '.', r == '-', r == '_', r == ':', r == '@':
		default:
			return false
		}
	}
	return true
}

// Minutes is Every in minutes.
func (o installOptions) Minutes() int { return int(o.Every / time.Minute) }

// Schedule is the schedule in cron's five fields.
func (o installOptions) Schedule() string {
	if o.Minutes() == 60 {
		return "0 * * * *"
	}
	return fmt.Sprintf("*/%d * * * *", o.Minutes())
}

// Args are the arguments of an audit in these units: findings are told by the channels
// and the metrics, so that the exit code is left to what keeps an audit from working.
func (o installOptions) Args() string {
	args := "audit run --fail-on=never --jitter=30s --no-progress"
	if o.Textfile != "" {
		args += " --textfile=" + o.Textfile
	}
	return args
}

// ArgList is Args as a list in YAML's flow style.
func (o installOptions) ArgList() string { return strings.Join(strings.Fields(o.Args()), ", ") }

// Calendar is the schedule in systemd's form.
func (o installOptions) Calendar() string {
	if o.Minutes() == 60 {
		return "hourly"
	}
	return fmt.Sprintf("*:0/%d", o.Minutes())
}

// Textdir is the folder of the textfile.
func (o installOptions) Textdir() string { return filepath.Dir(o.Textfile) }
