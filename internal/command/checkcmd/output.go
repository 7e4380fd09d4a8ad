package checkcmd

import (
	"bytes"
	"errors"
	"strings"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/consistency/render"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// target is one -o: a format, and the file that it goes to; "" for stdout.
type target struct{ format, file string }

func parseOutputs(values []string) ([]target, error) {
	var (
		all    []target
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
		all = append(all, target{format, file})
	}
	return all, nil
}

// apart refuses one file for two things: one would overwrite the other. Only a baseline may
// be read and written anew.
func (o *options) apart(outputs []target) error {
	type use struct{ flag, file string }
	var uses []use
	for _, out := range outputs {
		uses = append(uses, use{"-o " + out.format + "=" + out.file, out.file})
	}
	uses = append(uses, use{"--baseline " + o.baseline, o.baseline}, use{"--write-baseline " + o.writeBaseline, o.writeBaseline})
	for i, a := range uses[:len(outputs)] {
		for _, b := range uses[i+1:] {
			if a.file != "" && b.file != "" && output.Same(a.file, b.file) {
				return exit.Usagef("%s and %s are the same file: one would overwrite the other", a.flag, b.flag)
			}
		}
	}
	return nil
}

// tryFiles finds out before anything is done whether the files can be written: a run may
// take long, and --fix changes data.
func (o *options) tryFiles(outputs []target) error {
	files := []string{o.writeBaseline}
	for _, out := range outputs {
		files = append(files, out.file)
	}
	for _, name := range files {
		if name == "" {
			continue
		}
		if err := output.Try(name); err != nil {
			return exit.Usagef("the report cannot be written to %s: %w", name, err)
		}
	}
	return nil
}

// writeFiles tries every file, whatever becomes of the others.
func writeFiles(outputs []target, r *consistency.Report, failOn consistency.FailOn) error {
	var errs []error
	for _, out := range outputs {
		if out.file == "" {
			continue
		}
		var b bytes.Buffer
		err := render.Write(&b, out.format, r, render.Options{FailOn: failOn})
		if err == nil {
			err = output.WriteFile(out.file, b.Bytes())
		}
		if err != nil {
			errs = append(errs, exit.Usagef("write the report to %s: %w", out.file, err))
		}
	}
	return errors.Join(errs...)
}

func writeStdout(f *cmdutil.Factory, outputs []target, r *consistency.Report, failOn consistency.FailOn) error {
	o := render.Options{Color: f.IO.Color(), FailOn: failOn}
	if f.IO.OutIsTerminal() {
		o.Width = f.IO.Width()
	}
	for _, out := range outputs {
		if out.file != "" {
			continue
		}
		if err := render.Write(f.IO.Out, out.format, r, o); err != nil {
			return exit.Usagef("%w", err)
		}
	}
	return nil
}
