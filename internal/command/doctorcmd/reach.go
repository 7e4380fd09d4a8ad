package doctorcmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/leadgenctl/leadgenctl/internal/exit"
)

// reach says what to do about a server that cannot be reached, where containers are the
// likely reason; "" where they are not, and the error's own hint stands. container and
// service are what the platform's Compose file calls the server.
func reach(address string, err error, container, service string) string {
	host := hostOf(address)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && !strings.Contains(dns.Name, "."):
		return fmt.Sprintf("%q looks like the name of a Compose service, which only containers of its network know: run leadgenctl in that network (`docker compose run`), or publish the port (`docker compose ps %s`) and use localhost", dns.Name, service)
	case local(host) && inContainer():
		return fmt.Sprintf("leadgenctl runs in a container, where %s is that container itself: use the name of the Compose service (%s) as the host", host, service)
	case local(host) && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, context.DeadlineExceeded)):
		return fmt.Sprintf("look whether the container runs and publishes its port: `docker ps --filter name=%s` and `docker logs %s`; %s", container, container, exit.Hint(err))
	}
	return ""
}

// hostOf is the first host of a URL; "localhost" where the address names none.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return "localhost"
	}
	return u.Hostname()
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// inContainer knows Docker and Podman by the files that they leave.
func inContainer() bool {
	for _, name := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(name); err == nil {
			return true
		}
	}
	return false
}
