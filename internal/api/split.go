package api

import (
	"strm/internal/api/apiv1"
	"strm/internal/collect/split/flags"
	"strm/internal/control"
	"strm/internal/stream"
)

// readSplit reads the settings of a source of kind split.
func readSplit(in *apiv1.SplitSettings) *control.SplitChange {
	if in == nil {
		return nil
	}
	return &control.SplitChange{
		Environment: in.Environment, Events: in.Events, Counts: in.Counts,
		TrafficTypes: in.TrafficTypes, Flags: in.Flags, Replace: in.Replace, Served: in.Serve,
	}
}

func showSplit(p *stream.Split) *apiv1.SplitSource {
	if p == nil {
		return nil
	}
	out := &apiv1.SplitSource{Environment: p.Environment, Events: p.Events, Counts: p.Counts, TrafficTypes: p.TrafficTypes, Flags: p.Flags}
	if n, m := flags.Count(p.Served.Flags), flags.Count(p.Served.Segments); n+m > 0 {
		out.Served = &apiv1.ServedFlags{ChangeNumber: p.Served.Version, Flags: n, Segments: m}
	}
	return out
}

func showUnknown(u stream.Unknown) *apiv1.UnknownNames {
	if len(u.Flags)+len(u.TrafficTypes) == 0 {
		return nil
	}
	show := func(n stream.NameCount) apiv1.NameCount { return apiv1.NameCount(n) }
	return &apiv1.UnknownNames{Flags: each(u.Flags, show), TrafficTypes: each(u.TrafficTypes, show), More: u.More}
}
