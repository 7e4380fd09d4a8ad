package breakercmd

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
)

// event is the documented shape of one transition in `history` and `watch`.
type event struct {
	ID        string            `json:"id"` // "" for a change that nobody has adopted yet
	Kind      breaker.EventKind `json:"kind"`
	Epoch     int64             `json:"epoch"`
	Previous  breaker.State     `json:"previous_state"`
	State     breaker.State     `json:"state"`
	At        *time.Time        `json:"at"`
	OpenedAt  *time.Time        `json:"opened_at"`
	Reason    string            `json:"reason"`
	Service   string            `json:"service"`
	ErrorType string            `json:"error_type"`
	Actor     string            `json:"actor"`
	Source    string            `json:"source"`
	Details   any               `json:"details,omitempty"`
}

func eventOf(e breaker.Event) event {
	out := event{ID: e.ID, Kind: e.Kind, Epoch: e.Epoch, Previous: e.Previous, State: e.State, At: moment(e.At), OpenedAt: moment(e.OpenedAt),
		Reason: e.Reason, Service: e.Service, ErrorType: e.ErrorType, Actor: e.Actor, Source: e.Source}
	if e.Details != "" {
		if json.Valid([]byte(e.Details)) {
			out.Details = json.RawMessage(e.Details)
		} else {
			out.Details = e.Details
		}
	}
	return out
}

func (e event) at() string {
	if e.At == nil {
		return "-"
	}
	return cmdutil.Time(*e.At)
}

func (e event) epoch() string {
	if e.Epoch == 0 {
		return "-"
	}
	return fmt.Sprint(e.Epoch)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// who is the actor, or the program that wrote without one.
func (e event) who() string {
	if e.Actor == "" && e.Source != breaker.SourceLeadgenctl {
		return orDash(e.Source)
	}
	return orDash(e.Actor)
}

// why is the reason in one line.
func (e event) why() string { return strings.Join(strings.Fields(e.Reason), " ") }
