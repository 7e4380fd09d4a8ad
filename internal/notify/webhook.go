package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// The headers of a webhook's request.
const (
	TimestampHeader = "X-Leadgenctl-Timestamp" // Unix seconds
	SignatureHeader = "X-Leadgenctl-Signature" // "sha256=" and Sign's result
)

// Sign is the hexadecimal HMAC-SHA256 of the time stamp, a dot and the body. Receivers
// compute it too, and refuse old time stamps, so that a request cannot be replayed.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

type webhook struct {
	name, url, secret string
}

func newWebhook(name string, u *url.URL, secret string) (Channel, error) {
	if secret == "" {
		return nil, errors.New("a webhook needs webhook-secret, which signs its requests")
	}
	if u.Hostname() == "" {
		return nil, errors.New("a webhook needs a host")
	}
	return &webhook{name, strings.TrimPrefix(u.String(), "webhook+"), secret}, nil
}

func (w *webhook) Name() string { return w.name }

func (w *webhook) Send(ctx context.Context, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the message: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	_, err = backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, w.post(ctx, body) }, backoff.WithMaxTries(3))
	return err
}

// post sends the body once. What the receiver refuses for good is not tried again.
func (w *webhook) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(errors.New("the address cannot be requested"))
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "leadgenctl")
	req.Header.Set(TimestampHeader, now)
	req.Header.Set(SignatureHeader, "sha256="+Sign(w.secret, now, body))
	resp, err := newClient().Do(req)
	if no := refusalOf(err); no != nil {
		return backoff.Permanent(fmt.Errorf("the webhook %w", no))
	}
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, whose path may be a secret
		}
		return fmt.Errorf("post to the webhook: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	switch {
	case resp.StatusCode < 300:
		return nil
	case refusal(resp.StatusCode) != nil:
		return backoff.Permanent(fmt.Errorf("the webhook %w", refusal(resp.StatusCode)))
	}
	return fmt.Errorf("the webhook answered %s", resp.Status)
}
