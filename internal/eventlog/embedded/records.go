package embedded

import (
	"errors"
	"hash/crc32"
	"time"

	"strm/internal/stream"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errRecordSize  = errors.New("record has the wrong size")
	errRecordCRC   = errors.New("record does not match its checksum")
	errRecordValue = errors.New("record holds impossible values")
)

// seal appends the checksum of key and value to the value.
func seal(key, value []byte) []byte {
	return be.AppendUint32(value, crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value))
}

// unseal checks size and checksum and returns the value without it.
func unseal(key, sealed []byte, size int) ([]byte, error) {
	if len(sealed) != size+4 {
		return nil, errRecordSize
	}
	value := sealed[:size]
	if crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value) != be.Uint32(sealed[size:]) {
		return nil, errRecordCRC
	}
	return value, nil
}

const millisPerHour = int64(time.Hour / time.Millisecond)

// hourOf numbers UTC hours; it rounds down before 1970 too.
func hourOf(ms int64) int64 {
	h := ms / millisPerHour
	if ms%millisPerHour < 0 {
		h--
	}
	return h
}

// header is a block's index record beside what its key says.
type header struct {
	events        uint32
	raw, packed   uint64
	crc32         uint32
	firstMs, last int64
	before        uint64 // packed bytes of all earlier blocks of the partition
}

const headerSize = 4 + 8 + 8 + 4 + 8 + 8 + 8

func (h *header) append(key, dst []byte) []byte {
	at := len(dst)
	dst = be.AppendUint32(dst, h.events)
	dst = be.AppendUint64(dst, h.raw)
	dst = be.AppendUint64(dst, h.packed)
	dst = be.AppendUint32(dst, h.crc32)
	dst = be.AppendUint64(dst, uint64(h.firstMs))
	dst = be.AppendUint64(dst, uint64(h.last))
	dst = be.AppendUint64(dst, h.before)
	return append(dst[:at], seal(key, dst[at:])...)
}

// decodeHeader reads a header record. What it accepts could have been written:
// whoever uses the numbers need not check them again.
func decodeHeader(key, value []byte) (stream.Offset, header, error) {
	off, err := offsetOf(key)
	if err != nil {
		return 0, header{}, err
	}
	v, err := unseal(key, value, headerSize)
	if err != nil {
		return 0, header{}, err
	}
	h := header{
		events:  be.Uint32(v),
		raw:     be.Uint64(v[4:]),
		packed:  be.Uint64(v[12:]),
		crc32:   be.Uint32(v[20:]),
		firstMs: int64(be.Uint64(v[24:])),
		last:    int64(be.Uint64(v[32:])),
		before:  be.Uint64(v[40:]),
	}
	const most = 1 << 62
	if off < 0 || off > most || h.events == 0 || h.raw == 0 || h.raw > most || h.packed == 0 || h.packed > most ||
		h.before > most || h.firstMs > h.last || hourOf(h.firstMs) != hourOf(h.last) {
		return 0, header{}, errRecordValue
	}
	return off, h, nil
}

func (h *header) block(p stream.Partition, off stream.Offset) stream.BlockHeader {
	return stream.BlockHeader{
		Range:   stream.Range{Partition: p, Start: off, End: off + stream.Offset(h.events)},
		Events:  int64(h.events),
		Raw:     int64(h.raw),
		Packed:  int64(h.packed),
		CRC32:   h.crc32,
		FirstAt: time.UnixMilli(h.firstMs).UTC(),
		LastAt:  time.UnixMilli(h.last).UTC(),
	}
}

// floor is where a partition begins after trims; with no blocks left it is all
// that is known of the partition's past.
type floor struct {
	offset stream.Offset
	before uint64 // packed bytes ever stored below offset
	last   int64  // received time of the last event below offset, ms
}

const floorSize = 8 + 8 + 8

func (f *floor) encode(key []byte) []byte {
	v := make([]byte, 0, floorSize+4)
	v = be.AppendUint64(v, uint64(f.offset))
	v = be.AppendUint64(v, f.before)
	return seal(key, be.AppendUint64(v, uint64(f.last)))
}

func decodeFloor(key, value []byte) (floor, error) {
	v, err := unseal(key, value, floorSize)
	if err != nil {
		return floor{}, err
	}
	f := floor{offset: stream.Offset(be.Uint64(v)), before: be.Uint64(v[8:]), last: int64(be.Uint64(v[16:]))}
	if f.offset < 0 || f.before > 1<<62 {
		return floor{}, errRecordValue
	}
	return f, nil
}

// keyRecord remembers an idempotency key.
type keyRecord struct {
	partition stream.Partition
	first     stream.Offset
	events    uint32
	digest    uint64
	storedMs  int64
}

const keyRecordSize = 4 + 8 + 4 + 8 + 8

func (r *keyRecord) encode(key []byte) []byte {
	v := make([]byte, 0, keyRecordSize+4)
	v = be.AppendUint32(v, uint32(r.partition))
	v = be.AppendUint64(v, uint64(r.first))
	v = be.AppendUint32(v, r.events)
	v = be.AppendUint64(v, r.digest)
	return seal(key, be.AppendUint64(v, uint64(r.storedMs)))
}

func decodeKeyRecord(key, value []byte) (keyRecord, error) {
	v, err := unseal(key, value, keyRecordSize)
	if err != nil {
		return keyRecord{}, err
	}
	r := keyRecord{
		partition: stream.Partition(be.Uint32(v)),
		first:     stream.Offset(be.Uint64(v[4:])),
		events:    be.Uint32(v[12:]),
		digest:    be.Uint64(v[16:]),
		storedMs:  int64(be.Uint64(v[24:])),
	}
	if r.partition < 0 || r.first < 0 || r.events == 0 {
		return keyRecord{}, errRecordValue
	}
	return r, nil
}

const (
	streamRecordSize = 8 + 4
	maxPartitions    = 1 << 16
)

func encodeStream(key []byte, number uint64, partitions int) []byte {
	v := be.AppendUint64(make([]byte, 0, streamRecordSize+4), number)
	return seal(key, be.AppendUint32(v, uint32(partitions)))
}

func decodeStream(key, value []byte) (number uint64, partitions int, err error) {
	v, err := unseal(key, value, streamRecordSize)
	if err != nil {
		return 0, 0, err
	}
	number, partitions = be.Uint64(v), int(be.Uint32(v[8:]))
	if number == 0 || number == 1<<64-1 || partitions < 1 || partitions > maxPartitions {
		return 0, 0, errRecordValue
	}
	return number, partitions, nil
}
