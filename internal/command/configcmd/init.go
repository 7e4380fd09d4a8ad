package configcmd

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/config"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

//go:embed example.yaml
var example []byte

func newInit(f *cmdutil.Factory) *cobra.Command {
	var path string
	var force bool
	cmd := &cobra.Command{
		Use:     "init",
		Short:   "Write a commented config file to start from",
		Example: "  leadgenctl config init\n  leadgenctl config init --path ./leadgenctl.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if path == "" {
				path = config.DefaultFile()
			}
			if err := write(path, force); err != nil {
				return err
			}
			f.IO.Infof("wrote %s; next: leadgenctl config view", path)
			return nil
		},
	}
	cmd.Flags().StringVar(&path, "path", "", "where to write (default: the XDG config folder's leadgenctl/"+config.FileName+")")
	cmd.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	return cmd
}

// write makes the file readable by its owner alone: it may come to hold passwords.
func write(path string, force bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return exit.Usagef("make the folder of the config file: %w", err)
	}
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(path, mode, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return exit.WithHint(exit.Refusedf("%s exists already; nothing was changed", path), "use --force to replace it")
	}
	if err != nil {
		return exit.Usagef("write the config file: %w", err)
	}
	if _, err := file.Write(example); err != nil {
		file.Close()
		return fmt.Errorf("write the config file %s: %w", path, err)
	}
	return file.Close()
}
