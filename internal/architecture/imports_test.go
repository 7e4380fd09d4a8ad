// Package architecture_test holds the rules of ARCHITECTURE.md that a compiler does
// not check.
package architecture_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/leadgenctl/leadgenctl/"

// layers run one way: a package imports only from its own layer or a lower one.
var layers = []struct {
	prefix string
	rank   int
}{
	{"breaker", 0},
	{"queue", 1}, {"campaign", 1},
	{"migrate", 2},
	{"internal", 3},
	{"cmd", 4}, {"scripts", 4},
}

// forbidden never appear in a domain package (rank below internal).
var forbidden = []string{"github.com/spf13/cobra", "github.com/spf13/viper", "github.com/olekukonko/tablewriter", module + "internal"}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestImportsRunOneWay(t *testing.T) {
	for _, p := range packages(t) {
		from, ok := rank(p.ImportPath)
		if !ok {
			t.Errorf("%s is in a top-level folder that ARCHITECTURE.md does not know", p.ImportPath)
			continue
		}
		for _, i := range p.Imports {
			if to, ours := rank(i); ours && to > from {
				t.Errorf("%s imports %s: imports run cmd -> internal -> migrate -> campaign, queue -> breaker", p.ImportPath, i)
			}
			for _, f := range forbidden {
				if from < 3 && (i == f || strings.HasPrefix(i, f+"/")) {
					t.Errorf("the domain package %s imports %s", p.ImportPath, i)
				}
			}
		}
	}
}

// The binary must not carry the test servers: they import half the world.
func TestBinaryHasNoTestCode(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", module+"cmd/leadgenctl").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		switch dep {
		case module + "internal/servers", module + "internal/testenv", module + "internal/platform", "testing":
			t.Errorf("cmd/leadgenctl depends on %s", dep)
		}
	}
}

func rank(path string) (int, bool) {
	rel, ours := strings.CutPrefix(path, module)
	if !ours {
		return 0, false
	}
	for _, l := range layers {
		if rel == l.prefix || strings.HasPrefix(rel, l.prefix+"/") {
			return l.rank, true
		}
	}
	return 0, false
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
