package envelope

import (
	"crypto/sha1" //nolint:gosec // version 5 UUIDs are SHA-1; nothing rests on its strength
	"encoding/hex"
	"strconv"

	"strm/internal/columns"
	"strm/internal/format"
	"strm/internal/problem"
	"strm/internal/stream"
)

// namespace is that of the ids, a version 5 UUID itself.
var namespace = [16]byte{0x37, 0xe6, 0x78, 0xc9, 0x03, 0xc0, 0x57, 0x13, 0xaf, 0xba, 0xb0, 0x2d, 0x5a, 0xbd, 0x06, 0x5f}

// ids makes the ids of events: the version 5 UUID, in our namespace, of
// "<stream id>/<partition>/<offset>". So an event has the same id in every file.
type ids struct {
	buf    []byte
	prefix int
}

func newIDs(streamID string) *ids {
	b := append(namespace[:len(namespace):len(namespace)], streamID...)
	b = append(b, '/')
	return &ids{buf: b, prefix: len(b)}
}

func (n *ids) of(p stream.Partition, o stream.Offset) [16]byte {
	b := strconv.AppendInt(n.buf[:n.prefix], int64(p), 10)
	b = strconv.AppendInt(append(b, '/'), int64(o), 10)
	n.buf = b
	sum := sha1.Sum(b)
	var id [16]byte
	copy(id[:], sum[:])
	id[6] = id[6]&0x0f | 5<<4
	id[8] = id[8]&0x3f | 0x80
	return id
}

// AppendUUID appends a UUID's 36 characters.
func AppendUUID(dst []byte, id [16]byte) []byte {
	var s [36]byte
	hex.Encode(s[0:8], id[0:4])
	hex.Encode(s[9:13], id[4:6])
	hex.Encode(s[14:18], id[6:8])
	hex.Encode(s[19:23], id[8:10])
	hex.Encode(s[24:36], id[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return append(dst, s[:]...)
}

// Rows gives every event of the input to a row writer, with its id and time if
// the envelope has any, and returns how many there were.
func (e *Envelope) Rows(in format.Input, w format.RowWriter) (int64, error) {
	var (
		n   int64
		row format.Row
		id  = newIDs(in.StreamID)
	)
	for ev, err := range format.Events(in.Blocks()) {
		if err != nil {
			return n, err
		}
		if e.Style != stream.EnvelopeNone {
			row.ID, row.At = id.of(ev.Partition, ev.Offset), ev.At.UnixMilli()
		}
		if err := w.Append(row, ev.Data); err != nil {
			return n, err
		}
		n++
	}
	return n, w.Close()
}

// RunOf returns what the rows of a planned object have in common.
func RunOf(in format.Input) format.Run { return format.Run{SyncID: in.Seq, Losses: in.Losses} }

// Find shows every event of the input to a finder of columns, and returns how
// many there were.
func Find(in format.Input, f *columns.Finder) (events int64, err error) {
	for ev, err := range format.Events(in.Blocks()) {
		if err != nil {
			return events, err
		}
		if !f.Add(ev.Data) {
			return events, problem.New(problem.Corrupt, "event %d of partition %d is not a JSON object", ev.Offset, ev.Partition)
		}
		events++
	}
	return events, nil
}
