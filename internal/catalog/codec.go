package catalog

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// micros is an instant as stored; 0 stands for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// decode reads one JSON value and nothing after it. A field this program does
// not know would be a setting silently dropped from a frozen plan, so it is an
// error.
func decode(what, text string, into any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			return problem.New(problem.Corrupt, "catalog: stored %s %.80q: more than one value", what, text)
		}
		return nil
	}
	return problem.New(problem.Corrupt, "catalog: stored %s %.80q: %w", what, text, err)
}

func encodePosition(p stream.Position) string {
	b := make([]byte, 0, 2+8*len(p))
	b = append(b, '[')
	for i, o := range p {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(o), 10)
	}
	return string(append(b, ']'))
}

func decodePosition(text string) (stream.Position, error) {
	var p stream.Position
	if err := decode("position", text, &p); err != nil {
		return nil, err
	}
	if p == nil {
		return nil, problem.New(problem.Corrupt, "catalog: stored position %.80q: not a list", text)
	}
	for _, o := range p {
		if o < 0 {
			return nil, problem.New(problem.Corrupt, "catalog: stored position %.80q: negative offset", text)
		}
	}
	return p, nil
}

func encodeRanges(rs []stream.Range) string {
	b := make([]byte, 0, 2+24*len(rs))
	b = append(b, '[')
	for i, r := range rs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = strconv.AppendInt(b, int64(r.Partition), 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(r.Start), 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(r.End), 10)
		b = append(b, ']')
	}
	return string(append(b, ']'))
}

func decodeRanges(text string) ([]stream.Range, error) {
	var raw [][]int64
	if err := decode("ranges", text, &raw); err != nil {
		return nil, err
	}
	out := make([]stream.Range, len(raw))
	for i, r := range raw {
		if len(r) != 3 || r[0] < 0 || r[0] > math.MaxInt32 || r[1] < 0 || r[2] <= r[1] {
			return nil, problem.New(problem.Corrupt, "catalog: stored ranges %.80q: number %d is not [partition, start, end]", text, i+1)
		}
		out[i] = stream.Range{Partition: stream.Partition(r[0]), Start: stream.Offset(r[1]), End: stream.Offset(r[2])}
	}
	return out, nil
}

func encodeTexts(texts []string) (string, error) {
	if len(texts) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(texts)
	return string(b), err
}

func decodeTexts(what, text string) ([]string, error) {
	var texts []string
	if err := decode(what, text, &texts); err != nil {
		return nil, err
	}
	if len(texts) == 0 {
		return nil, nil
	}
	return texts, nil
}

func encodeOutput(o stream.Output) (string, error) {
	b, err := json.Marshal(o)
	return string(b), err
}

func decodeOutput(text string) (stream.Output, error) {
	var o stream.Output
	err := decode("output", text, &o)
	return o, err
}
