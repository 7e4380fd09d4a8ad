// Package notify tells people and machines of events over channels that are configured
// by URL: chats, e-mail and incident services (through shoutrrr), signed webhooks, and
// programs.
package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Severity says how urgent a message is, in the words of PagerDuty's events.
type Severity string

// The severities.
const (
	Critical Severity = "critical"
	Error    Severity = "error"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// Message is one notification. Its JSON is what webhooks and programs get.
type Message struct {
	Event    string    `json:"event"` // what happened, such as "audit" or "breaker_opened"
	Severity Severity  `json:"severity"`
	Title    string    `json:"title"` // one line
	Text     string    `json:"text"`  // plain text
	Host     string    `json:"host"`
	At       time.Time `json:"at"`
	Details  any       `json:"details,omitempty"`

	// Incidents is the message in parts for services that keep incidents. Those of the
	// same key are one incident there.
	Incidents []Incident `json:"-"`
}

// Incident is something that lasts until it is resolved.
type Incident struct {
	Key      string
	Summary  string
	Severity Severity
	Resolved bool
}

// Channel delivers messages. Safe for concurrent use.
type Channel interface {
	// Name is the channel's name in the configuration.
	Name() string
	// Send delivers m or fails; it may try again within ctx. Its errors hold no secret.
	Send(ctx context.Context, m Message) error
}

// Settings are what every channel may need.
type Settings struct {
	WebhookSecret string // signs the bodies of webhooks
}

// sendTimeout bounds one delivery.
const sendTimeout = 20 * time.Second

// New returns the channel at an address: webhook+https://…, exec:/program arguments, or
// the URL of a service that shoutrrr knows. The error holds no secret.
func New(name, address string, s Settings) (Channel, error) {
	c, err := open(name, address, s)
	if err != nil {
		return nil, fmt.Errorf("notification channel %q: %w", name, err)
	}
	return c, nil
}

func open(name, address string, s Settings) (Channel, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" {
		return nil, errors.New("its address is no URL")
	}
	switch u.Scheme {
	case "webhook+https", "webhook+http":
		return newWebhook(name, u, s.WebhookSecret)
	case "exec":
		return newProgram(name, u)
	}
	return newService(name, u)
}
