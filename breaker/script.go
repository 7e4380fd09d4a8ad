package breaker

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

var (
	//go:embed lua/prelude.lua
	preludeLua string
	//go:embed lua/open.lua
	openLua string
	//go:embed lua/close.lua
	closeLua string
	//go:embed lua/adopt.lua
	adoptLua string
	//go:embed lua/restore.lua
	restoreLua string
	//go:embed lua/import.lua
	importLua string
	//go:embed lua/replace.lua
	replaceLua string
)

// One script per kind of change, each behind the common prelude.
var (
	openScript    = redis.NewScript(preludeLua + openLua)
	closeScript   = redis.NewScript(preludeLua + closeLua)
	adoptScript   = redis.NewScript(preludeLua + adoptLua)
	restoreScript = redis.NewScript(preludeLua + restoreLua)
	importScript  = redis.NewScript(preludeLua + importLua)
	replaceScript = redis.NewScript(preludeLua + replaceLua)
)

// call is what every change tells its script.
type call struct {
	doing            string // "open", for errors
	now              time.Time
	epochFloor       int64
	replaceMalformed bool
	also             []string // further keys that the script reads
}

// reply is a script's answer.
type reply struct {
	Status string `json:"status"`
	// ok
	Changed    bool              `json:"changed"`
	Ledger     map[string]string `json:"ledger"`
	Adopted    *replyTransition  `json:"adopted"`
	Restored   bool              `json:"restored"`
	Persisted  bool              `json:"persisted"`
	ReopenedAt string            `json:"reopened_at"`
	Renumbered bool              `json:"renumbered"`
	Replaced   string            `json:"replaced"`
	// malformed, conflict
	Key     string `json:"key"`
	Type    string `json:"type"`
	Present bool   `json:"present"`
	Value   string `json:"value"`
}

type replyTransition struct {
	Previous  State  `json:"previous_state"`
	State     State  `json:"state"`
	Epoch     string `json:"epoch"`
	At        string `json:"at"`
	OpenedAt  string `json:"opened_at"`
	ClosedAt  string `json:"closed_at"`
	Reason    string `json:"reason"`
	Service   string `json:"service"`
	ErrorType string `json:"error_type"`
	Actor     string `json:"actor"`
	Source    string `json:"source"`
}

// change runs a script: one round trip, two where Redis does not know it yet.
func (b *Breaker) change(ctx context.Context, s *redis.Script, c call, args ...any) (Transition, error) {
	keys := append([]string{b.keys.Breaker, b.keys.Ledger, b.keys.Events}, c.also...)
	common := []any{b.keys.Changes, FormatTimestamp(c.now), b.settings.HistoryLimit, c.epochFloor,
		uuid.NewString(), flag(c.replaceMalformed)}
	text, err := s.Run(ctx, b.client, keys, append(common, args...)...).Text()
	if err != nil {
		err = fmt.Errorf("%s the circuit breaker %q: %w", c.doing, b.keys.Breaker, err)
		b.settings.Hooks.error(err)
		return Transition{}, err
	}
	t, err := b.decodeReply(text)
	if err != nil {
		err = fmt.Errorf("%s the circuit breaker: %w", c.doing, err)
		b.settings.Hooks.error(err)
		return Transition{}, err
	}
	b.cache.wrote(t.State, t.Epoch)
	b.settings.Hooks.transition(t)
	return t, nil
}

func (b *Breaker) decodeReply(text string) (Transition, error) {
	var r reply
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return Transition{}, fmt.Errorf("read the script's answer: %w", err)
	}
	switch r.Status {
	case "ok":
		return r.transition(), nil
	case "malformed":
		return Transition{}, &MalformedError{Key: r.Key, Reason: whyMalformed(r.Type, r.Value, r.Key == b.keys.Breaker), Value: clip(r.Value, 200)}
	case "changed":
		return Transition{}, &ChangedError{Key: r.Key}
	case "conflict":
		e := &ConflictError{Key: b.keys.Breaker}
		if r.Present {
			e.Current = []byte(r.Value)
		}
		return Transition{}, e
	}
	return Transition{}, fmt.Errorf("the script answered %q", r.Status)
}

func (r reply) transition() Transition {
	l := ledger(r.Ledger)
	t := l.transition()
	t.Changed = r.Changed
	t.Previous = t.State
	if r.Changed {
		t.Previous = State(l["previous_state"])
	}
	t.Restored, t.Persisted, t.Renumbered, t.OpenedAtReset = r.Restored, r.Persisted, r.Renumbered, r.ReopenedAt != ""
	if r.Replaced != "" {
		t.Replaced = []byte(r.Replaced)
	}
	if a := r.Adopted; a != nil {
		t.Adopted = &Transition{Changed: true, Previous: a.Previous, State: a.State, Epoch: number(a.Epoch),
			At: lenient(a.At), OpenedAt: lenient(a.OpenedAt), ClosedAt: lenient(a.ClosedAt),
			Reason: a.Reason, Service: a.Service, ErrorType: a.ErrorType, Actor: a.Actor, Source: a.Source}
	}
	return t
}

// whyMalformed says what is wrong with a key of the given Redis type and value.
func whyMalformed(kind, value string, isBreaker bool) string {
	switch {
	case isBreaker && kind == "string":
		if _, err := DecodeRecord([]byte(value)); err != nil {
			return err.Error()
		}
		return "it is not what the app writes"
	case isBreaker:
		return "it is a " + kind + ", not a string"
	default:
		return "it is a " + kind + ", not a companion of the breaker"
	}
}

// ledger is the hash beside the key: what was last known of the breaker.
type ledger map[string]string

func (l ledger) transition() Transition {
	t := Transition{State: State(l["state"]), Epoch: number(l["epoch"]), At: lenient(l["at"]),
		OpenedAt: lenient(l["opened_at"]), ClosedAt: lenient(l["closed_at"]),
		Reason: l["reason"], Service: l["service"], ErrorType: l["error_type"], Actor: l["actor"],
		Source: l["source"], Failures: number(l["failures"])}
	if t.State == Open {
		t.ClosedAt = time.Time{}
	}
	return t
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
