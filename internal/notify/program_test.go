package notify_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/notify"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// A program is bounded with all that it starts: what it leaves running holds no message,
// and what hangs ends with it.
func TestAProgramIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		ends   bool
	}{
		"ends, and leaves a child with its output":  {"sleep 70 & echo $! > $1", true},
		"hangs in a child that has its output":      {"sleep 70 & echo $! > $1; wait", false},
		"hangs, and its child ignores a plain wish": {"trap '' TERM INT; sh -c 'echo $$ > $1; exec sleep 70' sh $1", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			script, file := filepath.Join(dir, "tell"), filepath.Join(dir, "pid")
			if err := os.WriteFile(script, []byte("#!/bin/sh\n"+c.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			channel, err := notify.New("log", "exec:"+script+"%20"+file, notify.Settings{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			began := time.Now()
			if err := channel.Send(ctx, notify.Message{Title: "x"}); (err == nil) != c.ends || err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("it took %s", took)
			}
			child := pid(t, file)
			testenv.Eventually(t, 10*time.Second, func() error { // a kill takes a moment
				if alive := running(child); alive != c.ends {
					return fmt.Errorf("the child runs: %v", alive)
				}
				return nil
			})
			_ = syscall.Kill(child, syscall.SIGKILL)
		})
	}
}

func pid(t *testing.T, file string) int {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// running is false of a process that ended and waits for its parent to look.
func running(pid int) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(data), ") Z ")
}
