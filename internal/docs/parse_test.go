package docs_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/root"
	"github.com/leadgenctl/leadgenctl/internal/iostreams"
)

// Every leadgenctl line of every page and of every command's Example names a
// command, flags and arguments that exist.
func TestEveryCommandLineParses(t *testing.T) {
	for _, page := range pages(t) {
		for _, b := range blocksOf(t, page) {
			for _, line := range b.commands() {
				if err := parse(line); err != nil {
					t.Errorf("%s:%d: %s: %v", page, b.line, line, err)
				}
			}
		}
	}
}

func TestEveryCommandHasHelpAndAnExampleThatParses(t *testing.T) {
	walk(newRoot(), func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" || c.Parent() != nil && c.Parent().Name() == "completion" {
			return
		}
		if c.Short == "" {
			t.Errorf("%s has no Short", c.CommandPath())
		}
		if !c.HasSubCommands() && c.Example == "" {
			t.Errorf("%s has no Example", c.CommandPath())
		}
		for _, line := range exampleLines(c.Example) {
			if err := parse(line); err != nil {
				t.Errorf("example of %s: %s: %v", c.CommandPath(), line, err)
			}
		}
	})
}

// Help is read on terminals of 80 columns.
func TestHelpFitsATerminal(t *testing.T) {
	walk(newRoot(), func(c *cobra.Command) {
		var help bytes.Buffer
		c.SetOut(&help)
		if err := c.Help(); err != nil || help.Len() == 0 {
			t.Fatalf("help of %s: %v", c.CommandPath(), err)
		}
		for line := range strings.Lines(help.String()) {
			// What cobra itself says of completion holds commands that are to be copied.
			if width := utf8.RuneCountInString(strings.TrimRight(line, "\n")); width > 80 && !strings.Contains(c.CommandPath(), " completion") {
				t.Errorf("help of %s, %d columns: %s", c.CommandPath(), width, line)
			}
		}
	})
}

// exampleLines are the lines of a help example, with or without a "$ " prompt.
func exampleLines(example string) []string {
	b := block{lang: "sh", text: strings.Split(example, "\n")}
	var lines []string
	for _, line := range b.commands() {
		lines = append(lines, strings.TrimPrefix(line, "$ "))
	}
	return lines
}

func newRoot() *cobra.Command {
	cmd, _ := root.New(iostreams.System())
	return cmd
}

func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		walk(sub, visit)
	}
}

// parse checks each leadgenctl call of a shell line.
func parse(line string) error {
	for _, call := range calls(line) {
		cmd, rest, err := newRoot().Find(call)
		if err != nil {
			return err
		}
		if cmd.HasSubCommands() && cmd.Example == "" && !slices.Contains(rest, "--help") {
			return fmt.Errorf("%q needs a subcommand", cmd.CommandPath())
		}
		if err := cmd.ParseFlags(rest); err != nil {
			return err
		}
		if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
			return err
		}
		if err := cmd.ValidateRequiredFlags(); err != nil {
			return err
		}
	}
	return nil
}

var word = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'[^']*'|\$\([^)]*\)|[^\s"']+`)

// calls finds the arguments of each leadgenctl call in a shell line: up to the
// next pipe, redirection, list operator or comment.
func calls(line string) [][]string {
	var all [][]string
	var current []string
	inCall := false
	finish := func() {
		if inCall {
			all = append(all, current)
		}
		current, inCall = nil, false
	}
	for _, w := range words(line) {
		switch {
		case w == "leadgenctl" || strings.HasSuffix(w, "/leadgenctl"):
			finish()
			inCall = true
		case strings.HasPrefix(w, "#"):
			finish()
			return all
		case strings.ContainsAny(w[:1], "|&;)<>") || w == "2>":
			finish()
		case inCall:
			end := strings.HasSuffix(w, ";")
			current = append(current, unquote(strings.TrimSuffix(w, ";")))
			if end {
				finish()
			}
		}
	}
	finish()
	return all
}

// words splits like a shell does, as far as documentation needs it: adjacent
// quoted and plain parts are one word.
func words(line string) []string {
	var all []string
	last := -1
	for _, at := range word.FindAllStringIndex(line, -1) {
		if at[0] == last {
			all[len(all)-1] += line[at[0]:at[1]]
		} else {
			all = append(all, line[at[0]:at[1]])
		}
		last = at[1]
	}
	return all
}

func unquote(w string) string {
	return strings.NewReplacer(`"`, "", `'`, "").Replace(w)
}

func TestCallsAreFound(t *testing.T) {
	for line, want := range map[string]string{
		`leadgenctl breaker open --reason "Apollo down" # stop`:        `[[breaker open --reason Apollo down]]`,
		`x=$(date) && leadgenctl version | jq . ; leadgenctl doctor`:   `[[version] [doctor]]`,
		`leadgenctl check-consistency -o junit=r.xml 2> err || exit 1`: `[[check-consistency -o junit=r.xml]]`,
		`make build`: `[]`,
	} {
		if got := fmt.Sprint(calls(line)); got != want {
			t.Errorf("%s: got %s, want %s", line, got, want)
		}
	}
}
