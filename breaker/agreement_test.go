package breaker_test

import (
	"context"
	"errors"
	"testing"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// What Go reads as a breaker, the scripts must, and the other way round: else a
// value could be seen and not be closed.
var agreementValues = []string{
	pythonOpen,
	`{"state": "closed"}`,
	`{"state": "open", "opened_at": null, "closed_at": null, "metadata": null}`,
	`{"state": "open", "metadata": []}`,
	`{"state": "open", "metadata": [1]}`,
	`{"state": "open", "metadata": "x"}`,
	`{"state": "open", "metadata": {"rate": NaN, "max": Infinity, "min": -Infinity}}`,
	`{"state": "open", "metadata": {"last_error": "bytes \udc80\ud800"}}`,
	"{\"state\": \"open\", \"metadata\": {\"last_error\": \"\xff\"}}",
	`{"state": "open", "metadata": {"epoch": {"a": 1}}}`,
	`{"state": "open", "metadata": {"epoch": "seven", "service": ["apollo"], "last_error": 5, "failed_at": false}}`,
	`{"state": "open", "state": "closed"}`,
	`{"state": "open", "opened_at": ""}`,
	`{"state": "open", "opened_at": 1767608441}`,
	`{"state": "open", "opened_at": "2024-02-29T10:20:41"}`,
	`{"state": "open", "opened_at": "2026-02-29T10:20:41"}`,
	`{"state": "open", "opened_at": "2000-02-29 10:20:41.1234567891"}`,
	`{"state": "open", "opened_at": "1900-02-29T10:20:41"}`,
	`{"state": "open", "opened_at": "2026-13-01T10:20:41"}`,
	`{"state": "open", "opened_at": "2026-00-01T10:20:41"}`,
	`{"state": "open", "opened_at": "2026-01-00T10:20:41"}`,
	`{"state": "open", "opened_at": "0000-01-01T10:20:41"}`,
	`{"state": "open", "opened_at": "2026-01-05T24:00:00"}`,
	`{"state": "open", "opened_at": "2026-01-05T10:60:00"}`,
	`{"state": "open", "opened_at": "2026-01-05T10:20:60"}`,
	`{"state": "open", "opened_at": "2026-01-05T10:20:41."}`,
	`{"state": "open", "opened_at": "2026-01-05T10:20:41,5"}`,
	`{"state": "open", "opened_at": "2026-01-05T10:20:41Z"}`,
	`{"state": "open", "opened_at": "2026-01-05T10:20:41z"}`,
	`{"state": "open", "opened_at": "2026-01-05T10:20:41+23:59"}`,
	`{"state": "open", "opened_at": "2026-01-05T10:20:41+24:00"}`,
	`{"state": "open", "opened_at": "2026-01-05T10:20:41+01"}`,
	`{"state": "open", "opened_at": "2026-01-05T10:20:41+1:00"}`,
	`{"state": "open", "opened_at": "2026-01-05T10:20:41 UTC"}`,
	`{"state": "open", "opened_at": "2026-01-05"}`,
	`{"state": "open", "closed_at": "x"}`,
	`{"state": "OPEN"}`,
	`{"state": "half_open"}`,
	`{"State": "open"}`,
	`{"state": "open"} {}`,
	`{"state": "open",}`,
	`{'state': 'open'}`,
	`[{"state": "open"}]`,
	`"open"`, `open`, `null`, `7`, ``, ` `, "\x00",
}

func TestGoAndTheScriptsReadTheSameValues(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{})
	refused := 0
	for _, value := range agreementValues {
		c.Del(ctx, b.Keys().Ledger)
		write(t, c, value, 0)
		st, stateErr := b.State(ctx)
		tr, adoptErr := b.Adopt(ctx, 0)
		var malformed *breaker.MalformedError
		if stateErr != nil && !errors.As(stateErr, &malformed) || adoptErr != nil && !errors.As(adoptErr, &malformed) {
			t.Fatalf("%s: %v; %v", value, stateErr, adoptErr)
		}
		if (stateErr == nil) != (adoptErr == nil) {
			t.Errorf("%s: Go says %v, the script %v", value, stateErr, adoptErr)
			continue
		}
		if stateErr != nil {
			refused++
		} else if st.State != tr.State || !st.OpenedAt.IsZero() && !st.OpenedAt.Equal(tr.OpenedAt) || st.Reason != tr.Reason || st.Service != tr.Service {
			t.Errorf("%s: Go reads %+v, the script %+v", value, st, tr)
		}
	}
	if refused == 0 || refused == len(agreementValues) {
		t.Errorf("%d of %d refused: nothing was compared", refused, len(agreementValues))
	}
}
