package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/problem"
)

// splitFlags are those of sources of kind split.
type splitFlags struct {
	environment, events, counts string
	trafficTypes, flags         []string
	catalogue, serve            string
	replace, none               bool
}

func (f *splitFlags) add(a *app, c *cobra.Command, update bool) {
	c.Flags().StringVar(&f.environment, "environment", "", "kind split: the environment id that is in every row")
	c.Flags().StringVar(&f.events, "events-stream", "", "kind split: the stream for events (default NAME-events)")
	c.Flags().StringVar(&f.counts, "counts-stream", "", "kind split: the stream for counts and unique keys, which have no row form (default none: they are counted in the metrics and dropped)")
	c.Flags().StringArrayVar(&f.trafficTypes, "traffic-type", nil, "kind split: `NAME=ID` of a traffic type; may be given again, NAME= takes it out")
	c.Flags().StringArrayVar(&f.flags, "flag", nil, "kind split: `FLAG=TRAFFIC-TYPE`, what a feature flag is about; may be given again, FLAG= takes it out; flags that are served need none")
	c.Flags().StringVar(&f.catalogue, "catalogue", "", `kind split: `+"`FILE`"+` with {"trafficTypes":{"user":"ID"},"flags":{"checkout":"user"}}; - for standard input`)
	c.Flags().StringVar(&f.serve, "flags", "", "kind split: serve the definitions in this `FILE` to SDKs: a splitChanges body, or an array of flags; - for standard input")
	for _, file := range []string{"catalogue", "flags"} {
		_ = c.MarkFlagFilename(file, "json") // the flag exists
	}
	for _, free := range []string{"environment", "traffic-type", "flag"} {
		complete(c, free)
	}
	for _, name := range []string{"events-stream", "counts-stream"} {
		completeWith(c, name, a.names(-1, streamNames))
	}
	if update {
		c.Flags().BoolVar(&f.replace, "replace-catalogue", false, "kind split: forget the traffic types and flags there are; take those of this command alone")
		c.Flags().BoolVar(&f.none, "no-flags", false, "kind split: serve no flags any more")
		c.MarkFlagsMutuallyExclusive("flags", "no-flags")
	}
}

// streamsOf returns the streams that a source writes to.
func streamsOf(x apiv1.Source) []string {
	names := []string{x.Stream}
	if x.Split != nil {
		if names = append(names, x.Split.Events); x.Split.Counts != "" {
			names = append(names, x.Split.Counts)
		}
	}
	return names
}

// given reports whether one of the flags was.
func (f *splitFlags) given(cmd *cobra.Command) bool {
	for _, name := range []string{"environment", "events-stream", "counts-stream", "traffic-type", "flag", "catalogue", "flags", "replace-catalogue", "no-flags"} {
		if cmd.Flags().Changed(name) {
			return true
		}
	}
	return false
}

// settings returns what the flags say, nil for nothing.
func (f *splitFlags) settings(cmd *cobra.Command) (*apiv1.SplitSettings, error) {
	if !f.given(cmd) {
		return nil, nil //nolint:nilnil // nothing was said, which is no error
	}
	if f.catalogue == "-" && f.serve == "-" {
		return nil, usagef("--catalogue and --flags cannot both come from standard input")
	}
	out := &apiv1.SplitSettings{Environment: f.environment, Events: f.events, Replace: f.replace}
	if cmd.Flags().Changed("counts-stream") {
		out.Counts = &f.counts
	}
	if f.catalogue != "" {
		text, err := readJSON(cmd, "catalogue", f.catalogue)
		if err != nil {
			return nil, err
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		var c struct {
			TrafficTypes map[string]string `json:"trafficTypes"`
			Flags        map[string]string `json:"flags"`
		}
		if err := d.Decode(&c); err != nil {
			return nil, problem.New(problem.Invalid, "catalogue file %s: %w", f.catalogue, err)
		}
		out.TrafficTypes, out.Flags = c.TrafficTypes, c.Flags
	}
	var err error
	if out.TrafficTypes, err = pairs("traffic-type", "NAME=ID", f.trafficTypes, out.TrafficTypes); err != nil {
		return nil, err
	}
	if out.Flags, err = pairs("flag", "FLAG=TRAFFIC-TYPE", f.flags, out.Flags); err != nil {
		return nil, err
	}
	if f.serve != "" {
		if out.Serve, err = readJSON(cmd, "flags", f.serve); err != nil {
			return nil, err
		}
	}
	if f.none {
		out.Serve = json.RawMessage("[]")
	}
	return out, nil
}

// pairs adds what was given as NAME=VALUE to a map.
func pairs(flag, form string, given []string, to map[string]string) (map[string]string, error) {
	if len(given) == 0 {
		return to, nil
	}
	if to = maps.Clone(to); to == nil {
		to = map[string]string{}
	}
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usagef("--%s %s: use the form %s", flag, text, form)
		}
		to[name] = value
	}
	return to, nil
}

// maxSettings bounds the files of a source; the server knows its own bound.
const maxSettings = 16 << 20

// readJSON reads a file of settings, which must be JSON.
func readJSON(cmd *cobra.Command, what, path string) (json.RawMessage, error) {
	r := cmd.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, problem.New(problem.Invalid, "%s file: %w", what, err)
		}
		defer f.Close() //nolint:errcheck // only read
		r = f
	}
	text, err := io.ReadAll(io.LimitReader(r, maxSettings+1))
	switch {
	case err != nil:
		return nil, problem.New(problem.Invalid, "%s file: %w", what, err)
	case len(text) > maxSettings:
		return nil, problem.New(problem.Invalid, "%s file %s is over %d bytes", what, path, maxSettings)
	case !json.Valid(text):
		return nil, problem.New(problem.Invalid, "%s file %s is not JSON", what, path)
	}
	return text, nil
}
