package embedded

import (
	"encoding/binary"
	"errors"

	"strm/internal/stream"
)

// First bytes of keys; doc.go has the picture.
const (
	spaceVersion = 'v'
	spaceNext    = 'n'
	spaceStream  = 's'
	spaceFloor   = 'f'
	spaceHeader  = 'i'
	spacePayload = 'b'
	spaceKey     = 'k'
	spaceAge     = 't'
	spaceIDs     = 'd'
	spaceMark    = 'm'
)

const (
	partitionKeyLen = 1 + 8 + 4
	blockKeyLen     = partitionKeyLen + 8
)

var be = binary.BigEndian

// partitionKey is the floor's key, and the prefix of a partition's headers or payloads.
func partitionKey(space byte, number uint64, p stream.Partition) []byte {
	k := make([]byte, partitionKeyLen, blockKeyLen)
	k[0] = space
	be.PutUint64(k[1:], number)
	be.PutUint32(k[9:], uint32(p))
	return k
}

func blockKey(space byte, number uint64, p stream.Partition, off stream.Offset) []byte {
	return be.AppendUint64(partitionKey(space, number, p), uint64(off))
}

// partitionEnd is the first key after every block of the partition.
func partitionEnd(space byte, number uint64, p stream.Partition) []byte {
	if p == 1<<31-1 {
		return spanEnd(space, number)
	}
	return partitionKey(space, number, p+1)
}

// spanStart and spanEnd bound everything of one stream in a space that is
// ordered by stream number. Numbers are counted up from 1 and never wrap.
func spanStart(space byte, number uint64) []byte { return be.AppendUint64([]byte{space}, number) }
func spanEnd(space byte, number uint64) []byte   { return be.AppendUint64([]byte{space}, number+1) }

func streamKey(id string) []byte { return append([]byte{spaceStream}, id...) }

func keyKey(number uint64, key string) []byte { return append(spanStart(spaceKey, number), key...) }

func ageKey(storedMs int64, number uint64, key string) []byte {
	k := make([]byte, 0, 1+8+8+len(key))
	k = append(k, spaceAge)
	k = be.AppendUint64(k, uint64(storedMs))
	k = be.AppendUint64(k, number)
	return append(k, key...)
}

var errKey = errors.New("key has the wrong form")

// offsetOf takes the offset from a block key.
func offsetOf(k []byte) (stream.Offset, error) {
	if len(k) != blockKeyLen {
		return 0, errKey
	}
	return stream.Offset(be.Uint64(k[partitionKeyLen:])), nil
}

// parseAgeKey is the inverse of ageKey.
func parseAgeKey(k []byte) (storedMs int64, number uint64, key string, err error) {
	if len(k) < 1+8+8 || k[0] != spaceAge {
		return 0, 0, "", errKey
	}
	return int64(be.Uint64(k[1:])), be.Uint64(k[9:]), string(k[17:]), nil
}
