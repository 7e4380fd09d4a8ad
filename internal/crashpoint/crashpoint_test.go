package crashpoint_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/crashpoint"
)

const victimEnv = "CRASHPOINT_TEST_VICTIM"

// TestMain lets the test binary be its own victim.
func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) == "" {
		os.Exit(m.Run())
	}
	for i := 1; i <= 3; i++ {
		crashpoint.Hit("other")
		fmt.Println("pass", i)
		crashpoint.Hit("here")
	}
	os.Exit(0)
}

func TestHitKillsAtTheNamedPoint(t *testing.T) {
	t.Parallel()
	for spec, passes := range map[string]int{"": 3, "here": 1, "here:2": 2, "here:9": 3, "nowhere": 3, "here:x": 3} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), victimEnv+"=1", crashpoint.EnvVar+"="+spec)
			out, err := cmd.Output()
			if got := strings.Count(string(out), "pass"); got != passes {
				t.Errorf("the victim got through %d passes, want %d", got, passes)
			}
			var exitErr *exec.ExitError
			killed := errors.As(err, &exitErr) && exitErr.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
			if wantKill := spec == "here" || spec == "here:2"; killed != wantKill {
				t.Errorf("killed = %v (%v), want %v", killed, err, wantKill)
			}
		})
	}
}
