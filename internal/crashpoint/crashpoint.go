// Package crashpoint lets a test kill the built binary, with the signal that
// nothing can catch, at a chosen instruction. It is how the promise is tested
// that a kill anywhere leaves a state which the same command completes.
package crashpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// EnvVar names the environment variable that chooses the crash point:
// "name" for the first time it is reached, "name:N" for the Nth.
const EnvVar = "LEADGENCTL_CRASHPOINT"

var (
	mu   sync.Mutex
	seen int
	spec = sync.OnceValue(func() point { return parse(os.Getenv(EnvVar)) })
)

type point struct {
	name string
	hit  int
}

// parse reads "name" or "name:N"; a suffix that is no positive number is part
// of the name.
func parse(value string) point {
	if name, count, ok := cutLast(value, ":"); ok {
		if n, err := strconv.Atoi(count); err == nil && n > 0 {
			return point{name: name, hit: n}
		}
	}
	return point{name: value, hit: 1}
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// Hit kills the process with SIGKILL when name is the crash point that the
// environment asks for; otherwise it does nothing. It is safe for concurrent
// use, and does not return when it kills.
func Hit(name string) {
	p := spec()
	if p.name == "" || p.name != name {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	if seen++; seen < p.hit {
		return
	}
	kill()
}

// kill waits for ever after the signal: the caller must not get to run its
// next instruction in the moment before the kernel acts.
func kill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
