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
	"sync"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/discord"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/mattermost"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/slack"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/email/smtp"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/opsgenie"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/pagerduty"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/gotify"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushover"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// kind is a service of shoutrrr.
type kind struct {
	build func() types.Service
	limit int                          // bytes of title and text that it takes; 0 for any
	host  string                       // where an address names none; the library fills in neither this
	port  string                       // nor this
	own   bool                         // everybody has a server of their own: an address must name it
	check func(address *url.URL) error // of one that logs in as it starts: looks at the address only
}

// services are those of shoutrrr that teams on call use; each is imported by itself,
// since its router would bring all of them and their start-up time.
var services = map[string]kind{
	"discord":    {build: func() types.Service { return &discord.Service{} }, limit: 5500},
	"gotify":     {build: func() types.Service { return &gotify.Service{} }, own: true},
	"matrix":     {build: func() types.Service { return &matrix.Service{} }, limit: 30000, own: true, check: checkMatrix},
	"mattermost": {build: func() types.Service { return &mattermost.Service{} }, limit: 15000, own: true},
	"ntfy":       {build: func() types.Service { return &ntfy.Service{} }, limit: 4096, host: "ntfy.sh"},
	"opsgenie":   {build: func() types.Service { return &opsgenie.Service{} }, limit: 15000, host: "api.opsgenie.com", port: "443"},
	"pagerduty":  {build: func() types.Service { return &pagerduty.Service{} }, limit: 1024, host: "events.pagerduty.com", port: "443"},
	"pushover":   {build: func() types.Service { return &pushover.Service{} }, limit: 1024},
	"slack":      {build: func() types.Service { return &slack.Service{} }, limit: 12000},
	"smtp":       {build: func() types.Service { return &smtp.Service{} }, own: true},
	"telegram":   {build: newTelegram, limit: 4096},
}

// Schemes are the schemes of the addresses that New knows, sorted.
func Schemes() []string {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(services)), "exec", "webhook+http", "webhook+https")))
}

type service struct {
	kind
	name    string
	scheme  string
	address *url.URL

	mu     sync.Mutex
	sender types.Service // nil until it is first needed, where it logs in
}

// newService refuses an address that lacks something. It asks no server: one that is away
// must not keep others from being told.
func newService(name string, u *url.URL) (Channel, error) {
	k, ok := services[u.Scheme]
	if !ok {
		return nil, fmt.Errorf("%s:// is not known; known are %s", u.Scheme, strings.Join(Schemes(), ", "))
	}
	s := &service{kind: k, name: name, scheme: u.Scheme, address: u}
	var err error
	if k.own && u.Hostname() == "" {
		err = errors.New("it names no host")
	} else if k.check != nil {
		err = k.check(u)
	} else {
		_, err = s.ready()
	}
	if err != nil {
		return nil, fmt.Errorf("its %s:// address lacks something (%s)", u.Scheme, without(u, err))
	}
	return s, nil
}

// ready returns the sender; one that could not be made is tried again the next time.
func (s *service) ready() (types.Service, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sender == nil {
		sender := s.build()
		if err := sender.Initialize(s.complete(), log.New(io.Discard, "", 0)); err != nil {
			return nil, err
		}
		useOurClient(sender)
		s.sender = sender
	}
	return s.sender, nil
}

// complete is the address with the host and the port that it leaves out.
func (s *service) complete() *url.URL {
	u := *s.address
	if u.Hostname() == "" {
		u.Host = s.host + u.Host
	}
	if u.Port() == "" && s.port != "" {
		u.Host += ":" + s.port
	}
	return &u
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
	sender, err := s.ready()
	if err == nil {
		err = s.sendWith(sender, m)
	}
	if no := refusalOf(err); no != nil {
		return fmt.Errorf("%s %w", s.scheme, no)
	}
	if err != nil {
		return fmt.Errorf("%s: %s", s.scheme, without(s.address, err))
	}
	return nil
}

func (s *service) sendWith(sender types.Service, m Message) error {
	var errs []error
	switch s.scheme {
	case "pagerduty":
		for _, i := range m.incidents() {
			action := "trigger"
			if i.Resolved {
				action = "resolve"
			}
			errs = append(errs, sender.Send(clip(i.Summary, s.limit), &types.Params{"action": action, "dedup_key": i.Key, "severity": string(i.Severity), "source": m.Host}))
		}
	case "opsgenie":
		for _, i := range m.incidents() {
			if !i.Resolved { // the library can create alerts only
				errs = append(errs, sender.Send(shorten(i.Summary, s.limit), &types.Params{"alias": i.Key, "source": m.Host, "priority": priorities[i.Severity],
					"title": clip(i.Summary, opsgenie.MaxMessageLength)}))
			}
		}
	default:
		title := clip(m.Title, titleLimit)
		limit := s.limit
		if limit > 0 {
			limit -= len(title) + 1
		}
		errs = append(errs, sender.Send(shorten(m.Text, limit), &types.Params{"title": title}))
	}
	return errors.Join(errs...)
}

var priorities = map[Severity]string{Critical: "P1", Error: "P2", Warning: "P3", Info: "P5"}

// incidents are the parts of m, or m itself.
func (m Message) incidents() []Incident {
	if m.Incidents != nil {
		return m.Incidents
	}
	return []Incident{{Key: "leadgenctl/" + m.Event, Summary: m.Title, Severity: m.Severity}}
}
