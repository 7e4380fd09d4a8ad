package notify

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"github.com/nicholas-fedor/shoutrrr/pkg/util/jsonclient"
)

// The library (0.13, and 0.14 too) takes it for a success when Telegram cannot be reached,
// or when something on the way answers in its place: its client reads an error from JSON
// alone. So whatever is not Telegram's own answer is put into that form.
var honestOnce = sync.OnceFunc(func() {
	jsonclient.DefaultClient = jsonclient.NewWithHTTPClient(&http.Client{Transport: honest{http.DefaultTransport}, CheckRedirect: keepMethod, Timeout: sendTimeout})
})

func newTelegram() types.Service {
	honestOnce()
	return &telegram.Service{}
}

type honest struct{ http.RoundTripper }

// answer is the form of all of Telegram's answers.
type answer struct {
	OK          *bool  `json:"ok"`
	Code        int    `json:"error_code,omitempty"`
	Description string `json:"description,omitempty"`
}

func (h honest) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := h.RoundTripper.RoundTrip(req)
	if err != nil {
		return failure(req, http.StatusBadGateway, err.Error()), nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	var a answer
	if err != nil || json.Unmarshal(body, &a) != nil || a.OK == nil {
		return failure(req, resp.StatusCode, "it answered "+resp.Status+", and not as Telegram does"), nil
	}
	if !*a.OK {
		resp.StatusCode = max(resp.StatusCode, http.StatusBadRequest) // else it would not be read as an error
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// failure is an answer that the library takes for an error.
func failure(req *http.Request, status int, why string) *http.Response {
	no := false
	body, _ := json.Marshal(answer{&no, status, why}) // plain texts and numbers
	return &http.Response{StatusCode: max(status, http.StatusBadRequest), Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req}
}
