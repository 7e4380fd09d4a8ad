package breaker

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// snapshot is the breaker and its new events at one moment.
type snapshot struct {
	Status
	events []Event // after the asked one, oldest first, at most historyPage
	newest string  // ID of the stream's last entry; "" where it has none
}

// snapshot reads the breaker and the events after the entry called after; none for "".
func (b *Breaker) snapshot(ctx context.Context, after string) (snapshot, error) {
	var reads stateReads
	var events, last *redis.XMessageSliceCmd
	_, err := b.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		reads = b.queueReads(p, ctx)
		last = p.XRevRangeN(ctx, b.keys.Events, "+", "-", 1)
		if after != "" {
			events = p.XRangeN(ctx, b.keys.Events, "("+after, "+", historyPage)
		}
		return nil
	})
	if redis.HasErrorPrefix(last.Err(), "WRONGTYPE") {
		return snapshot{}, b.eventsError(last.Err())
	}
	st, err := b.status(reads, err)
	if err != nil {
		return snapshot{}, err
	}
	s := snapshot{Status: st}
	if newest := last.Val(); len(newest) > 0 {
		s.newest = newest[0].ID
	}
	if events != nil {
		for _, m := range events.Val() {
			s.events = append(s.events, decodeEvent(m))
		}
	}
	return s, nil
}

// errStop ends follow from within.
var errStop = errors.New("stop")

// follow calls look at once, then whenever a change is published, and at the
// latest each PollInterval, until ctx is done or look returns errStop. look
// returns true to be called again at once.
func (b *Breaker) follow(ctx context.Context, look func(context.Context) (again bool, err error)) {
	sub := b.client.Subscribe(ctx, b.keys.Changes)
	defer sub.Close()
	changed := sub.Channel()
	tick := time.NewTicker(b.settings.PollInterval)
	defer tick.Stop()
	for {
		again, err := look(ctx)
		if err != nil || ctx.Err() != nil {
			return
		}
		if again {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case _, ok := <-changed:
			for ok && len(changed) > 0 {
				<-changed // one look answers all that wait
			}
			if !ok {
				changed = nil
			}
		}
	}
}
