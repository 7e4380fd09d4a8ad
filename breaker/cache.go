package breaker

import (
	"sync"
	"sync/atomic"
	"time"
)

// cache is the state as this process last saw it, and what Allow answers from it.
type cache struct {
	denied atomic.Bool // all that Allow reads

	deny   bool // the policy while the state is not known
	mu     sync.Mutex
	writes uint64 // own changes finished so far
	epoch  int64  // of the last state taken in
	at     time.Time
}

// begin is called before a read, whose result is then given to read.
func (c *cache) begin() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

// read takes in what a read found, unless an own change finished meanwhile: then
// the read may be older than the change. It says whether it did.
func (c *cache) read(seen uint64, s State, epoch int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seen != c.writes {
		return false
	}
	c.epoch, c.at = epoch, time.Now()
	c.denied.Store(s == Open)
	return true
}

// wrote takes in the outcome of an own change; of two whose answers overtook each
// other the later epoch counts.
func (c *cache) wrote(s State, epoch int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	if epoch >= c.epoch {
		c.epoch, c.at = epoch, time.Now()
		c.denied.Store(s == Open)
	}
}

// expire forgets a state that nothing has confirmed for maxStale; else it returns
// after what time to ask again.
func (c *cache) expire(maxStale time.Duration) (again time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if left := maxStale - time.Since(c.at); left > 0 {
		return left
	}
	c.denied.Store(c.deny)
	return 0
}

// forget lets the policy count.
func (c *cache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.denied.Store(c.deny)
}
