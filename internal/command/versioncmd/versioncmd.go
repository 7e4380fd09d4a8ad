// Package versioncmd is `leadgenctl version`.
package versioncmd

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
)

// Version is set by the linker for releases; else the module's own version is shown.
var Version string

type version struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// New returns the command.
func New(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  leadgenctl version\n  leadgenctl version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := current()
			return f.Print(v, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "leadgenctl %s (%s, %s)\n", v.Version, v.Go, v.Platform)
				return err
			})
		},
	}
}

func current() version {
	v := version{Version: Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	if v.Version == "" {
		v.Version = "(devel)"
	}
	return v
}
