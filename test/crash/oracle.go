package main

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"

	"strm/test/s3double"
)

// verdict is what the oracle found in the objects of one exporter.
type verdict struct {
	objects   int
	events    int64
	missing   int64    // acknowledged, in no object
	duplicate int64    // in more than one place
	halves    int64    // requests of which only a part arrived
	problems  []string // the first of each, by name
}

// maxProblems bounds what a verdict tells one by one.
const maxProblems = 20

func (v *verdict) problem(format string, args ...any) {
	if len(v.problems) < maxProblems {
		v.problems = append(v.problems, fmt.Sprintf(format, args...))
	}
}

func (v *verdict) ok() bool {
	return v.missing == 0 && v.duplicate == 0 && v.halves == 0 && len(v.problems) == 0
}

// judge compares the objects of one exporter with what was sent to its stream.
// Every acknowledged event must be there once, every other at most once, and
// every request whole or not at all.
func judge(objects []*s3double.Object, sent []*sentLog, of streamSpec) *verdict {
	v := &verdict{}
	seen := make(map[int][]uint8, len(sent))
	for _, l := range sent {
		seen[l.sender] = make([]uint8, l.total())
	}
	for _, o := range objects {
		lines, err := decode(o)
		if strings.HasPrefix(path.Base(o.Key), ".strm_test_") {
			if err != nil || len(lines) > 0 {
				v.problem("validation object %s is not empty: %d lines, %v", o.Key, len(lines), err)
			}
			continue
		}
		v.objects++
		if err != nil {
			v.problem("object %s: %v", o.Key, err)
			continue
		}
		if len(lines) == 0 {
			v.problem("object %s holds no event", o.Key)
		}
		for i, line := range lines {
			v.events++
			id, err := readLine(line, o.Key, of)
			if err != nil {
				v.problem("object %s line %d: %v", o.Key, i+1, err)
				continue
			}
			counts, known := seen[id.sender]
			if !known || id.n < 0 || id.n >= int64(len(counts)) {
				v.problem("object %s line %d: event %v was never sent to this stream", o.Key, i+1, id)
				continue
			}
			if counts[id.n]++; counts[id.n] > 1 {
				v.duplicate++
				v.problem("object %s line %d: event %v is a duplicate", o.Key, i+1, id)
				counts[id.n] = 2 // stay far from the end of the counter
			}
		}
	}
	for _, l := range sent {
		v.compare(l, seen[l.sender])
	}
	return v
}

func (v *verdict) compare(l *sentLog, counts []uint8) {
	for _, b := range l.batches {
		var there int64
		for n := b.first; n < b.first+b.count; n++ {
			if counts[n] > 0 {
				there++
			} else if b.acked {
				v.missing++
				v.problem("event %v was acknowledged and is missing", eventID{l.sender, n})
			}
		}
		if there != 0 && there != b.count {
			v.halves++
			v.problem("of the request with events %v to %v only %d of %d arrived",
				eventID{l.sender, b.first}, eventID{l.sender, b.first + b.count - 1}, there, b.count)
		}
	}
}

// decode returns the lines of an object, unpacked if it is gzip.
func decode(o *s3double.Object) ([][]byte, error) {
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
