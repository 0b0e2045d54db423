package control

import (
	"strconv"
	"time"

	"strm/internal/problem"
)

// The bounds of an exporter's interval. Its default is the layout's.
const (
	MinInterval      = 30 * time.Second
	MinShortInterval = time.Second // with Options.AllowShortIntervals
	MaxInterval      = 24 * time.Hour
)

// ParseDuration reads a duration as people give it: a whole number of seconds
// ("60") or Go's notation ("60s", "1h30m"). what names it in the error.
func ParseDuration(what, s string) (time.Duration, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n > int64(time.Duration(1<<63-1)/time.Second) || n < -int64(time.Duration(1<<63-1)/time.Second) {
			return 0, problem.New(problem.Invalid, "%s %q is too long", what, s)
		}
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, problem.New(problem.Invalid, "%s %q: give seconds (60) or a duration (60s, 5m, 1h)", what, s)
	}
	return d, nil
}

func (c *Control) checkInterval(d time.Duration) error {
	lowest := MinInterval
	hint := "; a server started with --allow-short-intervals takes 1s and more"
	if c.options.AllowShortIntervals {
		lowest, hint = MinShortInterval, ""
	}
	if d < lowest || d > MaxInterval {
		return problem.New(problem.Invalid, "interval %v must be between %v and %v%s", d, lowest, MaxInterval, hint)
	}
	if d%time.Second != 0 {
		return problem.New(problem.Invalid, "interval %v must be whole seconds", d)
	}
	return nil
}

// checkOffset refuses an offset that is not below the interval.
func checkOffset(offset, interval time.Duration) error {
	if offset < 0 || offset >= interval {
		return problem.New(problem.Invalid, "interval offset %v must be at least 0 and below the interval, which is %v", offset, interval)
	}
	if offset%time.Second != 0 {
		return problem.New(problem.Invalid, "interval offset %v must be whole seconds", offset)
	}
	return nil
}
