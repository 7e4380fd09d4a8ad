package notify

import (
	"crypto/tls"
	"net/http"
	"sync"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/discord"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/mattermost"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/opsgenie"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/pagerduty"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/gotify"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushover"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// keepMethod is the CheckRedirect of a client that posts messages. After most redirects
// Go's client goes on with a GET, without the body: who answers that has no message.
func keepMethod(req *http.Request, via []*http.Request) error {
	if req.Method == via[0].Method && len(via) < 5 {
		return nil // 307 and 308 repeat the whole request
	}
	return &RefusedError{Status: req.Response.Status + ", a redirect that would lose the message: set the address that it leads to"}
}

// newClient is one for messages.
func newClient() *http.Client {
	return &http.Client{CheckRedirect: keepMethod, Timeout: sendTimeout}
}

// keepDefault is for opsgenie, which posts with Go's default client only.
var keepDefault = sync.OnceFunc(func() { http.DefaultClient.CheckRedirect = keepMethod })

// useOurClient makes a service lose no message in a redirect, and use the proxy that the
// environment names. The clients of matrix and slack cannot be reached; these two take
// nothing for a success but their own answers.
func useOurClient(sender types.Service) {
	switch s := sender.(type) {
	case *discord.Service:
		s.HTTPClient = newClient()
	case *gotify.Service:
		adapt(s.GetHTTPClient())
	case *mattermost.Service:
		adapt(s.GetHTTPClient())
	case *ntfy.Service:
		c := newClient()
		if s.Config.DisableTLSVerification {
			t := http.DefaultTransport.(*http.Transport).Clone()
			t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
			c.Transport = t
		}
		s.SetHTTPClient(c)
	case *opsgenie.Service:
		keepDefault()
	case *pagerduty.Service:
		s.SetHTTPClient(newClient())
	case *pushover.Service:
		s.Client = newClient()
	}
}

// adapt changes a client whose transport holds the service's own settings for TLS.
func adapt(c *http.Client) {
	c.CheckRedirect = keepMethod
	if t, ok := c.Transport.(*http.Transport); ok {
		t.Proxy = http.ProxyFromEnvironment
	}
}
