package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// What one client asked, what it was told, and what a breaker in one process would be.
type (
	asked int
	told  struct {
		changed bool
		state   breaker.State
		epoch   int64
	}
	modelState struct {
		state breaker.State
		epoch int64
	}
)

const (
	askOpen asked = iota
	askFailure
	askClose
	askState
)

var model = porcupine.Model{
	Init: func() any { return modelState{breaker.Closed, 0} },
	Step: func(state, input, output any) (bool, any) {
		s, got := state.(modelState), output.(told)
		want := s.state
		switch input.(asked) {
		case askOpen, askFailure:
			want = breaker.Open
		case askClose:
			want = breaker.Closed
		}
		changed := want != s.state
		if changed {
			s = modelState{want, s.epoch + 1}
		}
		return got == told{changed, s.state, s.epoch}, s
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprint(input, output) },
}

func ask(ctx context.Context, b *breaker.Breaker, a asked) (told, error) {
	var t breaker.Transition
	var err error
	switch a {
	case askOpen:
		t, err = b.Open(ctx, breaker.OpenOptions{})
	case askFailure:
		t, err = b.RecordFailure(ctx, errors.New("502"))
	case askClose:
		t, err = b.Close(ctx, breaker.CloseOptions{})
	case askState:
		st, err := b.State(ctx)
		return told{false, st.State, st.Epoch}, err
	}
	return told{t.Changed, t.State, t.Epoch}, err
}

func TestTwoHundredClientsAreLinearizable(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := testenv.NewRedis(t)
	const clients, rounds = 200, 12
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	begin := time.Now()
	for id := range clients {
		o := must(redis.ParseURL(db.URL))(t)
		o.PoolSize, o.ReadTimeout = 1, 30*time.Second
		client := redis.NewClient(o)
		t.Cleanup(func() { client.Close() })
		b := newOn(t, client, breaker.Settings{})
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(id), 1))
			for range rounds {
				a := asked(random.IntN(4))
				call := time.Since(begin)
				out, err := ask(ctx, b, a)
				back := time.Since(begin)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: id, Input: a, Output: out, Call: int64(call), Return: int64(back)})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	// A checker that runs out of time has shown nothing.
	if r := porcupine.CheckOperationsTimeout(model, narrowed(history), 2*time.Minute); r != porcupine.Ok {
		t.Errorf("%d operations of %d clients: %s", len(history), clients, r)
	}
	changed := 0
	for _, op := range history {
		if op.Output.(told).changed {
			changed++
		}
	}
	if changed < clients {
		t.Errorf("only %d changes: too little contention to show anything", changed)
	}
	checkChain(t, newOn(t, db.Client, breaker.Settings{}), changed)
}

func TestTheCheckerSeesALostUpdate(t *testing.T) {
	t.Parallel()
	// Two clients both believe that they opened the breaker.
	both := told{true, breaker.Open, 1}
	history := []porcupine.Operation{
		{ClientId: 0, Input: askOpen, Output: both, Call: 0, Return: 10},
		{ClientId: 1, Input: askOpen, Output: both, Call: 5, Return: 15},
	}
	if porcupine.CheckOperations(model, narrowed(history)) {
		t.Error("accepted")
	}
	// A read that began after the breaker had been opened sees it closed.
	history = []porcupine.Operation{
		{ClientId: 0, Input: askOpen, Output: both, Call: 0, Return: 10},
		{ClientId: 1, Input: askState, Output: told{false, breaker.Closed, 0}, Call: 11, Return: 15},
		{ClientId: 2, Input: askClose, Output: told{true, breaker.Closed, 2}, Call: 5, Return: 20},
	}
	if porcupine.CheckOperations(model, narrowed(history)) {
		t.Error("a stale read was accepted")
	}
}

