package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"
)

// Measured runs a command to its end: how long it took, and its greatest memory in KiB.
func Measured(t testing.TB, cmd *exec.Cmd) (took time.Duration, memory int64, err error) {
	t.Helper()
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case err := <-done:
			return time.Since(start), memory, err
		case <-time.After(10 * time.Millisecond):
			// The rusage of a child counts what its parent had at the fork.
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if m := highWater.FindSubmatch(status); m != nil {
				_, _ = fmt.Sscan(string(m[1]), &memory)
			}
		}
	}
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
