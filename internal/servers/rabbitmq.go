package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// RabbitMQ is a private RabbitMQ node with the management plug-in; user and
// password are "guest", as a fresh installation has them.
type RabbitMQ struct {
	Port           int // AMQP
	ManagementPort int // HTTP
	Dir            string
	*process
	epmd *process
	env  []string
}

// The packages' own script switches to the user rabbitmq; the one below lib does not.
var rabbitGlobs = []string{"/usr/lib/rabbitmq/bin/rabbitmq-server",
	"/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server", "/usr/local/opt/rabbitmq/sbin/rabbitmq-server"}

// StartRabbitMQ starts a node below dir with its own name, ports, cookie and port
// mapper (epmd), so that it neither sees nor disturbs another node of the machine.
func StartRabbitMQ(ctx context.Context, dir string) (*RabbitMQ, error) {
	bin, err := findBinary("rabbitmq-server", rabbitGlobs...)
	if err != nil {
		return nil, err
	}
	var ports [4]int
	for i := range ports {
		if ports[i], err = FreePort(); err != nil {
			return nil, err
		}
	}
	r := &RabbitMQ{Port: ports[0], ManagementPort: ports[1], Dir: filepath.Join(dir, "rabbitmq-"+strconv.Itoa(ports[0]))}
	if err := r.configure(ports[2], ports[3]); err != nil {
		return nil, err
	}
	if err := r.startEpmd(ctx, ports[3]); err != nil {
		return nil, err
	}
	if err := r.run(ctx, bin); err != nil {
		r.epmd.stop(syscall.SIGTERM)
		return nil, err
	}
	return r, nil
}

func (r *RabbitMQ) configure(distPort, epmdPort int) error {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return fmt.Errorf("make the RabbitMQ directory: %w", err)
	}
	files := map[string]string{
		"rabbitmq.conf": fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %d\n"+
			"log.console = true\nlog.console.level = warning\nlog.file = false\ncollect_statistics_interval = 1000\ndisk_free_limit.absolute = 10MB\n",
			r.Port, r.ManagementPort),
		"enabled_plugins": "[rabbitmq_management].\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.Dir, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	r.env = append(os.Environ(),
		"HOME="+r.Dir, // the Erlang cookie
		"RABBITMQ_NODENAME=rabbit-"+strconv.Itoa(r.Port)+"@localhost",
		"RABBITMQ_CONF_ENV_FILE="+os.DevNull,
		"RABBITMQ_CONFIG_FILE="+filepath.Join(r.Dir, "rabbitmq.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(r.Dir, "enabled_plugins"),
		"RABBITMQ_MNESIA_BASE="+filepath.Join(r.Dir, "mnesia"),
		"RABBITMQ_LOG_BASE="+filepath.Join(r.Dir, "log"),
		"RABBITMQ_PID_FILE="+filepath.Join(r.Dir, "pid"),
		"RABBITMQ_DIST_PORT="+strconv.Itoa(distPort),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +S 2:2",
		"ERL_EPMD_PORT="+strconv.Itoa(epmdPort), "ERL_EPMD_ADDRESS=127.0.0.1")
	return nil
}

// startEpmd runs Erlang's port mapper as our child: started by the node itself it
// would be a daemon that nobody ends.
func (r *RabbitMQ) startEpmd(ctx context.Context, port int) error {
	bin, err := findBinary("epmd", "/usr/lib/erlang/erts-*/bin/epmd")
	if err != nil {
		return err
	}
	if r.epmd, err = start(r.Dir, "epmd", exec.Command(bin, "-port", strconv.Itoa(port), "-address", "127.0.0.1"), "TERM"); err != nil {
		return err
	}
	return r.epmd.ready(ctx, dial(loopback(port)))
}

func (r *RabbitMQ) run(ctx context.Context, bin string) error {
	cmd := exec.Command(bin)
	cmd.Env = r.env
	var err error
	if r.process, err = start(r.Dir, "rabbitmq", cmd, "TERM"); err != nil {
		return err
	}
	return r.ready(ctx, func(ctx context.Context) error {
		if err := dial(loopback(r.Port))(ctx); err != nil {
			return err
		}
		return r.API(ctx, http.MethodGet, "/api/aliveness-test/%2F", nil, nil)
	})
}

// API calls the management plug-in; body and answer are JSON and may be nil.
func (r *RabbitMQ) API(ctx context.Context, method, path string, body, answer any) error {
	return rabbitAPI(ctx, r.ManagementURL(), method, path, body, answer)
}

// NewVHost makes a virtual host in which guest may do everything.
func (r *RabbitMQ) NewVHost(ctx context.Context, name string) (amqpURL string, err error) {
	if err := NewVHost(ctx, r.ManagementURL(), name); err != nil {
		return "", err
	}
	return r.VHostURL(name), nil
}

// NewVHost makes a virtual host through a management address.
func NewVHost(ctx context.Context, management, name string) error {
	name = url.PathEscape(name)
	if err := rabbitAPI(ctx, management, http.MethodPut, "/api/vhosts/"+name, nil, nil); err != nil {
		return err
	}
	return rabbitAPI(ctx, management, http.MethodPut, "/api/permissions/"+name+"/guest",
		map[string]string{"configure": ".*", "write": ".*", "read": ".*"}, nil)
}

// DeleteVHost removes a virtual host with all its queues.
func DeleteVHost(ctx context.Context, management, name string) error {
	return rabbitAPI(ctx, management, http.MethodDelete, "/api/vhosts/"+url.PathEscape(name), nil, nil)
}

// URL is the AMQP address of the default virtual host.
func (r *RabbitMQ) URL() string { return fmt.Sprintf("amqp://guest:guest@%s//", loopback(r.Port)) }

// VHostURL is the AMQP address of a virtual host.
func (r *RabbitMQ) VHostURL(name string) string {
	return fmt.Sprintf("amqp://guest:guest@%s/%s", loopback(r.Port), url.PathEscape(name))
}

// ManagementURL is the address of the HTTP API, credentials included.
func (r *RabbitMQ) ManagementURL() string {
	return "http://guest:guest@" + loopback(r.ManagementPort)
}

// Stop ends the node; its data is lost with its folder.
func (r *RabbitMQ) Stop() {
	r.kill() // the orderly way takes seconds and saves what nobody will read
	r.epmd.stop(syscall.SIGTERM)
}

// Restart ends the node in an orderly way and starts it again with its data.
func (r *RabbitMQ) Restart(ctx context.Context) error {
	bin, err := findBinary("rabbitmq-server", rabbitGlobs...)
	if err != nil {
		return err
	}
	r.stop(syscall.SIGTERM)
	return r.run(ctx, bin)
}

func rabbitAPI(ctx context.Context, base, method, path string, body, answer any) error {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, in)
	if err != nil {
		return fmt.Errorf("ask RabbitMQ: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask RabbitMQ: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("read RabbitMQ's answer: %w", err)
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("RabbitMQ answered %s %s with %s: %s", method, path, res.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// dial is a probe that only connects.
func dial(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return c.Close()
	}
}
