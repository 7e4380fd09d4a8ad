package audit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
)

// pinger tells a health check that an audit starts, and how it ends, by the conventions
// of healthchecks.io (its pinging API): URL/start, URL, URL/fail, each with the run id.
// The zero value pings nobody.
type pinger struct {
	url *url.URL
	run string
}

func newPinger(address string) pinger {
	u, err := url.Parse(address)
	if address == "" || err != nil {
		return pinger{}
	}
	return pinger{u, uuid.NewString()}
}

func (p pinger) start(ctx context.Context) error             { return p.ping(ctx, "start", "") }
func (p pinger) success(ctx context.Context) error           { return p.ping(ctx, "", "") }
func (p pinger) fail(ctx context.Context, text string) error { return p.ping(ctx, "fail", text) }

func (p pinger) ping(ctx context.Context, what, text string) error {
	if p.url == nil {
		return nil
	}
	u := *p.url
	if what != "" {
		u = *u.JoinPath(what)
	}
	q := u.Query()
	q.Set("rid", p.run)
	u.RawQuery = q.Encode()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, post(ctx, u.String(), text) }, backoff.WithMaxTries(3))
	if err != nil {
		return fmt.Errorf("ping the health check: %w", err)
	}
	return nil
}

func post(ctx context.Context, address, text string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(text))
	if err != nil {
		return backoff.Permanent(errors.New("its URL cannot be requested"))
	}
	resp, err := (&http.Client{}).Do(req) // a GET after a redirect counts as well
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, which holds the check's secret id
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("it answered %s", resp.Status)
	}
	return nil
}
