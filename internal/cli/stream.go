package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/cli/render"
	"strm/internal/stream"
)

// streamFlags are the settings of a stream that create and update share.
type streamFlags struct {
	meta           bool
	description    string
	tags           []string
	age, retention string
}

func (f *streamFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&f.meta, "strm-meta", true, "add a strmMeta object to every event")
	c.Flags().StringVar(&f.description, "description", "", "what the stream is for")
	c.Flags().StringSliceVar(&f.tags, "tags", nil, "tags, divided by commas")
	c.Flags().StringVar(&f.age, "retention-age", "", "drop delivered events older than this (168h, 7d; 0 keeps them; default 168h)")
	c.Flags().StringVar(&f.retention, "retention-bytes", "", "keep at most this much, stored (10GB, 64MiB; 0 for no bound); full streams refuse events")
}

// bounds returns the retention as given on top of what was, nil if nothing was
// given.
func (f *streamFlags) bounds(c *cobra.Command, was apiv1.Retention) (*apiv1.Retention, error) {
	if !c.Flags().Changed("retention-age") && !c.Flags().Changed("retention-bytes") {
		return nil, nil
	}
	r := was
	if c.Flags().Changed("retention-age") {
		r.MaxAge = ""
		if f.age != "0" {
			age, err := parseAge(f.age)
			if err != nil {
				return nil, err
			}
			r.MaxAge = age
		}
	}
	if c.Flags().Changed("retention-bytes") {
		n, err := parseSize(f.retention)
		if err != nil {
			return nil, err
		}
		r.MaxBytes = n
	}
	return &r, nil
}

// defaultAge is the server's own default, needed when only the other bound of
// a new stream is given: the two travel together.
const defaultAge = "168h"

// addInvalid adds the flag of streams on topics that can change.
func addInvalid(c *cobra.Command, invalid *string) {
	c.Flags().StringVar(invalid, "invalid", "", "over Kafka: what becomes of a value that is no event: block (default; batch exporters stop and say so) or drop (left out and counted)")
	complete(c, "invalid", string(stream.InvalidBlock), string(stream.InvalidDrop))
}

