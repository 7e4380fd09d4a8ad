package state

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// scanCount is how many keys a server walks over per call, at about a microsecond
	// each: larger steps are not faster, and hold the server longer.
	scanCount = 5000
	// maxLeft bounds how many names that only look alike are kept to be listed.
	maxLeft = 1000
)

// Discovery is what a walk over all names found beside the given services' keys.
type Discovery struct {
	// Unknown are the keys whose names fit, of services that were not named.
	Unknown []string
	// Alike are names that begin like an old key's and are none, sorted; at most 1000.
	Alike []string
	// Left counts all of Unknown and all that look alike.
	Left int
}

// discover walks over the names of all keys with SCAN, on Cluster on every master
// at once. progress is told how many keys were walked over, about, and how many
// there are; it may be nil.
func discover(ctx context.Context, client redis.UniversalClient, services []string, progress func(done, total int64)) (Discovery, error) {
	w := newWalk(services)
	w.progress = progress
	if progress != nil {
		w.total = client.DBSize(ctx).Val() // 0 where it may not be asked for
	}
	if err := w.run(ctx, client); err != nil {
		return Discovery{}, err
	}
	slices.Sort(w.found.Unknown)
	slices.Sort(w.found.Alike)
	return w.found, nil
}

// Services names the services whose old keys lie beside those of the given ones, as far as
// a walk over all names gets within the budget. whole says whether it came to the end.
func Services(ctx context.Context, client redis.UniversalClient, given []string, budget time.Duration) (found []string, whole bool, err error) {
	w := newWalk(given)
	w.until = time.Now().Add(budget)
	if err := w.run(ctx, client); err != nil {
		return nil, false, err
	}
	for _, name := range w.found.Unknown {
		_, service, _ := splitName(name)
		found = append(found, service)
	}
	slices.Sort(found)
	return slices.Compact(found), !w.cut, nil
}

// walk is one discovery over one or more nodes.
type walk struct {
	until    time.Time // when to stop; never when zero
	cut      bool      // it stopped before the end
	known    map[string]bool
	progress func(done, total int64)
	total    int64

	mu    sync.Mutex
	seen  map[string]bool // SCAN may give a name twice
	found Discovery
	done  map[string]float64 // by node
}

func newWalk(services []string) *walk {
	w := &walk{known: make(map[string]bool), seen: make(map[string]bool), done: make(map[string]float64)}
	for _, name := range namesOf(services) {
		w.known[name] = true
	}
	return w
}

func (w *walk) run(ctx context.Context, client redis.UniversalClient) error {
	var err error
	if cluster, ok := client.(*redis.ClusterClient); ok {
		// Count the nodes first, so that the progress is of all of them.
		_ = cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
			w.report(node.Options().Addr, 0)
			return nil
		})
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			return w.node(ctx, node, node.Options().Addr)
		})
	} else {
		err = w.node(ctx, client, "")
	}
	if err != nil {
		return fmt.Errorf("look for old keys of unknown services with SCAN: %w", err)
	}
	return nil
}

func (w *walk) node(ctx context.Context, client redis.Cmdable, addr string) error {
	for cursor := uint64(0); ; {
		names, next, err := client.Scan(ctx, cursor, scanPattern, scanCount).Result()
		if err != nil {
			return err
		}
		for _, name := range names {
			w.name(name)
		}
		if cursor = next; cursor == 0 {
			w.report(addr, 1)
			return nil
		}
		if !w.until.IsZero() && time.Now().After(w.until) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.cut = true
			return nil
		}
		// A cursor counts up with its bits reversed.
		w.report(addr, float64(bits.Reverse64(cursor))/(1<<64))
	}
}

func (w *walk) name(name string) {
	f, service, ok := splitName(name)
	if !ok || w.known[name] || (f == Circuit && service == globalName) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[name] {
		return
	}
	w.found.Left++
	if w.found.Left > maxLeft && !ValidService(service) {
		return // counted, not listed
	}
	w.seen[name] = true
	if ValidService(service) {
		w.found.Unknown = append(w.found.Unknown, name)
	} else {
		w.found.Alike = append(w.found.Alike, name)
	}
}

func (w *walk) report(addr string, done float64) {
	if w.progress == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done[addr] = max(done, w.done[addr])
	var sum float64
	for _, d := range w.done {
		sum += d
	}
	w.progress(int64(sum/float64(len(w.done))*float64(w.total)), w.total)
}
