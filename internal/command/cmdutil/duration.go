package cmdutil

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/pflag"
)

// DurationVar registers a flag for a duration that may have days and weeks.
func DurationVar(flags *pflag.FlagSet, p *time.Duration, name string, value time.Duration, usage string) {
	*p = value
	flags.Var((*duration)(p), name, usage)
}

// duration is the value of a flag: 90d, 1w2d, 1h30m, and all that Go reads, such as 0.5h.
type duration time.Duration

func (d *duration) Set(s string) error {
	long, err := model.ParseDuration(s)
	if err == nil {
		*d = duration(long)
		return nil
	}
	short, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is no duration such as 30s, 12h or 90d", s)
	}
	*d = duration(short)
	return nil
}

// String is what Set reads, without the parts that are zero; "0" is no default that help shows.
func (d *duration) String() string {
	switch whole := time.Duration(*d); {
	case whole == 0:
		return "0"
	case whole%time.Millisecond != 0:
		return whole.String()
	}
	return model.Duration(*d).String()
}

func (d *duration) Type() string { return "duration" }
