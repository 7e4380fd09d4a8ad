package cmdutil_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/iostreams"
)

// What a row holds is one line of text, on a terminal and in a pipe.
func TestCellsAndFieldsAreLinesOfText(t *testing.T) {
	t.Parallel()
	const nasty = "\x1b[2Jred\nnew | row\r\u0085\u202e"
	for _, width := range []int{0, 80} {
		var table, fields bytes.Buffer
		io := iostreams.Test(nil, &table, nil)
		if width > 0 {
			io.SetTTY(width)
		}
		f := &cmdutil.Factory{IO: io}
		if err := f.Table(&table, []string{"id", "name"}, [][]string{{"1", nasty}}); err != nil {
			t.Fatal(err)
		}
		if err := f.Fields(&fields, [2]string{"Name", nasty}); err != nil {
			t.Fatal(err)
		}
		for out, lines := range map[string]int{table.String(): 2, fields.String(): 1} {
			if strings.Count(out, "\n") != lines || strings.ContainsAny(out, "\x1b\r\u0085\u202e") || !strings.Contains(out, "red new | row") {
				t.Errorf("%d columns: %q", width, out)
			}
		}
	}
}
