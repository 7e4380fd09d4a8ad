// Command leadgenctl operates Celery jobs in PostgreSQL behind one global
// circuit breaker in Redis. main only wires; commands live in internal/command.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/leadgenctl/leadgenctl/internal/command/root"
	"github.com/leadgenctl/leadgenctl/internal/iostreams"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	return root.Execute(ctx, iostreams.System(), os.Args[1:])
}
