package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// decode fills in what the key says, or why it says nothing.
func (k *OldKey) decode() {
	err := k.decodeValue()
	if err != nil {
		k.Malformed = &MalformedError{Key: k.Name, Reason: err.Error()}
	}
}

func (k *OldKey) decodeValue() (err error) {
	if want := k.Family.redisType(); k.Type != want {
		return fmt.Errorf("it is a %s; the old workers write a %s", k.Type, want)
	}
	switch k.Family {
	case Circuit:
		k.Circuit, err = DecodeCircuit(k.Raw)
	case Failures:
		k.Failures, err = DecodeFailures(k.Members)
	case Successes:
		k.Successes, err = DecodeSuccesses(k.Raw)
	case Pause:
		k.Pause, err = DecodePause(k.Raw, k.Service)
	}
	return err
}

// DecodeCircuit reads the value of a circuit_breaker:S. Fields that it does not
// know are ignored, a missing opened_at or metadata is as null.
func DecodeCircuit(data []byte) (CircuitValue, error) {
	o, err := decodeObject(data)
	if err != nil {
		return CircuitValue{}, err
	}
	name, ok, err := o.text("state")
	switch {
	case err != nil:
		return CircuitValue{}, err
	case !ok:
		return CircuitValue{}, errors.New(`it has no "state"`)
	case name != oldOpen && name != oldClosed && name != oldHalfOpen:
		return CircuitValue{}, fmt.Errorf("unknown state %q; known are open, half_open and closed", clip(name))
	}
	c := CircuitValue{State: name}
	if c.OpenedAt, _, err = o.time("opened_at"); err != nil {
		return CircuitValue{}, err
	}
	return c, c.decodeMetadata(o["metadata"])
}

// decodeMetadata takes what it knows out of the metadata. The app puts anything
// there, so a value of an unexpected type is not an error: the snapshot keeps it.
func (c *CircuitValue) decodeMetadata(data json.RawMessage) error {
	if len(data) == 0 || string(data) == "null" {
		return nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return errors.New("metadata is not a JSON object")
	}
	c.LastError, c.ErrorType, c.Reason = text(m["last_error"]), text(m["error_type"]), text(m["reason"])
	c.Manual = string(m["manual_pause"]) == "true"
	if n, err := strconv.ParseInt(string(m["failure_count"]), 10, 64); err == nil && n >= 0 {
		c.FailureCount = n
	}
	return nil
}

// DecodeFailures reads the members of a circuit_failures:S, in the order given:
// "<unix seconds>:<error type>" each, with the seconds as the score.
func DecodeFailures(members []Member) ([]Failure, error) {
	failures := make([]Failure, 0, len(members))
	for _, m := range members {
		seconds, errorType, ok := strings.Cut(m.Name, ":")
		if !ok {
			return nil, fmt.Errorf("member %q is not <unix seconds>:<error type>", clip(m.Name))
		}
		at, err := parseUnix(seconds)
		if err != nil {
			return nil, fmt.Errorf("member %q: %w", clip(m.Name), err)
		}
		if off := math.Abs(m.Score - float64(at.UnixMicro())/1e6); !(off <= 1e-3) { // a NaN is off, too
			return nil, fmt.Errorf("member %q has the score %v, not its own time", clip(m.Name), m.Score)
		}
		if !utf8.ValidString(errorType) {
			return nil, fmt.Errorf("member %q: the error type is not UTF-8", clip(m.Name))
		}
		failures = append(failures, Failure{At: at, ErrorType: errorType})
	}
	return failures, nil
}

// parseUnix reads seconds as Python's str(time.time()) prints them, exactly to
// the microsecond.
func parseUnix(s string) (time.Time, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(whole) == 0 || len(whole) > 12 || !digits(whole) || len(fraction) > 20 || !digits(fraction) || strings.HasSuffix(s, ".") {
		return time.Time{}, errors.New("its time is not in unix seconds")
	}
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, errors.New("its time is not in unix seconds")
	}
	// Ten digits more than microseconds are noise of the binary fraction: round.
	f, err := strconv.ParseFloat("0."+fraction+"0", 64)
	if err != nil {
		return time.Time{}, errors.New("its time is not in unix seconds")
	}
	t := time.Unix(sec, int64(math.Round(f*1e6))*1000).UTC()
	if t.Year() > 9999 {
		return time.Time{}, errors.New("its time is after the year 9999")
	}
	return t, nil
}

// DecodeSuccesses reads the value of a circuit_success:S.
func DecodeSuccesses(data []byte) (int64, error) {
	s := string(data)
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || !digits(s) {
		return 0, fmt.Errorf("%q is not a count", clip(s))
	}
	return n, nil
}

// DecodePause reads the value of the queue_paused key of a service.
func DecodePause(data []byte, service string) (PauseValue, error) {
	o, err := decodeObject(data)
	if err != nil {
		return PauseValue{}, err
	}
	at, ok, err := o.time("paused_at")
	switch {
	case err != nil:
		return PauseValue{}, err
	case !ok:
		return PauseValue{}, errors.New(`it has no "paused_at"`)
	}
	of, ok, err := o.text("service")
	switch {
	case err != nil:
		return PauseValue{}, err
	case ok && of != service:
		return PauseValue{}, fmt.Errorf("its value is of another service, %q", clip(of))
	}
	reason, _, err := o.text("reason")
	return PauseValue{At: at, Reason: reason}, err
}

// object is a JSON object by exact names; of a repeated name the last value counts.
type object map[string]json.RawMessage

// decodeObject decodes exactly one JSON object.
func decodeObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("it is not JSON: invalid UTF-8")
	}
	if !json.Valid(data) {
		return nil, fmt.Errorf("it is not JSON: %s", strconv.Quote(clip(string(data))))
	}
	var o object
	if err := json.Unmarshal(data, &o); err != nil || o == nil {
		return nil, fmt.Errorf("it is not a JSON object: %s", strconv.Quote(clip(string(data))))
	}
	return o, nil
}

// text is a field that is a text; not ok where it is missing or null.
func (o object) text(name string) (value string, ok bool, err error) {
	raw := o[name]
	if raw == nil || string(raw) == "null" {
		return "", false, nil
	}
	if json.Unmarshal(raw, &value) != nil {
		return "", false, fmt.Errorf("%s is not a text: %s", name, clip(string(raw)))
	}
	return value, true, nil
}

// time is a field that is a timestamp as Python prints it.
func (o object) time(name string) (t time.Time, ok bool, err error) {
	s, ok, err := o.text(name)
	if !ok || err != nil {
		return time.Time{}, false, err
	}
	if t, err = breaker.ParseTimestamp(s); err != nil {
		return time.Time{}, false, fmt.Errorf("%s: %w", name, err)
	}
	return t, true, nil
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func digits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// clip shortens a foreign text for an error message.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
