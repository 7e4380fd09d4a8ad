package testenv

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// CLI runs the built binary against one test's servers, in an empty home and with
// no other environment than what it is given.
type CLI struct {
	t   testing.TB
	Dir string   // working folder and home
	Env []string // further variables, "NAME=value"
}

// Outcome is what a run of the binary left.
type Outcome struct {
	Stdout, Stderr string
	Code           int // -1 when a signal ended it
}

// NewCLI returns a runner for the given addresses; an empty one is left out.
func NewCLI(t testing.TB, databaseURL, redisURL string) *CLI {
	c := &CLI{t: t, Dir: t.TempDir()}
	for name, value := range map[string]string{"LEADGENCTL_DATABASE_URL": databaseURL, "LEADGENCTL_REDIS_URL": redisURL} {
		if value != "" {
			c.Env = append(c.Env, name+"="+value)
		}
	}
	return c
}

// Command prepares a run.
func (c *CLI) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(Binary(c.t), args...)
	cmd.Dir = c.Dir
	cmd.Env = append([]string{"HOME=" + c.Dir, "PATH=" + os.Getenv("PATH"), "LEADGENCTL_ACTOR=tester@host", "LEADGENCTL_WORKERS_RETURN=0s"}, c.Env...)
	return cmd
}

// Run runs the binary to its end. A stack trace on stderr fails the test.
func (c *CLI) Run(args ...string) Outcome {
	c.t.Helper()
	cmd := c.Command(args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	var exited *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exited) {
		c.t.Fatal(err)
	}
	if strings.Contains(errOut.String(), "goroutine ") {
		c.t.Errorf("%v: a stack trace: %s", args, errOut.String())
	}
	return Outcome{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

// Expect runs the binary and wants an exit code.
func (c *CLI) Expect(code int, args ...string) Outcome {
	c.t.Helper()
	o := c.Run(args...)
	if o.Code != code {
		c.t.Fatalf("%v: exit %d, want %d\nstdout: %s\nstderr: %s", args, o.Code, code, o.Stdout, o.Stderr)
	}
	return o
}

// JSON runs the binary with -o json, wants an exit code, and decodes the result into v.
func (c *CLI) JSON(v any, code int, args ...string) {
	c.t.Helper()
	o := c.Expect(code, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(o.Stdout), v); err != nil {
		c.t.Fatalf("%v: %v in %s", args, err, o.Stdout)
	}
}
