package servers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// guard is a shell that outlives us by a moment: it reads what we started from a
// pipe, and when the pipe ends without a goodbye (a panic, a test time-out, kill -9)
// it ends those servers and removes their folders.
var guard struct {
	once sync.Once
	mu   sync.Mutex
	pipe io.Writer
	err  error
}

// guardScript keeps "pid:signal" words and folders; a server gets its own signal
// first and SIGKILL two seconds later.
const guardScript = `
pids= dirs=
while read -r verb word; do
  case $verb in
    run) pids="$pids $word" ;;
    end) new=; for p in $pids; do [ "${p%%:*}" = "$word" ] || new="$new $p"; done; pids=$new ;;
    dir) dirs="$dirs $word" ;;
    gone) new=; for d in $dirs; do [ "$d" = "$word" ] || new="$new $d"; done; dirs=$new ;;
  esac
done
[ -n "$pids$dirs" ] || exit 0
for p in $pids; do kill -s "${p#*:}" "${p%%:*}"; done
[ -z "$pids" ] || sleep 2
for p in $pids; do kill -s KILL -- "-${p%%:*}"; done
[ -z "$dirs" ] || rm -rf $dirs
`

func tell(verb, word string) error {
	guard.once.Do(startGuard)
	if guard.err != nil {
		return guard.err
	}
	guard.mu.Lock()
	defer guard.mu.Unlock()
	if _, err := fmt.Fprintln(guard.pipe, verb, word); err != nil {
		return fmt.Errorf("tell the guard of the test servers: %w", err)
	}
	return nil
}

func startGuard() {
	cmd := exec.Command("/bin/sh", "-c", guardScript)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C ends us, not it
	cmd.Dir = "/"
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		guard.err = fmt.Errorf("start the guard of the test servers: %w", err)
		return
	}
	guard.pipe = in
	go func() { _ = cmd.Wait() }()
}

// TempDir makes a folder that other users may enter (PostgreSQL does not run as
// root) and that is removed even when this process dies. remove ends its life.
func TempDir(pattern string) (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", pattern)
	if err != nil {
		return "", nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	if strings.ContainsAny(dir, " \t\n") {
		return "", nil, errors.Join(fmt.Errorf("the temporary folder %q has a space in its name: set TMPDIR", dir), os.Remove(dir))
	}
	if err := errors.Join(os.Chmod(dir, 0o755), tell("dir", dir)); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, func() {
		if os.RemoveAll(dir) == nil {
			_ = tell("gone", dir)
		}
	}, nil
}
