package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/discord"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/mattermost"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/slack"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/email/smtp"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/opsgenie"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/pagerduty"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/gotify"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushover"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// services are those of shoutrrr that teams on call use; each is imported by itself,
// since its router would bring all of them and their start-up time.
var services = map[string]func() types.Service{
	"discord":    func() types.Service { return &discord.Service{} },
	"gotify":     func() types.Service { return &gotify.Service{} },
	"matrix":     func() types.Service { return &matrix.Service{} },
	"mattermost": func() types.Service { return &mattermost.Service{} },
	"ntfy":       func() types.Service { return &ntfy.Service{} },
	"opsgenie":   func() types.Service { return &opsgenie.Service{} },
	"pagerduty":  func() types.Service { return &pagerduty.Service{} },
	"pushover":   func() types.Service { return &pushover.Service{} },
	"slack":      func() types.Service { return &slack.Service{} },
	"smtp":       func() types.Service { return &smtp.Service{} },
	"telegram":   func() types.Service { return &telegram.Service{} },
}

// Schemes are the schemes of the addresses that New knows, sorted.
func Schemes() []string {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(services)), "exec", "webhook+http", "webhook+https")))
}

type service struct {
	name    string
	scheme  string
	address *url.URL
	sender  types.Service
}

func newService(name string, u *url.URL) (Channel, error) {
	build, ok := services[u.Scheme]
	if !ok {
		return nil, fmt.Errorf("%s:// is not known; known are %s", u.Scheme, strings.Join(Schemes(), ", "))
	}
	s := build()
	if err := s.Initialize(u, log.New(io.Discard, "", 0)); err != nil {
		return nil, fmt.Errorf("its %s:// address lacks something (%s)", u.Scheme, without(u, err))
	}
	return &service{name, u.Scheme, u, s}, nil
}

// without keeps the parts of an address out of a service's error.
func without(u *url.URL, err error) string {
	text := err.Error()
	secrets := append([]string{u.String(), u.Host}, strings.Split(u.Path, "/")...)
	if u.User != nil {
		password, _ := u.User.Password()
		secrets = append(secrets, u.User.String(), u.User.Username(), password)
	}
	for _, secret := range secrets {
		secrets = append(secrets, strings.Split(secret, "-")...)
	}
	for _, secret := range secrets {
		if len(secret) > 3 {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}

func (s *service) Name() string { return s.name }

func (s *service) Send(ctx context.Context, m Message) error {
	done := make(chan error, 1)
	go func() { done <- s.send(m) }() // the library's senders take no context
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", s.scheme, ctx.Err())
	}
}

func (s *service) send(m Message) error {
	var errs []error
	switch s.scheme {
	case "pagerduty":
		for _, i := range m.incidents() {
			action := "trigger"
			if i.Resolved {
				action = "resolve"
			}
			errs = append(errs, s.sender.Send(i.Summary, &types.Params{"action": action, "dedup_key": i.Key, "severity": string(i.Severity), "source": m.Host}))
		}
	case "opsgenie":
		for _, i := range m.incidents() {
			if !i.Resolved { // the library can create alerts only
				errs = append(errs, s.sender.Send(i.Summary, &types.Params{"alias": i.Key, "source": m.Host, "priority": priorities[i.Severity]}))
			}
		}
	default:
		errs = append(errs, s.sender.Send(m.Text, &types.Params{"title": m.Title}))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %s", s.scheme, without(s.address, err))
	}
	return nil
}

var priorities = map[Severity]string{Critical: "P1", Error: "P2", Warning: "P3", Info: "P5"}

// incidents are the parts of m, or m itself.
func (m Message) incidents() []Incident {
	if m.Incidents != nil {
		return m.Incidents
	}
	return []Incident{{Key: "leadgenctl/" + m.Event, Summary: m.Title, Severity: m.Severity}}
}
