// Package iostreams is the one place that knows about terminals: whether there
// is one, how wide it is, colour, prompts. No command asks os.Stdout anything.
package iostreams

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// IOStreams are a command's input and outputs. Results go to Out, everything
// else (progress, warnings, prompts) to ErrOut. Not safe for concurrent prompts.
type IOStreams struct {
	In     io.Reader
	Out    io.Writer
	ErrOut io.Writer

	inTTY, outTTY, errTTY bool
	noColor, noProgress   bool
	width                 int
}

// System returns the process's own streams.
func System() *IOStreams {
	s := &IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr, width: 80}
	s.inTTY = term.IsTerminal(int(os.Stdin.Fd()))
	s.outTTY = term.IsTerminal(int(os.Stdout.Fd()))
	s.errTTY = term.IsTerminal(int(os.Stderr.Fd()))
	s.noColor = os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"
	if s.outTTY {
		if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w > 0 {
			s.width = w
		}
	}
	return s
}

// Test returns streams over the given readers and writers that are no terminal.
func Test(in io.Reader, out, errOut io.Writer) *IOStreams {
	return &IOStreams{In: in, Out: out, ErrOut: errOut, width: 80}
}

// SetTTY pretends, for tests, that every stream is a terminal of the given width.
func (s *IOStreams) SetTTY(width int) {
	s.inTTY, s.outTTY, s.errTTY, s.width = true, true, true, width
}

// DisableProgress turns progress bars off (--no-progress).
func (s *IOStreams) DisableProgress() { s.noProgress = true }

// DisableColor turns colour off.
func (s *IOStreams) DisableColor() { s.noColor = true }

// CanPrompt says whether a person can be asked.
func (s *IOStreams) CanPrompt() bool { return s.inTTY && s.errTTY }

// Color says whether results may be coloured.
func (s *IOStreams) Color() bool { return s.outTTY && !s.noColor }

// Progress says whether progress bars may be drawn on ErrOut.
func (s *IOStreams) Progress() bool { return s.errTTY && !s.noProgress }

// OutIsTerminal says whether results go to a terminal.
func (s *IOStreams) OutIsTerminal() bool { return s.outTTY }

// Width is the terminal's width in columns, 80 off a terminal.
func (s *IOStreams) Width() int { return s.width }

// Warnf prints a warning line to ErrOut.
func (s *IOStreams) Warnf(format string, a ...any) {
	fmt.Fprintf(s.ErrOut, "warning: "+format+"\n", a...)
}

// Infof prints a line to ErrOut.
func (s *IOStreams) Infof(format string, a ...any) {
	fmt.Fprintf(s.ErrOut, format+"\n", a...)
}

// Confirm asks a yes-or-no question on the terminal; anything but y or yes is no. A
// cancelled ctx ends the wait: its error is returned, and what is typed later is lost.
func (s *IOStreams) Confirm(ctx context.Context, question string) (bool, error) {
	fmt.Fprintf(s.ErrOut, "%s [y/N] ", question)
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // nothing can end a read from a terminal
		line, err := bufio.NewReader(s.In).ReadString('\n')
		answers <- answer{line, err}
	}()
	var line string
	select {
	case <-ctx.Done():
		fmt.Fprintln(s.ErrOut)
		return false, ctx.Err()
	case a := <-answers:
		if line = a.line; a.err != nil && line == "" {
			return false, fmt.Errorf("read the answer: %w", a.err)
		}
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}
