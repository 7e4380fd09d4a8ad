// Package root puts the command tree together.
package root

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/auditcmd"
	"github.com/leadgenctl/leadgenctl/internal/command/breakercmd"
	"github.com/leadgenctl/leadgenctl/internal/command/campaigncmd"
	"github.com/leadgenctl/leadgenctl/internal/command/checkcmd"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/command/configcmd"
	"github.com/leadgenctl/leadgenctl/internal/command/doctorcmd"
	"github.com/leadgenctl/leadgenctl/internal/command/migratecmd"
	"github.com/leadgenctl/leadgenctl/internal/command/migratestatecmd"
	"github.com/leadgenctl/leadgenctl/internal/command/monitorcmd"
	"github.com/leadgenctl/leadgenctl/internal/command/queuecmd"
	"github.com/leadgenctl/leadgenctl/internal/command/reconcilecmd"
	"github.com/leadgenctl/leadgenctl/internal/command/snapshotcmd"
	"github.com/leadgenctl/leadgenctl/internal/command/taskscmd"
	"github.com/leadgenctl/leadgenctl/internal/command/versioncmd"
	"github.com/leadgenctl/leadgenctl/internal/command/workerscmd"
	"github.com/leadgenctl/leadgenctl/internal/config"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/iostreams"
)

// The groups of commands in the help.
const (
	groupOperate = "operate"
	groupMigrate = "migrate"
	groupCheck   = "check"
	groupSetup   = "setup"
)

// New returns the root command and the factory of its clients. It connects to
// nothing and reads no file.
func New(io *iostreams.IOStreams) (*cobra.Command, *cmdutil.Factory) {
	cmd := &cobra.Command{
		Use:           "leadgenctl",
		Short:         "Operate Celery jobs in PostgreSQL behind one global circuit breaker in Redis",
		SilenceUsage:  true,
		SilenceErrors: true,
		Example: `  leadgenctl breaker status
  leadgenctl migrate-state --dry-run
  leadgenctl check-consistency -o json`,
	}
	flags := cmd.PersistentFlags()
	config.AddFlags(flags)
	f := cmdutil.New(io, flags)
	flags.StringVarP(&f.Output, "output", "o", "table", "output format: table, json or yaml")
	flags.BoolVarP(&f.Verbose, "verbose", "v", false, "say more: the causes of errors, and what is done")
	noColor := flags.Bool("no-color", false, "no colour, as with NO_COLOR")
	noProgress := flags.Bool("no-progress", false, "no progress bars")
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error {
		if *noColor {
			io.DisableColor()
		}
		if *noProgress {
			io.DisableProgress()
		}
		if err := config.ApplyEnvFile(flags); err != nil {
			return exit.Usagef("%w", err)
		}
		return f.CheckOutput()
	}
	cmd.SetIn(io.In)
	cmd.SetOut(io.Out)
	cmd.SetErr(io.ErrOut)
	addCommands(cmd, f)
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return exit.WithHint(exit.Usagef("%w", err), "see: %s --help", c.CommandPath())
	})
	fitHelp(cmd)
	cmd.InitDefaultCompletionCmd()
	strict(cmd)
	return cmd, f
}

func addCommands(cmd *cobra.Command, f *cmdutil.Factory) {
	cmd.AddGroup(
		&cobra.Group{ID: groupOperate, Title: "Operate:"},
		&cobra.Group{ID: groupMigrate, Title: "Migrate:"},
		&cobra.Group{ID: groupCheck, Title: "Check:"},
		&cobra.Group{ID: groupSetup, Title: "Set up:"})
	cmd.SetHelpCommandGroupID(groupSetup)
	cmd.SetCompletionCommandGroupID(groupSetup)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			cmd.AddCommand(c)
		}
	}
	add(groupOperate, breakercmd.New(f), queuecmd.New(f), reconcilecmd.New(f), workerscmd.New(f))
	add(groupOperate, taskscmd.New(f))
	add(groupMigrate, migratestatecmd.New(f), snapshotcmd.New(f))
	add(groupMigrate, migratecmd.New(f))
	add(groupOperate, campaigncmd.New(f))
	add(groupCheck, checkcmd.New(f), auditcmd.New(f), monitorcmd.New(f), doctorcmd.New(f))
	add(groupSetup, configcmd.New(f), versioncmd.New(f))
}

// strict makes every wrong word a usage error: cobra itself shows the help, with
// exit code 0, for an unknown verb below a noun.
func strict(c *cobra.Command) {
	if !c.Runnable() {
		c.Args = unknownVerb
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	} else if args := c.Args; args != nil {
		c.Args = func(c *cobra.Command, words []string) error {
			if err := args(c, words); err != nil {
				return exit.WithHint(exit.Usagef("%s: %w", c.CommandPath(), err), "see: %s --help", c.CommandPath())
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		strict(sub)
	}
}

func unknownVerb(c *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	hint := "see: " + c.CommandPath() + " --help"
	c.SuggestionsMinimumDistance = 2
	if similar := c.SuggestionsFor(words[0]); len(similar) > 0 {
		hint = "did you mean: " + c.CommandPath() + " " + strings.Join(similar, ", ")
	}
	return exit.WithHint(exit.Usagef("unknown command %q for %q", words[0], c.CommandPath()), "%s", hint)
}
