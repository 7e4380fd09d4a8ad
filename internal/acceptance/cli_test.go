package acceptance_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// result is what one run of the binary left.
type result struct {
	stdout, stderr string
	code           int
	took           time.Duration
}

// ownVariables are what a developer's shell may hold and a test must not see.
var ownVariables = []string{"LEADGENCTL_", "DATABASE_URL=", "POSTGRES_", "REDIS_", "CELERY_", "PG", "HOME=", "XDG_"}

// leadgenctl runs the binary with no settings but env's, in an empty home.
func leadgenctl(t *testing.T, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, testenv.Binary(t), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool {
		return slices.ContainsFunc(ownVariables, func(p string) bool { return strings.HasPrefix(e, p) })
	}), append([]string{"HOME=" + cmd.Dir, "LEADGENCTL_WORKERS_RETURN=0s"}, env...)...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	start := time.Now()
	err := cmd.Run()
	r := result{stdout: out.String(), stderr: errOut.String(), took: time.Since(start)}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.code = exit.ExitCode()
	} else if err != nil {
		t.Fatalf("leadgenctl %s: %v", strings.Join(args, " "), err)
	}
	return r
}
