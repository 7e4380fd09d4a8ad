package state

import (
	"context"
	"errors"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// FollowOptions say how long to follow.
type FollowOptions struct {
	Quiet    time.Duration // ends when no old key has appeared or changed for so long
	Interval time.Duration // between two looks; one round trip each
	Carried  func(Carry)   // told of each carry; may be nil
	After    *Result       // of the migration that is followed, whose snapshot is carried on; may be nil
}

// Carry is what was carried at one moment.
type Carry struct {
	At         time.Time
	Keys       []KeyPlan
	State      breaker.State // of the breaker now
	Transition breaker.Transition
}

// Followed is what following came to.
type Followed struct {
	Snapshot string // "" where nothing was carried
	Status   breaker.Status
	Carries  int
	Quiet    bool      // it ended because nothing had appeared for long enough
	Counting []KeyPlan // counters of old workers that are there still
	LastSeen time.Time // when an old key last appeared or changed; zero for never
}

// Follow carries what old workers write into the global key, until they have been
// quiet for long enough or ctx is done, which is no error. Everything that one
// call carries is in one snapshot.
//
// Counters alone (circuit_failures, circuit_success) are watched and left: an old
// worker that could never count up to its threshold would never report a failing
// service. They are carried with the circuit that they lead to, or die of age.
func (m *Migrator) Follow(ctx context.Context, o FollowOptions) (*Followed, error) {
	f := &follower{m: m, o: o, out: &Followed{}, seen: make(map[string]string), since: m.now()}
	if o.After != nil {
		f.run, f.out.Snapshot = o.After.run, o.After.Snapshot
	}
	tick := time.NewTicker(o.Interval)
	defer tick.Stop()
	for {
		err := f.look(ctx)
		if ctx.Err() != nil {
			return f.out, nil
		}
		if err = f.bear(err); err != nil {
			return f.out, err
		}
		if m.now().Sub(f.since) >= o.Quiet {
			f.out.Quiet = true
			return f.out, nil
		}
		select {
		case <-ctx.Done():
			return f.out, nil
		case <-tick.C:
		}
	}
}

type follower struct {
	m     *Migrator
	o     FollowOptions
	out   *Followed
	run   *run
	seen  map[string]string // what was last seen of the keys that are there
	since time.Time         // when something last appeared

	failing time.Time // since when Redis fails; zero while it does not
}

// patience is how long a follower puts up with a Redis that fails or is away.
const patience = time.Minute

// bear lets errors pass that may end by themselves, for a while.
func (f *follower) bear(err error) error {
	var malformed *MalformedError
	var global *breaker.MalformedError
	switch {
	case err == nil:
		f.failing = time.Time{}
		return nil
	case errors.As(err, &malformed), errors.As(err, &global):
		return err
	case f.failing.IsZero():
		f.failing = f.m.now()
		f.m.warnf("following goes on: %v", err)
	case f.m.now().Sub(f.failing) > patience:
		return err
	}
	return nil
}

// look reads the old keys once, and carries what is to be carried. A carry that
// has begun is completed, also when ctx is done meanwhile.
func (f *follower) look(ctx context.Context) error {
	p := &Plan{later: true}
	if f.run != nil {
		p.known = f.run.plan.known
	}
	if err := f.m.fill(ctx, p); err != nil {
		return err
	}
	f.watch(p.old)
	p.only = make(map[string]bool)
	f.out.Counting, f.out.Status = nil, p.Before
	for _, k := range p.Keys {
		switch {
		case k.Action == ActionLeave:
		case stated(p.old, k.Service):
			p.only[k.Service] = true
		default:
			f.out.Counting = append(f.out.Counting, k)
		}
	}
	if len(p.only) == 0 {
		return nil
	}
	return f.carry(context.WithoutCancel(ctx), p)
}

// stated says whether some key states a circuit or a pause of the service.
func stated(keys []*OldKey, service string) bool {
	for _, k := range keys {
		if k.Service == service && (k.Family == Circuit || k.Family == Pause || k.Malformed != nil) {
			return true
		}
	}
	return false
}

// watch notices what has appeared or changed since the last look.
func (f *follower) watch(keys []*OldKey) {
	now := make(map[string]string, len(keys))
	for _, k := range keys {
		now[k.Name] = string(k.Dump)
		if f.seen[k.Name] != string(k.Dump) {
			f.since = f.m.now()
			f.out.LastSeen = f.since
		}
	}
	f.seen = now
}

func (f *follower) carry(ctx context.Context, p *Plan) error {
	if err := f.m.fill(ctx, p); err != nil {
		return err
	}
	if f.run == nil {
		f.run = &run{carried: make(map[string]KeyPlan), result: &Result{}}
	}
	r := f.run
	r.carriedBefore = r.carriedBefore || r.switched
	r.plan, r.result.Rounds, r.switched = p, 0, false
	clear(r.carried)
	err := f.m.rounds(ctx, r)
	if err == nil && r.switched {
		err = f.m.finish(ctx, r)
	}
	f.out.Snapshot, f.out.Status = r.result.Snapshot, r.result.Status
	if len(r.carried) == 0 {
		return err
	}
	f.out.Carries++
	if f.o.Carried != nil {
		c := Carry{At: f.m.now(), State: r.result.Status.State, Transition: r.result.Transition}
		for _, k := range r.carried {
			c.Keys = append(c.Keys, k)
		}
		sortKeys(c.Keys)
		f.o.Carried(c)
	}
	return err
}
