package breaker_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
)

func TestDecodeRecordReadsWhatPythonWrites(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 5, 10, 20, 41, 870963000, time.UTC)
	for _, c := range []struct {
		value string
		state breaker.State
		at    time.Time
	}{
		{`{"state": "open", "opened_at": "2026-01-05T10:20:41.870963", "closed_at": null, "metadata": {}}`, breaker.Open, at},
		{`{"state": "open", "opened_at": "2026-01-05T10:20:41", "metadata": {"failure_count": 2}}`, breaker.Open, at.Truncate(time.Second)},
		{`{"state": "open", "opened_at": "2026-01-05T10:20:41.870963Z"}`, breaker.Open, at},
		{`{"state": "open", "opened_at": "2026-01-05T12:20:41.870963+02:00"}`, breaker.Open, at},
		{`{"state": "open", "opened_at": "2026-01-05 10:20:41.870963"}`, breaker.Open, at},
		{`{"state": "open"}`, breaker.Open, time.Time{}},
		{`{"state": "open", "metadata": {"rate": NaN, "max": -Infinity, "last_error": "NaN \" Infinity"}}`, breaker.Open, time.Time{}},
		{`{"state": "open", "opened_at": null, "metadata": null}`, breaker.Open, time.Time{}},
		{` {"metadata":{"manual_pause":true,"reason":"maintenance"},"state":"closed","extra":[1,2.50,{"a":null}]} `, breaker.Closed, time.Time{}},
	} {
		r, err := breaker.DecodeRecord([]byte(c.value))
		if err != nil || r.State != c.state || !r.OpenedAt.Equal(c.at) {
			t.Errorf("%s: %+v, %v", c.value, r, err)
		}
	}
}

func TestDecodeRecordRefusesWhatIsNoBreaker(t *testing.T) {
	t.Parallel()
	for value, why := range map[string]string{
		``:                                 "not JSON",
		`open`:                             "not JSON",
		`{"state": "open"`:                 "not JSON",
		`{"state": "open"} x`:              "not JSON",
		`"open"`:                           "not a JSON object",
		`[]`:                               "not a JSON object",
		`null`:                             "not a JSON object",
		`{}`:                               "no state",
		`{"state": null}`:                  "not a text",
		`{"state": 1}`:                     "not a text",
		`{"state": "half_open"}`:           `unknown state "half_open"`,
		`{"state": ""}`:                    `unknown state ""`,
		`{"state": "open", "opened_at":1}`: "opened_at is not a text",
		`{"state": "open", "opened_at": "yesterday, at about noon"}`: "opened_at: timestamp",
		`{"state": "open", "metadata": [1]}`:                         "metadata is not a JSON object",
	} {
		_, err := breaker.DecodeRecord([]byte(value))
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: got %v, want %q", value, err, why)
		}
	}
}

func TestEncodeKeepsUnknownFieldsAndWritesLikePython(t *testing.T) {
	t.Parallel()
	r := must(breaker.DecodeRecord([]byte(`{"v":2,"metadata":{"z":[1,{"é":1e3}],"last_error":"a\/b\u007f😀\n"},"state":"open","opened_at":"2026-01-05T10:20:41.500000"}`)))(t)
	// What json.dumps prints for the same members in this order.
	const want = `{"state": "open", "opened_at": "2026-01-05T10:20:41.500000", "closed_at": null, "metadata": {"z": [1, {"\u00e9": 1e3}], "last_error": "a/b` + "\x7f" + `\ud83d\ude00\n"}, "v": 2}`
	if got := string(r.Encode()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFormatTimestampIsIsoformat(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 3600)
	for want, at := range map[string]time.Time{
		"2026-01-05T10:20:41":        time.Date(2026, 1, 5, 11, 20, 41, 999, zone),
		"2026-01-05T10:20:41.000001": time.Date(2026, 1, 5, 10, 20, 41, 1000, time.UTC),
		"2026-01-05T10:20:41.500000": time.Date(2026, 1, 5, 10, 20, 41, 500_000_000, time.UTC),
	} {
		if got := breaker.FormatTimestamp(at); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzParseTimestamp(f *testing.F) {
	for _, s := range []string{"2026-01-05T10:20:41.870963", "2026-01-05T10:20:41", "2026-01-05 10:20:41Z", "2026-01-05T10:20:41.5+05:30", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-01:00", "2026-13-05T10:20:41", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := breaker.ParseTimestamp(s)
		if err != nil {
			return
		}
		again, err := breaker.ParseTimestamp(breaker.FormatTimestamp(at))
		if err != nil || !again.Equal(at) {
			t.Errorf("%q: %v, then %v, %v", s, at, again, err)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	for _, s := range []string{pythonOpen, `{"state": "closed"}`, `{"state": "open", "opened_at": null, "closed_at": "2026-01-05T10:20:41", "metadata": {"a": [1, "\ud83d\ude00", {}], "epoch": 7}, "x": 1}`, `{"state":"half_open"}`, `[]`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := breaker.DecodeRecord(data)
		if err != nil {
			return
		}
		first := r.Encode()
		if !json.Valid(first) {
			t.Fatalf("%s: wrote what is not JSON: %s", data, first)
		}
		again, err := breaker.DecodeRecord(first)
		if err != nil || again.State != r.State || !again.OpenedAt.Equal(r.OpenedAt) || !again.ClosedAt.Equal(r.ClosedAt) {
			t.Fatalf("%s: read back %+v, %v", first, again, err)
		}
		if second := again.Encode(); !bytes.Equal(first, second) {
			t.Fatalf("not stable: %s, then %s", first, second)
		}
	})
}
