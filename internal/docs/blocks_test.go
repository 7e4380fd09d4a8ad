package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// block is a fenced code block of a page.
type block struct {
	page  string
	line  int    // of the opening fence
	lang  string // the first word of the fence
	words string // the rest of it, e.g. "no-run"
	text  []string
}

// pages are the Markdown files of the project, README first.
func pages(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "-C", testenv.Root(), "ls-files", "*.md").Output()
	if err != nil {
		t.Fatalf("list the pages: %v", err)
	}
	return strings.Fields(string(out))
}

// blocksOf reads the fenced blocks of a page.
func blocksOf(t *testing.T, page string) []block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Root(), page))
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	var open *block
	for i, line := range strings.Split(string(text), "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			lang, words, _ := strings.Cut(fence, " ")
			open = &block{page: page, line: i + 1, lang: lang, words: words}
		case isFence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text = append(open.text, line)
		}
	}
	if open != nil {
		t.Errorf("%s:%d: the block has no end", page, open.line)
	}
	return all
}

// commands are the lines that a user types: those after "$ " in a console block,
// every line that is not a comment in a sh block. A line that ends in a backslash
// goes on.
func (b block) commands() []string {
	var lines []string
	more := false
	for _, line := range b.text {
		typed := line
		switch {
		case more:
		case b.lang == "console":
			var ok bool
			if typed, ok = strings.CutPrefix(line, "$ "); !ok {
				continue
			}
		case b.lang != "sh" && b.lang != "bash", strings.TrimSpace(line) == "", strings.HasPrefix(strings.TrimSpace(line), "#"):
			continue
		}
		if more {
			lines[len(lines)-1] += " " + strings.TrimSpace(typed)
		} else {
			lines = append(lines, strings.TrimSpace(typed))
		}
		last := &lines[len(lines)-1]
		if *last, more = strings.CutSuffix(*last, "\\"); more {
			*last = strings.TrimSpace(*last)
		}
	}
	return lines
}
