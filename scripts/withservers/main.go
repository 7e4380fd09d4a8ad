// Withservers starts private servers, runs a command with their addresses in its
// environment, and stops them when the command ends, whatever way it ends.
//
//	go run ./scripts/withservers -- go test ./...         # for the tests
//	go run ./scripts/withservers -platform -- scripts/demo      # an old platform
//	go run ./scripts/withservers -platform                # until Ctrl-C
//	go run ./scripts/withservers -attach -- CMD           # a Celery worker beside a platform that is up
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	platform, worker, attach, rabbit bool
}

func main() {
	var o options
	flag.BoolVar(&o.platform, "platform", false, "seed a platform in its old state and pass its addresses as LEADGENCTL_*")
	flag.BoolVar(&o.worker, "worker", false, "with -platform: also run a Celery worker")
	flag.BoolVar(&o.attach, "attach", false, "only run a Celery worker, for the platform that LEADGENCTL_* names")
	flag.BoolVar(&o.rabbit, "rabbitmq", true, "for tests: start RabbitMQ, too")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	code, err := run(ctx, o, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "withservers:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(ctx context.Context, o options, command []string) (int, error) {
	s, err := newStack()
	if err != nil {
		return 1, err
	}
	defer s.stop()
	starting, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	switch {
	case o.attach:
		err = s.startWorker(starting, os.Getenv("LEADGENCTL_DATABASE_URL"), os.Getenv("LEADGENCTL_REDIS_URL"))
	case o.platform:
		err = s.startPlatform(starting, o.worker)
	default:
		err = s.startForTests(starting, o.rabbit)
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return 130, nil
	case err != nil:
		return 1, err
	case len(command) == 0:
		return 0, s.waitFor(ctx)
	}
	return runCommand(ctx, command, s.env)
}

// waitFor shows how to use the servers and waits for Ctrl-C.
func (s *stack) waitFor(ctx context.Context) error {
	fmt.Println("# A private platform is up. Paste this into another shell:")
	for _, e := range s.env {
		fmt.Printf("export %s\n", quote(e))
	}
	fmt.Println("# Ctrl-C stops the servers and removes their data.")
	<-ctx.Done()
	return nil
}

// runCommand passes the terminal through. The command gets Ctrl-C itself, being in
// our process group; SIGTERM is passed on.
func runCommand(ctx context.Context, command, env []string) (int, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 130, nil
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1), nil
	case err != nil:
		return 1, fmt.Errorf("run %s: %w", command[0], err)
	}
	return 0, nil
}

func quote(assignment string) string {
	for i, c := range assignment {
		if c == '=' {
			return assignment[:i+1] + "'" + assignment[i+1:] + "'"
		}
	}
	return assignment
}

func build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "leadgenctl")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", bin, "github.com/leadgenctl/leadgenctl/cmd/leadgenctl").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build leadgenctl: %w: %s", err, out)
	}
	return bin, nil
}
