package checkcmd

import (
	"bytes"
	"path/filepath"
	"strings"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/consistency/render"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// output is one -o: a format, and the file that it goes to; "" for stdout.
type target struct{ format, file string }

func parseOutputs(values []string) ([]target, error) {
	var (
		all    []target
		stdout string
		files  = map[string]string{} // by absolute name: what goes there
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
		default:
			name, err := filepath.Abs(file)
			if err != nil {
				return nil, exit.Usagef("-o %s: %w", v, err)
			}
			if other, taken := files[name]; taken {
				return nil, exit.Usagef("-o %s and -o %s both go to %s: one would overwrite the other", other, v, file)
			}
			files[name] = v
		}
		all = append(all, target{format, file})
	}
	return all, nil
}

// tryOutputs finds out before anything is done whether the files can be written: a run may
// take long, and --fix changes data.
func tryOutputs(outputs []target, more ...string) error {
	for _, out := range outputs {
		more = append(more, out.file)
	}
	for _, name := range more {
		if name == "" {
			continue
		}
		if err := output.Try(name); err != nil {
			return exit.Usagef("the report cannot be written to %s: %w", name, err)
		}
	}
	return nil
}

func writeAll(f *cmdutil.Factory, outputs []target, r *consistency.Report, o render.Options) error {
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
		if err := output.WriteFile(out.file, b.Bytes(), 0o644); err != nil {
			return exit.Usagef("write the report: %w", err)
		}
	}
	return nil
}
