package servers_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/servers"
)

const envVictim = "LEADGENCTL_TEST_GUARD_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(envVictim) != "" {
		victim()
	}
	os.Exit(m.Run())
}

// victim starts servers, says which, and waits to be killed.
func victim() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir, _, err := servers.TempDir("leadgenctl-victim-")
	if err == nil {
		var r *servers.Redis
		var p *servers.Postgres
		r, err = servers.StartRedis(ctx, dir)
		if err == nil {
			p, err = servers.StartPostgres(ctx, dir)
		}
		if err == nil {
			fmt.Println(dir, r.Pid(), p.Pid())
			select {}
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestNoServerOutlivesAKilledRun(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envVictim+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var dir string
	var pids [2]int
	if _, err := fmt.Sscan(line, &dir, &pids[0], &pids[1]); err != nil || !strings.Contains(dir, "victim") {
		t.Fatalf("the victim says %q", line)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	deadline := time.Now().Add(30 * time.Second)
	for {
		_, err := os.Stat(dir)
		if errors.Is(err, os.ErrNotExist) && !alive(pids[0]) && !alive(pids[1]) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("30 s after the kill: folder: %v, servers alive: %v %v", err, alive(pids[0]), alive(pids[1]))
		}
		time.Sleep(20 * time.Millisecond) // the pace of polling
	}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
