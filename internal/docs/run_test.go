package docs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// The pages that tell a user what to type are read as a story: their commands run
// in order against one private platform in its old state. A block marked "no-run"
// (it installs, builds, or acts on another machine) is only parsed. A line may end
// in a comment that says what is expected:
//
//	leadgenctl campaign check-paused   # exit 1
//	leadgenctl breaker watch           # Ctrl-C
func TestThePagesCommandsRun(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"README.md", "ARCHITECTURE.md"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t)
			for _, b := range blocksOf(t, page) {
				if b.lang == "go" {
					s.runGo(t, b)
				}
				for _, line := range b.commands() {
					if slices.Contains(strings.Fields(b.words), "no-run") {
						checkMake(t, b, line)
						continue
					}
					s.run(t, b, line)
				}
			}
		})
	}
}

// sandbox is a user's shell beside a private platform.
type sandbox struct {
	dir string
	env []string
}

func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	db, redis := testenv.NewOldPlatform(t)
	dir := t.TempDir()
	for _, sub := range []string{"home", "bin", "work"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(testenv.Binary(t), filepath.Join(dir, "bin", "leadgenctl")); err != nil {
		t.Fatal(err)
	}
	return &sandbox{dir: filepath.Join(dir, "work"), env: append(os.Environ(),
		"HOME="+filepath.Join(dir, "home"), "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_DATA_HOME=", "LEADGENCTL_CONFIG=",
		"PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"),
		"LEADGENCTL_DATABASE_URL="+db.URL, "LEADGENCTL_REDIS_URL="+redis.URL, "LEADGENCTL_BROKER_URL="+redis.URL, "LEADGENCTL_WORKERS_RETURN=0s")}
}

var expectation = regexp.MustCompile(`\s+#\s*(?:exit (\d+)|(Ctrl-C))\s*$`)

// run types one line and compares its exit code with what the page says (0 where
// it says nothing). After "Ctrl-C" the line is interrupted once it has had time to work.
func (s *sandbox) run(t *testing.T, b block, line string) {
	t.Helper()
	if name, ok := strings.CutPrefix(line, "export "); ok {
		s.env = append(s.env, strings.NewReplacer(`"`, "", `'`, "").Replace(name))
		return
	}
	want, interrupt := 0, false
	if m := expectation.FindStringSubmatch(line); m != nil {
		want, _ = strconv.Atoi(m[1])
		if interrupt = m[2] != ""; interrupt {
			want = 130
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if interrupt {
		stop := time.AfterFunc(2*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) })
		defer stop.Stop()
	}
	err := cmd.Wait()
	if got := exitCode(err); got != want && !(interrupt && got == 0) {
		t.Errorf("%s:%d: $ %s\nexit %d, want %d (%v)\n%s", b.page, b.line, line, got, want, err, out.String())
	}
}

// runGo builds and runs a block that is a whole program.
func (s *sandbox) runGo(t *testing.T, b block) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(strings.Join(b.text, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(filepath.Dir(file), "program")
	build := exec.Command("go", "build", "-o", program, file)
	build.Dir = testenv.Root() // where the module is
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s:%d: %v\n%s", b.page, b.line, err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Dir, cmd.Env = s.dir, s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s:%d: %v\n%s", b.page, b.line, err, out)
	}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	case errors.As(err, &exit):
		return 128 + int(exit.Sys().(syscall.WaitStatus).Signal())
	}
	return -1
}

// checkMake asks make whether it knows the targets of a line that is not run.
func checkMake(t *testing.T, b block, line string) {
	t.Helper()
	args, ok := strings.CutPrefix(line, "make ")
	if !ok {
		return
	}
	args, _, _ = strings.Cut(args, "#")
	cmd := exec.Command("sh", "-c", fmt.Sprintf("make -n %s", args))
	cmd.Dir = testenv.Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s:%d: %s: %v\n%s", b.page, b.line, line, err, out)
	}
}
