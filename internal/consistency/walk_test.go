package consistency_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

// Of more names than there is time for not all are looked at, and that is told.
func TestAWalkThatIsCutShortIsTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	pipe := h.redis.Client.Pipeline()
	for i := range 20000 {
		pipe.Set(context.Background(), fmt.Sprint("ratelimit:", i), 1, 0)
	}
	_, err := pipe.Exec(context.Background())
	h.must(err)
	only := func(o *consistency.Options) { o.Only = []string{"LGB004"} }
	if r := find(h.run(only), "LGB004"); r.Status != consistency.Pass || r.Message != "" {
		t.Errorf("%+v", r)
	}
	if r := find(h.run(only, func(o *consistency.Options) { o.Walk = time.Nanosecond }), "LGB004"); r.Status != consistency.Pass || !strings.Contains(r.Message, "not all names") {
		t.Errorf("%+v", r)
	}
}
