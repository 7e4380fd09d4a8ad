package root

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/iostreams"
)

// Execute runs the command that args name and returns the exit code. Errors are
// printed here and nowhere else. A cancelled ctx is an interruption.
func Execute(ctx context.Context, io *iostreams.IOStreams, args []string) (code int) {
	cmd, f := New(io)
	defer f.Close()
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(io.ErrOut, "error: internal fault: %v\n", p)
			if f.Verbose {
				fmt.Fprintf(io.ErrOut, "%s", debug.Stack())
			} else {
				fmt.Fprintln(io.ErrOut, "  run again with --verbose and report what it prints")
			}
			code = exit.Findings
		}
	}()
	cmd.SetArgs(args)
	ran, err := cmd.ExecuteContextC(ctx)
	err = classify(ctx, ran, err)
	report(f, err)
	return exit.Code(err)
}

// classify gives codes to what cobra and the servers return.
func classify(ctx context.Context, cmd *cobra.Command, err error) error {
	var e *exit.Error
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case ctx.Err() != nil:
		return &exit.Error{Code: exit.Interrupted, Err: errors.New("interrupted")}
	case strings.HasPrefix(err.Error(), "required flag(s)"), strings.HasPrefix(err.Error(), "if any flags in the group"),
		strings.HasPrefix(err.Error(), "unknown command"), strings.HasPrefix(err.Error(), "at least one of the flags"):
		return exit.WithHint(exit.Usagef("%w", err), "see: %s --help", cmd.CommandPath())
	}
	return cmdutil.Explain(err)
}

func report(f *cmdutil.Factory, err error) {
	if err == nil || err.Error() == "" {
		return
	}
	fmt.Fprintln(f.IO.ErrOut, "error:", err)
	if hint := exit.Hint(err); hint != "" {
		fmt.Fprintln(f.IO.ErrOut, " ", hint)
	}
	if cause := rootCause(err); f.Verbose && cause != err.Error() {
		fmt.Fprintln(f.IO.ErrOut, "  cause:", cause)
	}
}

func rootCause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
