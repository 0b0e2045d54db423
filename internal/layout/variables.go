package layout

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"strm/internal/keyname"
	"strm/internal/stream"
)

type writer = func(b []byte, f *Facts) []byte

// variables are what a template may hold, and what each writes.
var variables = map[string]writer{
	"stream":             func(b []byte, f *Facts) []byte { return append(b, keyname.Clean(f.Stream)...) },
	"stream_underscored": func(b []byte, f *Facts) []byte { return append(b, keyname.CleanTarsal(f.Stream)...) },
	"source":             func(b []byte, f *Facts) []byte { return append(b, f.Source...) },
	"batch":              func(b []byte, f *Facts) []byte { return append(b, f.Batch...) },
	"seq":                func(b []byte, f *Facts) []byte { return strconv.AppendInt(b, f.Seq, 10) },
	"part":               func(b []byte, f *Facts) []byte { return strconv.AppendInt(b, int64(f.Part), 10) },
	"uuid":               func(b []byte, f *Facts) []byte { return append(b, objectUUID(f)...) },
	"partitions":         func(b []byte, f *Facts) []byte { return appendPartitions(b, f.Partitions) },
	"ext":                func(b []byte, f *Facts) []byte { return append(b, f.Ext...) },

	"time":            cut("2006-01-02T15-04-05Z"),
	"cut_date":        cut("2006_01_02"),
	"cut_year":        cut("2006"),
	"cut_month":       cut("01"),
	"cut_day":         cut("02"),
	"cut_hour":        cut("15"),
	"cut_minute":      cut("04"),
	"cut_second":      cut("05"),
	"cut_millisecond": func(b []byte, f *Facts) []byte { return fmt.Appendf(b, "%04d", f.CutAt.UnixMilli()%1000) },
	"cut_ms":          func(b []byte, f *Facts) []byte { return strconv.AppendInt(b, f.CutAt.UnixMilli(), 10) },

	"date":   received("2006-01-02"),
	"year":   received("2006"),
	"month":  received("01"),
	"day":    received("02"),
	"hour":   received("15"),
	"day_ms": func(b []byte, f *Facts) []byte { return strconv.AppendInt(b, ByDay.Start(f.Received).UnixMilli(), 10) },
}

// divisions are the variables by which a batch falls into several objects.
var divisions = map[string]Division{"date": ByDay, "year": ByDay, "month": ByDay, "day": ByDay, "day_ms": ByDay, "hour": ByHour}

// Variables returns what a template may hold, for people.
func Variables() string {
	return "{" + strings.Join(slices.Sorted(maps.Keys(variables)), "} {") + "}"
}

func cut(format string) writer {
	return func(b []byte, f *Facts) []byte { return f.CutAt.UTC().AppendFormat(b, format) }
}

func received(format string) writer {
	return func(b []byte, f *Facts) []byte { return f.Received.UTC().AppendFormat(b, format) }
}

// objects is the namespace of the UUIDs in keys.
var objects = uuid.MustParse("6f2b1a52-94c1-4f0e-9a37-52d0c8b6e1d4")

// objectUUID is the same for one object in every retry.
func objectUUID(f *Facts) string {
	return uuid.NewSHA1(objects, fmt.Appendf(nil, "%s/%d", f.Batch, f.Part)).String()
}

func appendPartitions(b []byte, ps []stream.Partition) []byte {
	if len(ps) > maxListed {
		return fmt.Appendf(b, "%d_%d", ps[0], ps[len(ps)-1])
	}
	for i, p := range ps {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendInt(b, int64(p), 10)
	}
	return b
}
