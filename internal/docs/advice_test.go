package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// advice is a command that a message or a page tells people to run: in back-quotes,
// or after a colon.
var advice = regexp.MustCompile("(?:`|: )leadgenctl ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")

// Hints of errors, remedies of checks and running text name commands that exist.
func TestAdviceNamesCommandsThatExist(t *testing.T) {
	err := filepath.WalkDir(testenv.Root(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		isGo := strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go")
		if !isGo && !strings.HasSuffix(path, ".md") && !strings.HasSuffix(path, ".sql") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range advice.FindAllStringSubmatch(string(text), -1) {
			if why := unknown(m[1], m[2]); why != "" {
				t.Errorf("%s advises %q: %s", strings.TrimPrefix(path, testenv.Root()+"/"), m[0], why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func unknown(noun, verb string) string {
	cmd, rest, err := newRoot().Find([]string{noun})
	if err != nil || len(rest) > 0 {
		return "no command " + noun
	}
	// A noun that needs a verb, followed by a word that is none of its verbs.
	if verb == "" || !cmd.HasSubCommands() || strings.Contains(cmd.Use, "[") || cmd.Flags().HasFlags() {
		return ""
	}
	if sub, _, err := cmd.Find([]string{verb}); err != nil || sub == cmd {
		return noun + " has no verb " + verb
	}
	return ""
}
