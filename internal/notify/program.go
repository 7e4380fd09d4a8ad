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
)

// program gets the message as JSON on its standard input, and the most important of it in
// its environment.
type program struct {
	name string
	args []string
}

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
	cmd.Env = append(os.Environ(), "LEADGENCTL_EVENT="+m.Event, "LEADGENCTL_SEVERITY="+string(m.Severity), "LEADGENCTL_TITLE="+m.Title)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s: %w: %s", p.args[0], err, firstLine(out))
	}
	return nil
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}
