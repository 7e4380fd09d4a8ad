package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are drawn below the range from which systems take the ports of outgoing
// connections, so that none is taken between the draw and the server's bind.
const (
	firstPort = 12000
	lastPort  = 32000
)

var handedOut sync.Map // port -> struct{}: never hand one out twice in a process

// FreePort returns a TCP port of the loopback address that is free now.
func FreePort() (int, error) { return freePort(firstPort, lastPort, 0) }

// freePort draws from [first, last) a port p such that p and p+also are free.
func freePort(first, last, also int) (int, error) {
	for range 1000 {
		p := first + rand.IntN(last-first)
		if !free(p) || also != 0 && !free(p+also) {
			continue
		}
		if _, taken := handedOut.LoadOrStore(p, struct{}{}); !taken {
			return p, nil
		}
	}
	return 0, errors.New("no free port on the loopback address")
}

func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
