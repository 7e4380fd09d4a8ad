package output_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/leadgenctl/leadgenctl/internal/output"
)

// What a row may hold comes back from YAML as it does from JSON, and never as a line of its own.
func TestYAMLHoldsWhatJSONHolds(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for r := rune(0); r < 0x110000; r += 1 + r/0x3000*97 {
		all.WriteRune(r)
	}
	rows := []string{"", " ", "\n", "a\n::error::b\n", "a\r::error::b", "a\u0085::error::b", "a\u2028::error::b\u2029", "\x7f", "\u0080\u009f", "\ufffe\uffff", "\ufeffa",
		"\x00\x1b[2J", "\xff", "\t", "yes", "null", "~", "1e3", "0x1f", "2026-01-05", "<<", "=", "- a", "a: b", "# a", "&a *a !a", "%a", "@a", "`a", "'\"\\", "---", "...", "😀"}
	value := map[string]any{"rows": append(rows, all.String()), "nested": map[string]any{}}
	for _, r := range rows {
		value["nested"].(map[string]any)[r] = []any{r, map[string]any{"x": r}}
	}
	var j, y bytes.Buffer
	if err := output.JSON(&j, value, ""); err != nil {
		t.Fatal(err)
	}
	if err := output.YAML(&y, value); err != nil {
		t.Fatal(err)
	}
	var a, b map[string]any
	if err := json.Unmarshal(j.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(y.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%q\n%q", a, b)
	}
	for line := range strings.FieldsFuncSeq(y.String(), func(r rune) bool { return strings.ContainsRune("\n\r\u0085\u2028\u2029", r) }) {
		if strings.HasPrefix(strings.TrimSpace(line), "::error::") {
			t.Errorf("a line of a row's own: %q", line)
		}
	}
}
