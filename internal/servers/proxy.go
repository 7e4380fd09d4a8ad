package servers

import (
	"context"
	"fmt"
	"strings"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Proxy stands between a client and a server and can be cut, hung or slowed.
type Proxy struct {
	proxy *toxiproxy.Proxy
}

// StartProxy forwards a free port of the loopback address to upstream (host:port).
func StartProxy(upstream string) (*Proxy, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &Proxy{proxy: toxiproxy.NewProxy(server, upstream, loopback(port), upstream)}
	if err := p.proxy.Start(); err != nil {
		return nil, fmt.Errorf("start the proxy to %s: %w", upstream, err)
	}
	return p, nil
}

// Addr is host:port of the client's side.
func (p *Proxy) Addr() string { return p.proxy.Listen }

// Cut closes every connection and refuses new ones.
func (p *Proxy) Cut() { p.proxy.Stop() }

// Mend lets connections through again after Cut.
func (p *Proxy) Mend() error {
	if err := p.proxy.Start(); err != nil {
		return fmt.Errorf("mend the proxy: %w", err)
	}
	return nil
}

// Hang keeps connections open but lets nothing through in either direction, as a
// firewall that drops packets does.
func (p *Proxy) Hang() error {
	return p.add(`{"name":"hang-up","type":"timeout","stream":"upstream","attributes":{"timeout":0}}`,
		`{"name":"hang-down","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`)
}

// Latency delays what the server answers.
func (p *Proxy) Latency(d time.Duration) error {
	return p.add(fmt.Sprintf(`{"name":"latency","type":"latency","attributes":{"latency":%d}}`, d.Milliseconds()))
}

// Reset takes back Hang and Latency.
func (p *Proxy) Reset() { p.proxy.Toxics.ResetToxics(context.Background()) }

// Stop ends the proxy.
func (p *Proxy) Stop() { p.proxy.Stop() }

func (p *Proxy) add(toxics ...string) error {
	for _, t := range toxics {
		if _, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(t)); err != nil {
			return fmt.Errorf("add %s: %w", t, err)
		}
	}
	return nil
}
