package breaker_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// recorder keeps what the hooks were told.
type recorder struct {
	mu   sync.Mutex
	said []string
}

func (r *recorder) add(s string) { r.mu.Lock(); defer r.mu.Unlock(); r.said = append(r.said, s) }

func (r *recorder) hooks() breaker.Hooks {
	return breaker.Hooks{
		OnTransition: func(t breaker.Transition) { r.add("transition " + string(t.State) + " " + t.Source) },
		OnFailure:    func(f breaker.Failure) { r.add("failure " + f.Service + " " + f.ErrorType) },
		OnSuccess:    func(s string) { r.add("success " + s) },
		OnRejected:   func(s string) { r.add("rejected " + s) },
		OnError:      func(err error) { r.add("error") },
	}
}

func TestDoOpensAtTheFirstFailure(t *testing.T) {
	t.Parallel()
	var r recorder
	b, c := newBreaker(t, breaker.Settings{Service: "apollo", Hooks: r.hooks()})
	ctx, cancel := context.WithCancel(context.Background())
	failure := errors.New("502")
	call := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	if err := b.Do(ctx, call(nil)); err != nil {
		t.Error(err)
	}
	if err := b.Do(ctx, call(context.Canceled)); err != context.Canceled {
		t.Error(err)
	}
	// The caller gives up while the call fails: it is recorded all the same.
	if err := b.Do(ctx, func(context.Context) error { cancel(); return failure }); err != failure {
		t.Error(err)
	}
	ctx = context.Background()
	if err := b.Do(ctx, call(nil), breaker.ForService("openai")); !errors.Is(err, breaker.ErrOpen) {
		t.Errorf("open: %v", err)
	}
	write(t, c, `{"state": "closed", "metadata": {}}`, 0) // closed by the app
	if err := b.Do(ctx, call(nil)); err != nil {
		t.Error(err)
	}
	must(b.Open(ctx, breaker.OpenOptions{}))(t)
	want := []string{"success apollo", "failure apollo unknown", "transition open leadgenctl", "rejected openai", "success apollo", "transition closed python", "transition open leadgenctl"}
	if d := cmp.Diff(want, r.said); d != "" {
		t.Error(d)
	}
}

func TestTransport(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var status int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, "body")
	}))
	defer server.Close()
	b, _ := newBreaker(t, breaker.Settings{Service: "instantly"})
	client := http.Client{Transport: b.Transport(server.Client().Transport)}
	get := func(url string) (string, error) {
		resp, err := client.Post(url, "text/plain", strings.NewReader("x"))
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}
	for _, c := range []struct {
		status int
		class  string
	}{{200, ""}, {404, ""}, {429, "http_429"}, {503, "http_5xx"}} {
		status = c.status
		if body, err := get(server.URL + "/path?api_key=secret"); err != nil || body != "body" {
			t.Fatalf("%d: %q, %v", c.status, body, err)
		}
		st := must(b.State(ctx))(t)
		if (st.State == breaker.Open) != (c.class != "") || st.State == breaker.Open && st.ErrorType != c.class || strings.Contains(st.Reason, "secret") {
			t.Errorf("%d: %+v", c.status, st)
		}
		if st.State == breaker.Open {
			if _, err := get(server.URL); !errors.Is(err, breaker.ErrOpen) {
				t.Errorf("while open: %v", err)
			}
		}
		must(b.Close(ctx, breaker.CloseOptions{}))(t)
	}
	server.Close()
	if _, err := get(server.URL); err == nil {
		t.Error("no error from a closed server")
	}
	if st := must(b.State(ctx))(t); st.ErrorType != "connection" || st.Service != "instantly" {
		t.Errorf("%+v", st)
	}
}

func TestErrorType(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	for want, err := range map[string]error{
		"":         nil,
		"timeout":  ctx.Err(),
		"unknown":  errors.New("x"),
		"http_4xx": &breaker.ResponseError{StatusCode: 402},
	} {
		if got := breaker.ErrorType(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

func TestDeprecatedShimsActGlobally(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, _ := newBreaker(t, breaker.Settings{})
	must(b.RecordServiceFailure(ctx, "perplexity", errors.New("429"), "http_429"))(t)
	st := must(b.ServiceState(ctx, "apollo"))(t)
	if st.State != breaker.Open || st.Service != "perplexity" || st.ErrorType != "http_429" || b.AllowService("openai") {
		t.Errorf("%+v", st)
	}
	b.RecordServiceSuccess(ctx, "perplexity")
	if b.Allow() || must(b.State(ctx))(t).State != breaker.Open {
		t.Error("a success closed the breaker")
	}
}
