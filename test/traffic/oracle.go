package traffic

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"

	"strm/test/s3double"
)

// Verdict is what the judge found in the objects of one exporter.
type Verdict struct {
	Objects   int
	Events    int64
	Missing   int64    // acknowledged, in no object
	Duplicate int64    // in more places than its tries allow
	Again     int64    // in more places than one, as its tries without a key allow
	Halves    int64    // requests of which only a part arrived
	Problems  []string // the first of each, by name
}

// MaxProblems bounds what a verdict tells one by one.
const MaxProblems = 20

func (v *Verdict) problem(format string, args ...any) {
	if len(v.Problems) < MaxProblems {
		v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
	}
}

// OK reports whether all is as it should be.
func (v *Verdict) OK() bool {
	return v.Missing == 0 && v.Duplicate == 0 && v.Halves == 0 && len(v.Problems) == 0
}

// counts says of each event of a sender how often it may be there and is.
type counts struct{ most, seen []uint8 }

func countsOf(l *Log) counts {
	c := counts{make([]uint8, l.Total()), make([]uint8, l.Total())}
	for _, b := range l.Batches {
		for n := b.First; n < b.First+b.Count; n++ {
			c.most[n] = b.most()
		}
	}
	return c
}

// judge compares the objects of one exporter with what was sent to its stream.
// Every acknowledged event must be there once, every other at most once, and
// every request whole or not at all. What was sent without a key may be there
// once more for each try of unknown outcome, and in part.
func judge(objects []*s3double.Object, sent []*Log, of Stream) *Verdict {
	v := &Verdict{}
	seen := make(map[int]counts, len(sent))
	for _, l := range sent {
		seen[l.Sender] = countsOf(l)
	}
	for _, o := range objects {
		events, err := read(o, of)
		if strings.HasPrefix(path.Base(o.Key), ".strm_test_") {
			if err != nil || len(events) > 0 {
				v.problem("validation object %s is not empty: %d lines, %v", o.Key, len(events), err)
			}
			continue
		}
		v.Objects++
		if err != nil {
			v.problem("object %s: %v", o.Key, err)
			continue
		}
		if len(events) == 0 {
			v.problem("object %s holds no event", o.Key)
		}
		for i, e := range events {
			v.Events++
			if e.err != nil {
				v.problem("object %s line %d: %v", o.Key, i+1, e.err)
				continue
			}
			c, known := seen[e.id.Sender]
			if !known || e.id.N < 0 || e.id.N >= int64(len(c.seen)) {
				v.problem("object %s line %d: event %v was never sent to this stream", o.Key, i+1, e.id)
				continue
			}
			if c.seen[e.id.N] > 0 && c.seen[e.id.N] < c.most[e.id.N] {
				v.Again++
			}
			if c.seen[e.id.N]++; c.seen[e.id.N] > c.most[e.id.N] {
				v.Duplicate++
				v.problem("object %s line %d: event %v is a duplicate", o.Key, i+1, e.id)
				c.seen[e.id.N] = c.most[e.id.N] // stay far from the end of the counter
			}
		}
	}
	for _, l := range sent {
		v.compare(l, seen[l.Sender].seen)
	}
	return v
}

func (v *Verdict) compare(l *Log, seen []uint8) {
	for _, b := range l.Batches {
		var there int64
		for n := b.First; n < b.First+b.Count; n++ {
			if seen[n] > 0 {
				there++
			} else if b.least() > 0 {
				v.Missing++
				v.problem("event %v was acknowledged and is missing", EventID{l.Sender, n})
			}
		}
		if there != 0 && there != b.Count && !b.Plain {
			v.Halves++
			v.problem("of the request with events %v to %v only %d of %d arrived",
				EventID{l.Sender, b.First}, EventID{l.Sender, b.First + b.Count - 1}, there, b.Count)
		}
	}
}

// found is an event of an object, or what is wrong with it.
type found struct {
	id  EventID
	err error
}

// read reads the events of an object, whatever its format.
func read(o *s3double.Object, of Stream) ([]found, error) {
	if bytes.HasPrefix(o.Body, []byte("PAR1")) {
		return readParquet(o.Body)
	}
	lines, err := Decode(o)
	if err != nil {
		return nil, err
	}
	out := make([]found, len(lines))
	for i, line := range lines {
		out[i].id, out[i].err = readLine(line, o.Key, of)
	}
	return out, nil
}

// row is what is looked at of an event in a Parquet file.
type row struct {
	ID   *string `parquet:"id,optional"`
	Kind *string `parquet:"kind,optional"`
	Pad  *string `parquet:"pad,optional"`
}

func readParquet(body []byte) ([]found, error) {
	rows, err := parquet.Read[row](bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, fmt.Errorf("not Parquet: %w", err)
	}
	out := make([]found, len(rows))
	for i, r := range rows {
		if r.ID == nil || r.Kind == nil || r.Pad == nil {
			out[i].err = fmt.Errorf("row without id, kind or pad")
			continue
		}
		out[i].id, out[i].err = parseID(*r.ID)
		if out[i].err == nil && (*r.Pad != out[i].id.Pad() || *r.Kind != "crash") {
			out[i].err = fmt.Errorf("event %v is damaged: %q %q", out[i].id, *r.Kind, *r.Pad)
		}
	}
	return out, nil
}

// Decode returns the lines of an object, unpacked if it is gzip.
func Decode(o *s3double.Object) ([][]byte, error) {
	body := o.Body
	if bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		zr, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("not gzip: %w", err)
		}
		if body, err = io.ReadAll(zr); err != nil {
			return nil, fmt.Errorf("damaged gzip: %w", err)
		}
	}
	if len(body) == 0 {
		return nil, nil
	}
	if body[len(body)-1] != '\n' {
		return nil, fmt.Errorf("the last line is cut off")
	}
	return bytes.Split(body[:len(body)-1], []byte{'\n'}), nil
}
