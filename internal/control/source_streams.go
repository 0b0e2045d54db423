package control

import (
	"context"

	"strm/internal/layout"
	"strm/internal/problem"
	"strm/internal/stream"
)

// streamsOf returns the names of the streams that a source writes to.
func streamsOf(src stream.Source) []string {
	names := []string{src.Stream}
	if p := src.Split; p != nil {
		if names = append(names, p.Events); p.Counts != "" {
			names = append(names, p.Counts)
		}
	}
	return names
}

// streamsFor makes those streams of a source that are not there.
func (c *Control) streamsFor(ctx context.Context, src stream.Source) (made []string, err error) {
	var missing []string
	for _, name := range streamsOf(src) {
		s, err := c.catalog.Stream(ctx, name)
		switch {
		case isNotFound(err):
			s = stream.Stream{Name: name}
			missing = append(missing, name)
		case err != nil:
			return nil, err
		}
		// Looked at again once the streams are there; here so that none is made in vain.
		if err := c.mayJoin(ctx, src, s); err != nil {
			return nil, err
		}
	}
	off := false
	for _, name := range missing {
		_, err := c.CreateStream(ctx, NewStream{Name: name, Partitions: 1, StrmMeta: &off})
		switch {
		case c.wasFaster(ctx, name, err):
		case err != nil:
			return made, err
		default:
			made = append(made, name)
		}
	}
	return made, nil
}

// wasFaster reports whether a stream could not be made because somebody else has
// made it meanwhile. A topic that is in the way is another conflict.
func (c *Control) wasFaster(ctx context.Context, name string, err error) bool {
	if problem.KindOf(err) != problem.Conflict {
		return false
	}
	_, err = c.catalog.Stream(ctx, name)
	return err == nil
}

// join looks the streams of a source up, whether it may write to them, and notes
// their ids in it.
func (c *Control) join(ctx context.Context, src *stream.Source) error {
	ids := make([]string, 0, 3)
	for _, name := range streamsOf(*src) {
		s, err := c.catalog.Stream(ctx, name)
		if err != nil {
			return err
		}
		if err := c.mayJoin(ctx, *src, s); err != nil {
			return err
		}
		ids = append(ids, s.ID)
	}
	src.StreamID = ids[0]
	if src.Split != nil {
		src.Split.EventsID, src.Split.CountsID = ids[1], ""
		if len(ids) > 2 {
			src.Split.CountsID = ids[2]
		}
	}
	return nil
}

// mayJoin refuses a source that its stream, or another source, leaves no room
// for. Stored blocks of a segment source become its files as they are, so its
// stream holds its lines and nothing else.
func (c *Control) mayJoin(ctx context.Context, src stream.Source, s stream.Stream) error {
	segment := src.Kind == stream.SourceSegment
	if why := ownValues(s); why != "" {
		return problem.New(problem.Conflict, "stream %q %s", s.Name, why)
	}
	if segment && s.Topic.Adopted {
		return problem.New(problem.Conflict, "stream %q is the adopted topic %s, to which others write; a source of kind %s has its stream to itself", s.Name, s.Topic.Name, stream.SourceSegment)
	}
	if segment && s.StrmMeta {
		return problem.New(problem.Conflict, "stream %q adds strmMeta to its events, which has no place in a raw log; turn that off first "+
			"(strm update stream %s --strm-meta=false), or choose another stream", s.Name, s.Name)
	}
	sources, err := c.catalog.Sources(ctx)
	if err != nil {
		return err
	}
	for _, o := range sources {
		switch {
		case o.Name == src.Name && src.StreamID == "": // else it is the source itself, which changes
			return problem.New(problem.Conflict, "source %s already exists", o.Name)
		case o.Name == src.Name:
		case segment && o.ID == src.ID:
			return problem.New(problem.Conflict, "source %q has the source id %s already; each needs its own", o.Name, o.ID)
		case s.ID != "" && o.WritesTo(s.ID) && (segment || o.Kind == stream.SourceSegment):
			return problem.New(problem.Conflict, "stream %q has the source %q (kind %s); a source of kind %s has its stream to itself", s.Name, o.Name, o.Kind, stream.SourceSegment)
		}
	}
	if s.ID == "" {
		return nil
	}
	exporters, err := c.catalog.ExportersOfStream(ctx, s.ID)
	if err != nil {
		return err
	}
	if segment {
		importers, err := c.catalog.ImportersOfStream(ctx, s.ID)
		if err != nil {
			return err
		}
		if len(importers) > 0 {
			return problem.New(problem.Conflict, "stream %q takes the events of the batch importer %q; a source of kind %s has its stream to itself", s.Name, importers[0].Name, stream.SourceSegment)
		}
	}
	goesOn := false // with the calls of a source that is gone
	for _, e := range exporters {
		switch id := e.Output.Source; {
		case id == "":
		case id != src.ID:
			return problem.New(problem.Conflict, "batch exporter %q delivers stream %q as source id %s; create a source of kind %s with that id, or give this one another stream", e.Name, s.Name, id, stream.SourceSegment)
		default:
			goesOn = true
		}
	}
	if !segment || goesOn {
		return nil
	}
	bounds, err := c.log.Bounds(ctx, s.ID)
	if err != nil {
		return err
	}
	for _, b := range bounds {
		if b.End > 0 {
			return problem.New(problem.Conflict, "stream %q has taken events that are none of this source's; give it a stream of its own (leave out --stream, or name a new one)", s.Name)
		}
	}
	return nil
}

// segmentSource returns the segment source of a stream; ok is false if it has none.
func (c *Control) segmentSource(ctx context.Context, streamID string) (src stream.Source, ok bool, err error) {
	sources, err := c.catalog.Sources(ctx)
	if err != nil {
		return stream.Source{}, false, err
	}
	for _, s := range sources {
		if s.StreamID == streamID && s.Kind == stream.SourceSegment {
			return s, true, nil
		}
	}
	return stream.Source{}, false, nil
}

// sourceOf returns the source id for an output of a stream: none where the
// layout does not name it, else that of the stream's segment source, or was if
// that source was deleted.
func (c *Control) sourceOf(ctx context.Context, l layout.Layout, streamID, streamName, was string) (string, error) {
	if !l.NeedsSource() {
		return "", nil
	}
	src, ok, err := c.segmentSource(ctx, streamID)
	switch {
	case err != nil:
		return "", err
	case ok:
		return src.ID, nil
	case was != "":
		return was, nil
	}
	return "", problem.New(problem.Invalid, "the layout names the stream's segment source, and stream %q has none; create it first (strm create source NAME --kind segment --stream %s)", streamName, streamName)
}
