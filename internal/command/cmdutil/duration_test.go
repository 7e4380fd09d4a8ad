package cmdutil_test

import (
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
)

func TestDurationsOfDays(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]struct {
		d     time.Duration
		shown string
	}{
		"90d": {90 * day, "90d"}, "2160h": {90 * day, "90d"}, "2w": {14 * day, "2w"}, "1d12h": {36 * time.Hour, "1d12h"}, "1h30m": {90 * time.Minute, "1h30m"},
		"0.5h": {30 * time.Minute, "30m"}, "1m30s": {90 * time.Second, "1m30s"}, "10ms": {10 * time.Millisecond, "10ms"}, "1ns": {1, "1ns"}, "-5s": {-5 * time.Second, "-5s"}, "0": {0, "0"},
	} {
		var d time.Duration
		flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
		cmdutil.DurationVar(flags, &d, "keep", time.Hour, "")
		if err := flags.Parse([]string{"--keep=" + text}); err != nil || d != want.d || flags.Lookup("keep").Value.String() != want.shown {
			t.Errorf("%s: %s (%s), %v", text, d, flags.Lookup("keep").Value, err)
		}
	}
	for _, text := range []string{"", "d", "90", "3 days", "1h2d", "400y"} {
		var d time.Duration
		flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
		cmdutil.DurationVar(flags, &d, "keep", time.Hour, "")
		if err := flags.Parse([]string{"--keep=" + text}); err == nil || d != time.Hour {
			t.Errorf("%q: %s, %v", text, d, err)
		}
	}
}
