package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// toolsDir is where scripts/setup puts what it could not install: wrappers that
// run a server in Docker under the server's own name.
func toolsDir() string { return filepath.Join(projectRoot(), ".tools", "bin") }

var number = regexp.MustCompile(`\d+`)

// findBinary looks for a server program in the given globs, the highest version
// first, then in PATH, then among the wrappers of scripts/setup.
func findBinary(name string, globs ...string) (string, error) {
	for _, g := range globs {
		if found, _ := filepath.Glob(g); len(found) > 0 {
			return slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }), nil
		}
	}
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	p := filepath.Join(toolsDir(), name)
	if _, err := os.Stat(p); err != nil {
		return "", fmt.Errorf("the program %s is missing; run: scripts/setup", name)
	}
	return p, nil
}

// version is the first number of a path: 15 for /usr/lib/postgresql/15/bin/postgres.
func version(path string) int {
	n, _ := strconv.Atoi(number.FindString(path))
	return n
}

func wrapped(program string) bool { return strings.HasPrefix(program, toolsDir()+"/") }

// containerName is how a wrapper names its container: after its process id, which
// is ours to know.
func containerName(pid int) string { return "leadgenctl-" + strconv.Itoa(pid) }

// runAs makes cmd run as another user. A wrapper needs our rights to reach Docker,
// and hands the user on to the container.
func runAs(cmd *exec.Cmd, cred *syscall.Credential) {
	switch {
	case cred == nil:
	case wrapped(cmd.Path):
		cmd.Env = append(os.Environ(), fmt.Sprintf("LEADGENCTL_RUN_AS=%d:%d", cred.Uid, cred.Gid))
	default:
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	}
}