func (a *app) createStream() *cobra.Command {
	var f streamFlags
	var partitions int
	var topic, values, invalid string
	c := &cobra.Command{
		Use: "stream [NAME]", Aliases: []string{"streams"}, Short: "Create a stream",
		Long: `Create a stream. Without NAME it gets a readable one of its own.

On a server that keeps events in Kafka (strm serve --log kafka://...) a stream is a topic. It
makes one with the stream's name, or adopts the one that --topic names: strm reads it, and
never deletes or trims it. Values are JSON objects, or Avro and JSON Schema with the ids of
a schema registry (--values registry).`,
		Example: `  strm create stream demo
  strm create stream clicks --partitions 4 --retention-age 30d --tags web,shop
  strm create stream orders --topic shop.orders.v1 --values registry
  strm create stream logs --topic logs --invalid drop`,
		Args: args(0, 1, "at most one NAME"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			bounds, err := f.bounds(cmd, apiv1.Retention{MaxAge: defaultAge})
			if err != nil {
				return err
			}
			name, err := nameOr(args, randomName)
			if err != nil {
				return err
			}
			if partitions < 0 {
				return usagef("--partitions %d: use 1 or more", partitions)
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			in := apiv1.CreateStream{Name: name, Partitions: partitions, Description: f.description, Tags: f.tags, Retention: bounds, StrmMeta: &f.meta,
				Topic: topic, Values: values, Invalid: invalid}
			if topic != "" && !cmd.Flags().Changed("strm-meta") {
				in.StrmMeta = nil // what others write has none; the server knows
			}
			out, err := s.CreateStream(s.ctx, in)
			if err != nil {
				return err
			}
			return s.print(render.Stream(s.inst, out))
		},
	}
	f.add(c)
	c.Flags().IntVar(&partitions, "partitions", 0, "number of partitions, fixed for ever (default 1; over Kafka the brokers' default, or what the topic has)")
	c.Flags().StringVar(&topic, "topic", "", "over Kafka: adopt this topic, which others write")
	c.Flags().StringVar(&values, "values", "", "over Kafka: what the values of records are: json (default) or registry")
	complete(c, "topic")
	complete(c, "values", string(stream.ValuesJSON), string(stream.ValuesRegistry))
	addInvalid(c, &invalid)
	return c
}

func (a *app) updateStream() *cobra.Command {
	var f streamFlags
	var invalid string
	c := &cobra.Command{
		Use: "stream NAME", Aliases: []string{"streams"}, Short: "Change a stream's settings",
		Example: `  strm update stream demo --retention-age 30d
  strm update stream demo --description "clicks of the shop" --tags web,shop
  strm update stream logs --invalid drop`,
		Args: args(1, 1, "one NAME"), ValidArgsFunction: a.names(1, streamNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			var in apiv1.UpdateStream
			fl := cmd.Flags()
			if fl.Changed("retention-age") != fl.Changed("retention-bytes") {
				was, err := s.Stream(s.ctx, args[0])
				if err != nil {
					return err
				}
				in.Retention = &was.Retention
			}
			was := apiv1.Retention{}
			if in.Retention != nil {
				was = *in.Retention
			}
			if in.Retention, err = f.bounds(cmd, was); err != nil {
				return err
			}
			if fl.Changed("strm-meta") {
				in.StrmMeta = &f.meta
			}
			if fl.Changed("description") {
				in.Description = &f.description
			}
			if fl.Changed("tags") {
				if len(f.tags) == 0 {
					return usagef("--tags needs at least one tag")
				}
				in.Tags = f.tags
			}
			if fl.Changed("invalid") {
				in.Invalid = &invalid
			}
			if in.Retention == nil && in.StrmMeta == nil && in.Description == nil && in.Tags == nil && in.Invalid == nil {
				return usagef("nothing to change: give at least one of --strm-meta, --description, --tags, --retention-age, --retention-bytes, --invalid")
			}
			out, err := s.UpdateStream(s.ctx, args[0], in)
			if err != nil {
				return err
			}
			return s.print(render.Stream(s.inst, out))
		},
	}
	f.add(c)
	addInvalid(c, &invalid)
	return c
}

func (a *app) listStreams() *cobra.Command {
	var deep bool
	c := &cobra.Command{
		Use: "streams", Aliases: []string{"stream"}, Short: "List streams",
		Example: `  strm list streams
  strm list streams --recursive -o table`,
		Args: args(0, 0, "no argument"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			list, err := s.Streams(s.ctx)
			if err != nil {
				return err
			}
			details := make([]render.StreamDetail, len(list))
			for i := range list {
				details[i].Stream = list[i]
			}
			if deep {
				if err := s.streamDependents(details); err != nil {
					return err
				}
			}
			return s.print(render.Streams(s.inst, details))
		},
	}
	c.Flags().BoolVarP(&deep, "recursive", "r", false, "also show the sources and batch exporters of each stream")
	return c
}

func (a *app) getStream() *cobra.Command {
	var deep bool
	c := &cobra.Command{
		Use: "stream NAME...", Aliases: []string{"streams"}, Short: "Show streams with the bounds of their partitions",
		Example: `  strm get stream demo
  strm get stream demo --recursive`,
		Args: args(1, -1, "at least one NAME"), ValidArgsFunction: a.names(-1, streamNames),
		RunE: a.each(func(s *session, name string) error {
			d, err := s.streamDetail(name, deep)
			if err != nil {
				return err
			}
			return s.print(render.StreamTree(s.inst, d))
		}),
	}
	c.Flags().BoolVarP(&deep, "recursive", "r", false, "also show the stream's sources and batch exporters")
	return c
}

func (a *app) deleteStream() *cobra.Command {
	var deep bool
	c := &cobra.Command{
		Use: "stream NAME...", Aliases: []string{"streams"}, Short: "Delete streams with all events in them",
		Long: `Delete streams. All events that are still in them are gone, delivered or not.

A stream with sources, batch exporters or batch importers is refused unless --recursive is
given. Objects in buckets stay, and so does a Kafka topic that the stream had adopted, with
its events.`,
		Example: `  strm delete stream demo
  strm delete stream demo clicks --recursive`,
		Args: args(1, -1, "at least one NAME"), ValidArgsFunction: a.names(-1, streamNames),
		RunE: a.each(func(s *session, name string) error {
			d, err := s.streamDetail(name, deep)
			if err != nil {
				return err
			}
			if err := s.DeleteStream(s.ctx, name, deep); err != nil {
				return fmt.Errorf("%w%s", err, recursiveHint(err, deep))
			}
			return s.print(render.StreamDeleted(s.inst, d, deep))
		}),
	}
	c.Flags().BoolVarP(&deep, "recursive", "r", false, "also delete the stream's sources, batch exporters and batch importers")
	return c
}

// streamDetail reads a stream, with its dependents if deep is set.
func (s *session) streamDetail(name string, deep bool) (render.StreamDetail, error) {
	st, err := s.Stream(s.ctx, name)
	if err != nil || !deep {
		return render.StreamDetail{Stream: st}, err
	}
	d := []render.StreamDetail{{Stream: st}}
	err = s.streamDependents(d)
	return d[0], err
}

// streamDependents fills in the sources and exporters of streams.
func (s *session) streamDependents(list []render.StreamDetail) error {
	sources, err := s.Sources(s.ctx)
	if err != nil {
		return err
	}
	exporters, err := s.Exporters(s.ctx, "")
	if err != nil {
		return err
	}
	at := map[string]int{}
	for i := range list {
		at[list[i].Stream.Name] = i
	}
	for _, x := range sources {
		for _, name := range streamsOf(x) {
			if i, ok := at[name]; ok {
				list[i].Sources = append(list[i].Sources, x)
			}
		}
	}
	for _, x := range exporters {
		if i, ok := at[x.Stream]; ok {
			list[i].Exporters = append(list[i].Exporters, x)
		}
	}
	return nil
}
