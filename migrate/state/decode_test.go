package state_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/migrate/state"
)

func TestDecodeEveryValueThatPythonWrote(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`{"state": "open", "opened_at": "2026-01-05T10:20:41.870963", "metadata": {"last_error": "Apollo 502 Bad Gateway", "error_type": "http_5xx", "failure_count": 2}}`: "open 2026-01-05T10:20:41.870963 Apollo 502 Bad Gateway http_5xx 2 false",
		`{"state": "open", "opened_at": "2026-01-05T10:20:41", "metadata": {"last_error": "caf\u00e9 \ud83d\ude00", "error_type": null}}`:                                  "open 2026-01-05T10:20:41 café 😀  0 false",
		`{"state": "open", "opened_at": "2026-01-05T10:20:41.000001", "metadata": {"manual_pause": true, "reason": "maintenance"}}`:                                        "open 2026-01-05T10:20:41.000001   0 true",
		`{"state": "half_open", "opened_at": null, "metadata": {}}`:                                                                                                        "half_open    0 false",
		`{"state": "closed"}`: "closed    0 false",
		`{"state": "closed", "opened_at": null, "metadata": null, "later": [1, 2]}`:                     "closed    0 false",
		`{"state": "open", "opened_at": null, "metadata": {"failure_count": "many", "last_error": {}}}`: "open    0 false",
	} {
		c, err := state.DecodeCircuit([]byte(value))
		at := ""
		if !c.OpenedAt.IsZero() {
			at = c.OpenedAt.Format("2006-01-02T15:04:05.999999")
		}
		if got := fmt.Sprint(c.State, " ", at, " ", c.LastError, " ", c.ErrorType, " ", c.FailureCount, " ", c.Manual); err != nil || got != want {
			t.Errorf("%s:\n got %q, %v\nwant %q", value, got, err, want)
		}
	}
}

func TestDecodeRefusesWhatNoWorkerWrote(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "null", "[]", `"open"`, "{", `{"state": "open"} x`, `{}`, `{"state": null}`, `{"state": "OPEN"}`,
		`{"state": 1}`, `{"State": "open"}`, `{"state": "open", "opened_at": 17}`, `{"state": "open", "opened_at": "2026-13-05T10:20:41"}`,
		`{"state": "open", "metadata": []}`, `{"state": "open", "metadata": "x"}`, `{"state": "open", "opened_at": NaN}`, "{\"state\": \"\xff\"}"} {
		if c, err := state.DecodeCircuit([]byte(value)); err == nil {
			t.Errorf("circuit %q: %+v", value, c)
		}
	}
	for _, value := range []string{"", "{}", `{"paused_at": null}`, `{"paused_at": "now"}`, `{"paused_at": "2026-01-05T10:20:41", "service": "openai"}`, `{"paused_at": "2026-01-05T10:20:41", "reason": 3}`} {
		if p, err := state.DecodePause([]byte(value), "apollo"); err == nil {
			t.Errorf("pause %q: %+v", value, p)
		}
	}
	for _, value := range []string{"", "-1", "+1", "1.0", " 1", "one", "99999999999999999999"} {
		if n, err := state.DecodeSuccesses([]byte(value)); err == nil {
			t.Errorf("successes %q: %d", value, n)
		}
	}
	for _, m := range []state.Member{{Score: 1, Name: "x"}, {Score: 1, Name: ":timeout"}, {Score: 2, Name: "1:timeout"}, {Score: 1e9, Name: "1e9:timeout"},
		{Score: -1, Name: "-1:timeout"}, {Score: 1, Name: "1.:timeout"}, {Score: math.Inf(1), Name: "1:timeout"}, {Score: math.NaN(), Name: "1:t"}, {Score: 1, Name: "1:\xff"}} {
		if f, err := state.DecodeFailures([]state.Member{m}); err == nil {
			t.Errorf("failure %+v: %+v", m, f)
		}
	}
}

func TestDecodeFailuresToTheMicrosecond(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]time.Time{
		"1795429241.8705463:http_5xx": time.Unix(1795429241, 870546000),
		"1795429241.0:a:b":            time.Unix(1795429241, 0),
		"1795429241:":                 time.Unix(1795429241, 0),
		"1795429241.9999999:x":        time.Unix(1795429242, 0),
	} {
		var score float64
		fmt.Sscanf(name, "%g", &score)
		f, err := state.DecodeFailures([]state.Member{{Score: score, Name: name}})
		if err != nil || len(f) != 1 || !f[0].At.Equal(want) {
			t.Errorf("%s: %+v, %v, want %v", name, f, err, want)
		}
	}
}

func TestParseName(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"circuit_breaker:apollo": true, "circuit_failures:a-b_9": true, "circuit_success:x": true, "queue_paused:openai": true,
		"circuit_breaker:global": false, "queue_paused:global": false, "{circuit_breaker:global}:ledger": false, "circuit_breaker:apollo:notes": false,
		"ratelimit:circuit": false, "circuit_breaker": false, "circuit_breaker:": false, "circuit_breaker:Apollo": false, "circuit_breaker:a b": false,
		"xcircuit_breaker:apollo": false, "circuit_breakers:apollo": false, "": false, ":": false,
	} {
		if _, _, got := state.ParseName(key); got != want {
			t.Errorf("%q: %v, want %v", key, got, want)
		}
	}
}

func FuzzDecodeCircuit(f *testing.F) {
	f.Add([]byte(`{"state": "open", "opened_at": "2026-01-05T10:20:41.870963", "metadata": {"last_error": "x", "failure_count": 2}}`))
	f.Add([]byte(`{"state": "half_open", "opened_at": null, "metadata": {}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := state.DecodeCircuit(data)
		if err == nil && c.State != "open" && c.State != "closed" && c.State != "half_open" {
			t.Errorf("%q: state %q", data, c.State)
		}
	})
}

func FuzzDecodePause(f *testing.F) {
	f.Add([]byte(`{"paused_at": "2026-01-05T10:20:41.871164", "service": "apollo", "reason": "circuit_breaker_open"}`), "apollo")
	f.Fuzz(func(t *testing.T, data []byte, service string) {
		if p, err := state.DecodePause(data, service); err == nil && p.At.IsZero() && p.At.Year() > 9999 {
			t.Errorf("%q: %v", data, p)
		}
	})
}

func FuzzDecodeFailures(f *testing.F) {
	f.Add("1795429241.8705463:http_5xx", 1795429241.8705463)
	f.Add("0:x", 0.0)
	f.Fuzz(func(t *testing.T, name string, score float64) {
		got, err := state.DecodeFailures([]state.Member{{Score: score, Name: name}})
		if err == nil && math.Abs(float64(got[0].At.UnixMicro())/1e6-score) > 1e-3 {
			t.Errorf("%q with the score %v became %v", name, score, got[0].At)
		}
	})
}

func FuzzParseName(f *testing.F) {
	f.Add("circuit_breaker:apollo")
	f.Add("circuit_breaker:global")
	f.Fuzz(func(t *testing.T, key string) {
		if family, service, ok := state.ParseName(key); ok && (family.Key(service) != key || service == "global") {
			t.Errorf("%q became %s of %q", key, family, service)
		}
	})
}