// narrowed moves the beginnings of operations to where any linear order must have
// them: what saw epoch e lies after the change to e, and the change to e+1 lies
// after the beginning of all that saw e. A history has a linear order with these
// beginnings exactly when it has one without; the checker finds it at once instead
// of trying the orders of two hundred operations that overlap.
func narrowed(history []porcupine.Operation) []porcupine.Operation {
	const scale = 10000 // room for ties between two nanoseconds
	out := slices.Clone(history)
	byEpoch := map[int64][]*porcupine.Operation{}
	var last int64
	for i := range out {
		op := &out[i]
		op.Call, op.Return = op.Call*scale, op.Return*scale
		epoch := op.Output.(told).epoch
		byEpoch[epoch] = append(byEpoch[epoch], op)
		last = max(last, epoch)
	}
	var from int64 // no operation of this epoch lies before it
	for epoch := range last + 1 {
		for _, op := range byEpoch[epoch] {
			if op.Output.(told).changed {
				op.Call = max(op.Call, from+1)
				from = op.Call
			}
		}
		next := from
		for _, op := range byEpoch[epoch] {
			if !op.Output.(told).changed {
				op.Call = max(op.Call, from+1)
				next = max(next, op.Call)
			}
		}
		from = next
	}
	for i := range out {
		if out[i].Call > out[i].Return {
			out[i].Return = out[i].Call
			out[i].Output = told{state: "impossible"} // it ended before it could have begun
		}
	}
	return out
}

// checkChain fails unless the history's transitions have the epochs 1 to n, each
// beginning where the one before it ended. n < 0 is any number.
func checkChain(t *testing.T, b *breaker.Breaker, n int) {
	t.Helper()
	state, epoch := breaker.Closed, int64(0)
	for e, err := range chronological(t, b) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Epoch != epoch+1 || e.Previous != state || e.State == state {
			t.Fatalf("after epoch %d, %s: %+v", epoch, state, e)
		}
		state, epoch = e.State, e.Epoch
	}
	if n >= 0 && epoch != int64(n) {
		t.Errorf("the history holds %d transitions; the clients were told of %d", epoch, n)
	}
	if st := must(b.State(context.Background()))(t); st.Epoch != epoch || st.State != state {
		t.Errorf("the history ends with epoch %d, %s; the breaker is %+v", epoch, state, st)
	}
}

// chronological yields the transitions in the order of the stream.
func chronological(t *testing.T, b *breaker.Breaker) func(func(breaker.Event, error) bool) {
	return func(yield func(breaker.Event, error) bool) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		last := must(b.State(ctx))(t).Epoch
		if last == 0 {
			return
		}
		for e, err := range b.Watch(ctx, "0-0") {
			if !yield(e, err) || e.Epoch == last {
				return
			}
		}
	}
}

func TestPythonWritersLoseNoEpoch(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := testenv.NewRedis(t)
	b := newOn(t, db.Client, breaker.Settings{})
	var wg sync.WaitGroup
	for id := range 20 {
		own := newOn(t, db.Client, breaker.Settings{})
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(id), 2))
			for i := range 50 {
				var err error
				switch random.IntN(5) {
				case 0: // as the app's failure path
					at := breaker.FormatTimestamp(time.Now())
					err = db.Client.Set(ctx, breaker.DefaultKey, fmt.Sprintf(`{"state": "open", "opened_at": %q, "closed_at": null, "metadata": {"last_error": "e%d", "error_type": "timeout", "failed_at": %q}}`, at, i, at), 24*time.Hour).Err()
				case 1: // as the app's close
					at := breaker.FormatTimestamp(time.Now())
					err = db.Client.Set(ctx, breaker.DefaultKey, fmt.Sprintf(`{"state": "closed", "opened_at": null, "closed_at": %q, "metadata": {"closed_by": "python"}}`, at), 24*time.Hour).Err()
				case 2:
					_, err = ask(ctx, own, asked(random.IntN(4)))
				case 3:
					_, err = own.Adopt(ctx, 0)
				case 4:
					err = db.Client.Del(ctx, breaker.DefaultKey).Err()
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	must(b.Adopt(ctx, 0))(t)
	st := must(b.State(ctx))(t)
	if st.TTL != 0 || st.Lost || st.External {
		t.Errorf("after the last adoption: %+v", st)
	}
	state, epoch := breaker.Closed, int64(0)
	for _, m := range db.Client.XRange(ctx, b.Keys().Events, "-", "+").Val() {
		kind := breaker.EventKind(m.Values["kind"].(string))
		if kind == breaker.EventRestored {
			if state != breaker.Open {
				t.Errorf("restored while %s", state)
			}
			continue
		}
		if m.Values["epoch"] != fmt.Sprint(epoch+1) || m.Values["previous_state"] != string(state) {
			t.Fatalf("after epoch %d, %s: %v", epoch, state, m.Values)
		}
		epoch, state = epoch+1, breaker.State(m.Values["state"].(string))
	}
	if st.Epoch != epoch || st.State != state {
		t.Errorf("the history ends with epoch %d, %s; the breaker is %+v", epoch, state, st)
	}
}
