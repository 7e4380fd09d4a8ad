package notify_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/notify"
)

// A redirect that turns the message into a GET is a failure; one that repeats it is followed.
func TestARedirectLosesNoMessage(t *testing.T) {
	t.Parallel()
	for scheme, address := range map[string]string{
		"webhook":    "webhook+http://HOST/hook",
		"gotify":     "gotify://HOST/AzzzzzzzzzzzzzZ?disabletls=yes",
		"mattermost": "mattermost://HOST/token?disabletls=yes",
		"ntfy":       "ntfy://HOST/topic?scheme=http",
	} {
		for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
			t.Run(scheme+"/"+http.StatusText(status), func(t *testing.T) {
				t.Parallel()
				told, err := redirected(t, address, status)
				switch {
				case status >= http.StatusTemporaryRedirect && (err != nil || told != 1):
					t.Errorf("told %d times, %v", told, err)
				case status < http.StatusTemporaryRedirect && (err == nil || told != 0 || !strings.Contains(err.Error(), http.StatusText(status)+", a redirect that would lose the message")):
					t.Errorf("told %d times, %v", told, err)
				case err != nil && strings.Contains(err.Error(), "secret"):
					t.Error(err)
				}
			})
		}
	}
}

// redirected sends a message to a server that leads it elsewhere with a status, and
// counts those that arrive whole.
func redirected(t *testing.T, address string, status int) (told int64, err error) {
	t.Helper()
	var whole atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/secret" {
			http.Redirect(w, r, "/secret", status)
			return
		}
		if body, _ := io.ReadAll(r.Body); r.Method == http.MethodPost && strings.Contains(string(body), "It is broken") {
			whole.Add(1)
		}
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(server.Close)
	c, err := notify.New("team", strings.Replace(address, "HOST", strings.TrimPrefix(server.URL, "http://"), 1), notify.Settings{WebhookSecret: "x"})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Send(t.Context(), notify.Message{Title: "It is broken", Text: "It is broken"})
	return whole.Load(), err
}
