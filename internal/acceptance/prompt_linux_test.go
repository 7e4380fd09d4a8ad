package acceptance_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// Ctrl-C and SIGTERM at a question end the command at once, and nothing is changed.
func TestAQuestionCanBeInterrupted(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]func(terminal *os.File, p *os.Process) error{
		"Ctrl-C":  func(terminal *os.File, _ *os.Process) error { _, err := terminal.Write([]byte{3}); return err },
		"SIGTERM": func(_ *os.File, p *os.Process) error { return p.Signal(syscall.SIGTERM) },
	} {
		for _, line := range []string{"migrate up", "migrate-state", "check-consistency --fix --only LGQ004"} {
			t.Run(name+" at "+line, func(t *testing.T) {
				t.Parallel()
				db, redis := testenv.NewOldPlatform(t)
				cli := testenv.NewCLI(t, db.URL, redis.URL)
				cli.Expect(0, "migrate", "up", "--to", "base", "--yes")
				if _, err := db.Pool.Exec(t.Context(), "UPDATE jobs SET completed_at = now() WHERE status = 'PAUSED'"); err != nil {
					t.Fatal(err)
				}
				cmd := cli.Command(strings.Fields(line)...)
				terminal := onTerminal(t, cmd)
				said := readUntil(t, terminal, "[y/N]")
				if err := interrupt(terminal, cmd.Process); err != nil {
					t.Fatal(err)
				}
				ended := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
				defer ended.Stop()
				var exited *exec.ExitError
				if err := cmd.Wait(); !errors.As(err, &exited) || exited.ExitCode() != 130 {
					t.Errorf("%v, want exit code 130, after\n%s", err, said)
				}
				if err := db.Expect(`SELECT (SELECT version FROM leadgenctl.schema_migrations) = 7
					AND NOT EXISTS (SELECT FROM jobs WHERE status = 'PAUSED' AND completed_at IS NULL)`); err != nil {
					t.Error(err)
				}
				if n := redis.Client.Exists(t.Context(), "circuit_breaker:global").Val(); n != 0 {
					t.Error("the global breaker was written")
				}
			})
		}
	}
}

// onTerminal starts a command on a pseudo-terminal of its own, and returns the other end.
func onTerminal(t *testing.T, cmd *exec.Cmd) *os.File {
	t.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	number, err := unix.IoctlGetUint32(int(terminal.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	side, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer side.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = side, side, side
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return terminal
}

// readUntil reads what the command prints up to a word.
func readUntil(t *testing.T, terminal *os.File, word string) string {
	t.Helper()
	var said bytes.Buffer
	part := make([]byte, 4096)
	for !strings.Contains(said.String(), word) {
		n, err := terminal.Read(part)
		said.Write(part[:n])
		if err != nil {
			t.Fatalf("%v, after\n%s", err, said.String())
		}
	}
	return said.String()
}
