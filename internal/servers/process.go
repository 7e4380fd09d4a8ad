// Package servers starts private servers (PostgreSQL, PgBouncer, Redis in all its
// forms, RabbitMQ, Celery workers) on free ports of the loopback address, with
// their data in a temporary folder. The tests, the demo and the playground use it;
// no server that is already running is touched, and none of ours outlives us.
package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// process is a child that we started and that we alone end.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// start runs a command whose output goes to dir/name.log. sig is what ends it in
// an orderly way.
func start(dir, name string, cmd *exec.Cmd, sig string) (*process, error) {
	logPath := filepath.Join(dir, name+".log")
	f, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create the log of %s: %w", name, err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr, cmd.Dir = f, f, dir
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true // Ctrl-C in the terminal is for us to handle
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{cmd: cmd, log: logPath, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		_ = tell("end", strconv.Itoa(cmd.Process.Pid))
		close(p.done)
	}()
	if err := tell("run", fmt.Sprintf("%d:%s", cmd.Process.Pid, sig)); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// ready polls probe until it succeeds, the process ends, or ctx does. A process
// that does not become ready is killed.
func (p *process) ready(ctx context.Context, probe func(context.Context) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		if last = probe(ctx); last == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it was ready: %s", p.cmd.Path, p.Log())
		case <-ctx.Done():
			p.kill()
			return fmt.Errorf("%s was not ready in time: %w: %s", p.cmd.Path, errors.Join(ctx.Err(), last), p.Log())
		case <-tick.C:
		}
	}
}

// Log is what the server has written so far (its last 8 kB).
func (p *process) Log() string {
	out, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(out[max(0, len(out)-8192):])
}

// Pid is the process id of the server.
func (p *process) Pid() int { return p.cmd.Process.Pid }

// stop asks with sig, waits, and kills what has not ended after ten seconds.
func (p *process) stop(sig syscall.Signal) {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.kill()
	}
}

// kill ends the process and its children at once, as kill -9 does.
func (p *process) kill() {
	if wrapped(p.cmd.Path) {
		_ = exec.Command("docker", "kill", containerName(p.Pid())).Run()
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// unprivileged returns the credential for servers that refuse to run as root,
// or nil where we are not root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("read the ids of user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody")
}
