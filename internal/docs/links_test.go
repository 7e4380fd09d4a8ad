package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksLeadToFiles(t *testing.T) {
	for _, page := range pages(t) {
		text, err := os.ReadFile(filepath.Join(testenv.Root(), page))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(testenv.Root(), filepath.Dir(page), target)); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
	}
}
