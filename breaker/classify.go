package breaker

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"syscall"
)

// ErrorType is the app's class of an error: http_429, http_4xx, http_5xx, timeout,
// connection, or unknown. An error anywhere in the chain may say its own through a
// method ErrorType() string.
func ErrorType(err error) string {
	var own interface{ ErrorType() string }
	var timeout interface{ Timeout() bool }
	var netErr *net.OpError
	var dns *net.DNSError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &own):
		return own.ErrorType()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.As(err, &netErr), errors.As(err, &dns), errors.Is(err, syscall.ECONNREFUSED),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, net.ErrClosed):
		return "connection"
	}
	return "unknown"
}

// ResponseError is a response that counts as a failure.
type ResponseError struct {
	StatusCode int
	Status     string // as in http.Response
	URL        string // without query and user
}

func (e *ResponseError) Error() string { return e.Status + " from " + e.URL }

// ErrorType is http_429, http_4xx, http_5xx or http_unexpected.
func (e *ResponseError) ErrorType() string {
	switch {
	case e.StatusCode == http.StatusTooManyRequests:
		return "http_429"
	case e.StatusCode >= 500:
		return "http_5xx"
	case e.StatusCode >= 400:
		return "http_4xx"
	}
	return "http_unexpected"
}
