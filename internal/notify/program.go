package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// program gets the message as JSON on its standard input, and the most important of it in
// its environment.
type program struct {
	name string
	args []string
}

// pipeDelay is how long the output of a program is read after its end: what it left
// running may hold that open for ever.
const pipeDelay = time.Second

func newProgram(name string, u *url.URL) (Channel, error) {
	words := u.Opaque
	if words == "" {
		words = u.Path
	}
	words, err := url.PathUnescape(words)
	if err != nil || len(strings.Fields(words)) == 0 {
		return nil, errors.New("exec: names no program")
	}
	return &program{name, strings.Fields(words)}, nil
}

func (p *program) Name() string { return p.name }

func (p *program) Send(ctx context.Context, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the message: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.args[0], p.args[1:]...)
	cmd.Stdin = bytes.NewReader(body)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // with all that it started
	cmd.WaitDelay = pipeDelay
	cmd.Env = append(os.Environ(), "LEADGENCTL_EVENT="+m.Event, "LEADGENCTL_SEVERITY="+string(m.Severity), "LEADGENCTL_TITLE="+m.Title)
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it ended well, and may have left something running
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("run %s: it did not end, and was killed: %w", p.args[0], ctx.Err())
	}
	return fmt.Errorf("run %s: %w: %s", p.args[0], err, firstLine(out))
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}
