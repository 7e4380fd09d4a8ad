package checkcmd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/consistency/render"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

// output is one -o: a format, and the file that it goes to; "" for stdout.
type output struct{ format, file string }

func parseOutputs(values []string) ([]output, error) {
	var (
		all    []output
		stdout string
	)
	for _, v := range values {
		format, file, toFile := strings.Cut(v, "=")
		switch {
		case !render.Known(format):
			return nil, exit.Usagef("unknown output format %q; known are: %s", format, strings.Join(render.Formats(), ", "))
		case toFile && file == "":
			return nil, exit.Usagef("-o %s: the file's name is missing", v)
		case !toFile && stdout != "":
			return nil, exit.Usagef("-o %s and -o %s both go to standard output; write one to a file: -o %s=FILE", stdout, format, format)
		case !toFile:
			stdout = format
		}
		all = append(all, output{format, file})
	}
	return all, nil
}

func writeAll(f *cmdutil.Factory, outputs []output, r *consistency.Report, o render.Options) error {
	for _, out := range outputs {
		if out.file == "" {
			if err := render.Write(f.IO.Out, out.format, r, o); err != nil {
				return err
			}
			continue
		}
		var b bytes.Buffer
		if err := render.Write(&b, out.format, r, render.Options{FailOn: o.FailOn}); err != nil {
			return err
		}
		if err := writeFile(out.file, b.Bytes()); err != nil {
			return exit.Usagef("write the report: %w", err)
		}
	}
	return nil
}

// writeFile writes aside and renames: whoever reads the file sees the old or the new one, whole.
func writeFile(name string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails, as it should, after the rename
	if _, err = tmp.Write(data); err == nil {
		err = tmp.Chmod(0o644)
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", tmp.Name(), err)
	}
	return os.Rename(tmp.Name(), name)
}
