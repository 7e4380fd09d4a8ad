package breaker

import (
	"net/http"
	"net/url"
)

// Transport returns an http.RoundTripper that refuses requests with ErrOpen while
// the breaker is open, and opens it on an error of base that is a failure
// (Settings.IsFailure) or a response that counts as one
// (Settings.IsFailureResponse); the response reaches the caller all the same. A
// nil base is http.DefaultTransport. Like Do, it wants a started Breaker.
func (b *Breaker) Transport(base http.RoundTripper, opts ...FailureOption) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{b, base, opts}
}

type transport struct {
	b    *Breaker
	base http.RoundTripper
	opts []FailureOption
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	b, ctx := t.b, req.Context()
	if !b.allowed(ctx) {
		if req.Body != nil {
			req.Body.Close() // a RoundTripper closes it, also on errors
		}
		b.settings.Hooks.rejected(b.serviceOf(t.opts))
		return nil, ErrOpen
	}
	resp, err := t.base.RoundTrip(req)
	switch {
	case err != nil:
		if b.settings.IsFailure(err) {
			b.recordDetached(ctx, err, t.opts)
		}
	case b.settings.IsFailureResponse(resp):
		b.recordDetached(ctx, &ResponseError{StatusCode: resp.StatusCode, Status: resp.Status, URL: bare(req.URL)}, t.opts)
	default:
		b.RecordSuccess(ctx, t.opts...)
	}
	return resp, err
}

// bare is u without what may be secret: user, query and fragment.
func bare(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
