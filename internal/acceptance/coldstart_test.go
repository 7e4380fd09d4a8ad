package acceptance_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// BenchmarkColdStart runs the released binary and, for comparison in the same run,
// a CLI of comparable weight and a program that does nothing.
func BenchmarkColdStart(b *testing.B) {
	peer, err := exec.Command(filepath.Join(testenv.Root(), "scripts", "peers"), "river").Output()
	if err != nil {
		b.Fatalf("build the peer: %v", err)
	}
	river := strings.TrimSpace(string(peer))
	own := filepath.Join(b.TempDir(), "leadgenctl")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", own, "./cmd/leadgenctl")
	build.Dir = testenv.Root()
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	for _, c := range []struct {
		name string
		argv []string
	}{
		{"nothing", []string{"/bin/true"}},
		{"river-version", []string{river, "version"}},
		{"river-help", []string{river, "--help"}},
		{"leadgenctl-version", []string{own, "version"}},
		{"leadgenctl-help", []string{own, "--help"}},
		{"leadgenctl-completion", []string{own, "__complete", "breaker", ""}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if out, err := exec.Command(c.argv[0], c.argv[1:]...).Output(); err != nil {
					b.Fatalf("%v: %v\n%s", c.argv, err, out)
				}
			}
		})
	}
}
