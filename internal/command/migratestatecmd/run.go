package migratestatecmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/command/snapshotcmd"
	"github.com/leadgenctl/leadgenctl/internal/crashpoint"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

// run plans, shows, asks, applies and follows.
func (o *options) run(ctx context.Context) error {
	m, err := o.migrator(ctx)
	if err != nil {
		return err
	}
	p, err := o.plan(ctx, m)
	if err != nil {
		if p != nil && len(p.Keys) > 0 && o.f.Output == "table" {
			_ = keyTable(o.f, o.f.IO.ErrOut, p.Keys) // the error below is what counts
		}
		return snapshotcmd.Explain(err)
	}
	if o.write.DryRun && !p.NothingToDo() {
		defer o.f.IO.Infof("Dry run: nothing was changed.")
	}
	if o.write.DryRun || p.NothingToDo() && !o.follow {
		return o.f.Print(planned(p), func(w io.Writer) error { return planText(o.f, w, p) })
	}
	if o.f.Output == "table" {
		if err := planText(o.f, o.f.IO.Out, p); err != nil {
			return err
		}
	}
	if err := o.confirm(ctx, p); err != nil {
		return err
	}
	r, err := m.Apply(ctx, p)
	if err != nil {
		return o.failed(ctx, r, err)
	}
	if !o.follow {
		return o.f.Print(done(p, r), func(w io.Writer) error { return doneText(w, r) })
	}
	if o.f.Output == "table" && r.Applied {
		if err := doneText(o.f.IO.Out, r); err != nil {
			return err
		}
	}
	return o.followOn(ctx, m, p, r)
}

// confirm asks before old keys are deleted or an open breaker is closed.
func (o *options) confirm(ctx context.Context, p *state.Plan) error {
	n := 0
	for _, k := range p.Keys {
		if k.Action == state.ActionMigrate {
			n++
		}
	}
	closes := p.Before.State == breaker.Open && p.After.State == breaker.Closed
	if n == 0 && !closes && !o.follow {
		return nil
	}
	return o.write.Confirm(ctx, o.f.IO, fmt.Sprintf("Set the global breaker %s and delete %d old keys (a snapshot is taken first)?", p.After.State, n))
}

func (o *options) migrator(ctx context.Context) (*state.Migrator, error) {
	c, err := o.f.Config()
	if err != nil {
		return nil, err
	}
	store, err := o.store.Open(ctx, o.f)
	if err != nil {
		return nil, err
	}
	client, err := o.f.Redis(ctx)
	if err != nil {
		return nil, err
	}
	b, err := breaker.New(client, breaker.Settings{Actor: c.Actor})
	if err != nil {
		return nil, exit.Usagef("%w", err)
	}
	m, err := state.New(state.Settings{
		Client: client, Breaker: b, Store: store, Services: append(append([]string{}, c.Services...), o.services...),
		Discover: o.discover, Following: o.follow, Rules: o.rules, Actor: c.Actor, Step: crashpoint.Hit,
		Warn: func(text string) { o.f.IO.Warnf("%s", text) }, Progress: o.progress(),
	})
	if err != nil {
		return nil, exit.Usagef("%w", err)
	}
	return m, nil
}

// progress draws the walk over all names.
func (o *options) progress() func(done, total int64) {
	if !o.f.IO.Progress() {
		return nil
	}
	var bar *cmdutil.Progress
	return func(done, total int64) {
		if bar == nil {
			bar = o.f.Progress("looking for old keys", total)
		}
		bar.Set(done, total)
		if done >= total {
			bar.Done()
		}
	}
}

func (o *options) plan(ctx context.Context, m *state.Migrator) (*state.Plan, error) {
	p, err := m.Plan(ctx)
	if err == nil && p.Resumes != "" {
		o.f.IO.Infof("An earlier run was interrupted after it had written the global key; this one completes it (snapshot %s).", p.Resumes)
	}
	return p, err
}

// failed says what was done before the error, and how to go on.
func (o *options) failed(ctx context.Context, r *state.Result, err error) error {
	explained := cmdutil.Explain(snapshotcmd.Explain(err))
	if r == nil || !r.Applied || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return explained
	}
	hint := "the global key is written, and the snapshot is " + r.Snapshot + "; run the same command again: it completes what is left"
	return exit.WithHint(exit.Partialf("%w", explained), "%s", hint)
}
