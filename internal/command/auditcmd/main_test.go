package auditcmd_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/notify"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const secret = "s3cret of the webhook"

// platform is one with our schema and a receiver of notifications.
type platform struct {
	t    *testing.T
	db   *testenv.Database
	cli  *testenv.CLI
	hook *receiver
}

// ended are jobs that ended without completed_at: the fault that is made here.
const check = "LGQ012"

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{t: t, db: testenv.NewDatabase(t), hook: newReceiver(t)}
	m, err := schema.New(p.db.Pool, schema.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context(), schema.Base); err != nil {
		t.Fatal(err)
	}
	p.cli = testenv.NewCLI(t, p.db.URL, testenv.NewRedis(t).URL)
	p.cli.Env = append(p.cli.Env, "LEADGENCTL_NOTIFY=team=webhook+"+p.hook.URL, "LEADGENCTL_WEBHOOK_SECRET="+secret)
	return p
}

// fault makes n further jobs that ended without completed_at.
func (p *platform) fault(n int) {
	p.t.Helper()
	p.exec(`INSERT INTO jobs (task_id, name, status) SELECT gen_random_uuid(), 'job', 'COMPLETED' FROM generate_series(1, $1::int)`, n)
}

func (p *platform) exec(sql string, args ...any) {
	p.t.Helper()
	if _, err := p.db.Pool.Exec(p.t.Context(), sql, args...); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

type event struct {
	Kind, Check   string
	Count, Before int
	Fresh         int
	Samples       []string
}

type outcome struct {
	Busy   string
	Run    struct{ ID, Findings, Errors int }
	Stored bool
	Events []event

	Deliveries []struct {
		Channel, Status, Error string
		Events                 []event
	}
}

// audit runs one and wants an exit code.
func (p *platform) audit(code int, args ...string) outcome {
	p.t.Helper()
	var o outcome
	p.cli.JSON(&o, code, append([]string{"audit", "run", "--only", check, "--settle", "10ms", "--rate-limit", "0"}, args...)...)
	return o
}

// receiver is somebody's webhook and health check: it verifies what it gets.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	messages []notify.Message
	pings    []string
	refuse   bool
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if strings.HasPrefix(req.URL.Path, "/ping") {
			r.pings = append(r.pings, req.URL.String()+" "+string(body))
			return
		}
		at := req.Header.Get(notify.TimestampHeader)
		if got := req.Header.Get(notify.SignatureHeader); got != signature(at, body) {
			t.Errorf("the signature %q does not fit", got)
		}
		if r.refuse {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		var m notify.Message
		if err := json.Unmarshal(body, &m); err != nil {
			t.Errorf("%v: %s", err, body)
		}
		r.messages = append(r.messages, m)
	}))
	t.Cleanup(r.Close)
	return r
}

// take returns the messages since the last call.
func (r *receiver) take() []notify.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.messages
	r.messages = nil
	return all
}

func (r *receiver) setRefuse(refuse bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = refuse
}

// signature is what the README promises: of the time stamp, a dot and the body.
func signature(timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s.%s", timestamp, body)
	return fmt.Sprintf("sha256=%x", mac.Sum(nil))
}

func itoa(n int) string { return strconv.Itoa(n) }

func decodeText(text string, v any) error { return json.Unmarshal([]byte(text), v) }

func decode(t *testing.T, r *http.Request) (v map[string]any) {
	t.Helper()
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		t.Error(err)
	}
	return v
}

// certificate is a file with the server's certificate.
func certificate(t *testing.T, s *httptest.Server) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
