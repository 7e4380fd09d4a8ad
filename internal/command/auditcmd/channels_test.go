package auditcmd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A channel that is away is a failure of its own: the others are told.
func TestAChannelThatIsAwayStopsNoOther(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.fault(1)
	p.cli.Env = append(p.cli.Env, "LEADGENCTL_NOTIFY=a=matrix://user:hunter2@127.0.0.1:1/?rooms=x&disableTLS=yes b=exec:/no/such/program c=webhook+"+p.hook.URL)
	o := p.audit(5)
	for i, want := range []string{"failed", "failed", "sent"} {
		if d := o.Deliveries[i]; d.Status != want || strings.Contains(d.Error, "hunter2") || want == "failed" && d.Error == "" {
			t.Errorf("%+v", d)
		}
	}
	p.told("new", 1)
}

// What a service would refuse for its length is shortened between two lines.
func TestLongTextsAreShortened(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	got := make(chan string, 1)
	ntfy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(ntfy.Close)
	p.cli.Env = append(p.cli.Env, "LEADGENCTL_NOTIFY=phone=ntfy://"+strings.TrimPrefix(ntfy.URL, "http://")+"/topic?scheme=http")
	p.fault(300)
	if o := p.audit(0, "--max-samples", "300"); o.Deliveries[0].Status != "sent" {
		t.Fatalf("%+v", o.Deliveries)
	}
	text := <-got
	lines := strings.Split(text, "\n")
	if len(text) > 4096 || len(text) < 3500 || !strings.HasPrefix(lines[len(lines)-1], "… and ") || !strings.HasSuffix(text, " more lines") {
		t.Errorf("%d bytes: %s", len(text), text)
	}
}

// Telegram is told when it answers that it was, and at no other time.
func TestTelegramIsBelievedOnly(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	var answer atomic.Value
	telegram := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status, body, _ := strings.Cut(answer.Load().(string), " ")
		code := 0
		_, _ = fmt.Sscan(status, &code)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}))
	telegram.TLS = &tls.Config{Certificates: []tls.Certificate{certificateFor(t, "api.telegram.org")}}
	telegram.StartTLS()
	t.Cleanup(telegram.Close)
	tunnel := httptest.NewServer(connectTo(telegram.Listener.Addr().String()))
	t.Cleanup(tunnel.Close)
	plain := append(append([]string{}, p.cli.Env...), "SSL_CERT_FILE="+certificate(t, telegram),
		"LEADGENCTL_NOTIFY=chat=telegram://123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@telegram?chats=@ops")
	p.cli.Env = append(plain, "HTTPS_PROXY="+tunnel.URL)
	p.fault(1)
	for _, said := range []string{"502 <html>Bad gateway</html>", "200 <html>Log in to the network</html>", `400 {"ok":false,"error_code":400,"description":"chat not found"}`, `200 {"ok":false,"description":"no"}`, "200 {}"} {
		answer.Store(said)
		if d := p.audit(5).Deliveries[0]; d.Status != "failed" || d.Error == "" || strings.Contains(d.Error, "AAAA") {
			t.Errorf("%s: %+v", said, d)
		}
	}
	p.cli.Env = append(plain, "HTTPS_PROXY=http://127.0.0.1:1")
	if d := p.audit(5).Deliveries[0]; d.Status != "failed" || d.Error == "" {
		t.Errorf("no network: %+v", d)
	}
	p.cli.Env = append(plain, "HTTPS_PROXY="+tunnel.URL)
	answer.Store(`200 {"ok":true,"result":{"message_id":1}}`)
	if d := p.audit(0).Deliveries[0]; d.Status != "sent" || len(d.Events) != 1 {
		t.Errorf("%+v", d)
	}
}

// An address may leave out the host and the port that everybody has.
func TestAnAddressNeedsNoHostThatAllShare(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	var mu sync.Mutex
	asked := map[string]bool{}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.Method+" "+r.Host] = true
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(proxy.Close)
	const key = "/0123456789abcdef0123456789abcdef"
	var channels []string
	for i, address := range []string{"pagerduty://" + key, "pagerduty://events.eu.pagerduty.com" + key, "pagerduty://pager.example:8443" + key,
		"opsgenie://" + key, "opsgenie://api.eu.opsgenie.com" + key, "ntfy:///topic", "ntfy://ntfy.example/topic", "mattermost://chat.example/token", "gotify://push.example/AzzzzzzzzzzzzzZ"} {
		channels = append(channels, fmt.Sprintf("c%d=%s", i, address))
	}
	p.cli.Env = append(p.cli.Env, "HTTPS_PROXY="+proxy.URL, "LEADGENCTL_NOTIFY="+strings.Join(channels, " "))
	p.fault(1)
	for _, d := range p.audit(5).Deliveries {
		if d.Status != "failed" || strings.Contains(d.Error, key[1:]) {
			t.Errorf("%+v", d)
		}
	}
	for _, want := range []string{"events.pagerduty.com", "events.eu.pagerduty.com", "pager.example:8443", "api.opsgenie.com", "api.eu.opsgenie.com", "ntfy.sh", "ntfy.example", "chat.example", "push.example"} {
		if !strings.Contains(want, ":") {
			want += ":443"
		}
		if !asked["CONNECT "+want] {
			t.Errorf("%s was not asked: %v", want, asked)
		}
	}
}

// connectTo is a proxy whose tunnels all lead to one address.
func connectTo(address string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		server, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer server.Close()
		w.WriteHeader(http.StatusOK)
		client, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		go func() { _, _ = io.Copy(server, buffered) }()
		_, _ = io.Copy(client, server)
	}
}

// certificateFor makes a certificate of a host that signs itself.
func certificateFor(t *testing.T, host string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// What names rows may hold reaches neither terminals nor messages as it is.
func TestControlCharactersAreNotPassedOn(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.exec("INSERT INTO jobs (task_id, name, status, job_type) VALUES (gen_random_uuid(), E'a\\x1b[2Jb\\nfake', 'COMPLETED', 'FETCH_LEADS')")
	p.exec("INSERT INTO leadgenctl.dispatch_failures (job_id, attempts, error) VALUES (1, 5, E'a\\x1b[2Jb\\n  NEW LGX999 fake')")
	p.cli.Expect(0, "audit", "run", "--only", "LGQ014", "--settle", "10ms", "--fail-on=never")
	got := p.hook.take()
	if len(got) != 1 || strings.Contains(got[0].Text, "\x1b") || strings.Contains(got[0].Text, "\n  NEW LGX999") || !strings.Contains(got[0].Text, "LGX999 fake") {
		t.Errorf("%+v", got)
	}
	table := p.cli.Expect(0, "check-consistency", "--only", "LGQ014", "--settle", "10ms", "--fail-on=never").Stdout
	if strings.Contains(table, "\x1b") || strings.Contains(table, "\n  NEW LGX999") || !strings.Contains(table, "LGX999 fake") {
		t.Errorf("%q", table)
	}
}
