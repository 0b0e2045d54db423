package embedded

import (
	"errors"

	"strm/internal/eventlog"
)

// idKeyLen: space, stream number, generation, running number of the first id.
const idKeyLen = 1 + 8 + 8 + 4

func idKey(number, generation uint64, first uint32) []byte {
	return be.AppendUint32(generationStart(number, generation), first)
}

// generationStart and generationEnd bound the ids of one generation. Generations
// are counted up from 1 and never wrap.
func generationStart(number, generation uint64) []byte {
	k := make([]byte, 0, idKeyLen)
	k = append(k, spaceIDs)
	k = be.AppendUint64(k, number)
	return be.AppendUint64(k, generation)
}

func generationEnd(number, generation uint64) []byte {
	return generationStart(number, generation+1)
}

// idRecord is a run of ids stored together. It lies within one slice.
type idRecord struct {
	generation uint64
	first      uint32 // running number of the first id
	storedMs   int64
	ids        []byte // 16 bytes each; of the record's value, not a copy
}

const idSize = len(eventlog.ID{})

func (r *idRecord) count() uint32 { return uint32(len(r.ids) / idSize) }

// id copies the id at position i.
func (r *idRecord) id(i uint32) eventlog.ID { return eventlog.ID(r.ids[int(i)*idSize:]) }

// appendIDs appends the record of the ids, at least one, to dst.
func appendIDs(key []byte, storedMs int64, ids []eventlog.ID, dst []byte) []byte {
	at := len(dst)
	dst = be.AppendUint64(dst, uint64(storedMs))
	for i := range ids {
		dst = append(dst, ids[i][:]...)
	}
	return append(dst[:at], seal(key, dst[at:])...)
}

var errIDKey = errors.New("key of event ids has the wrong form")

// decodeIDs reads a record. What it accepts could have been written.
func decodeIDs(key, value []byte) (idRecord, error) {
	if len(key) != idKeyLen || key[0] != spaceIDs {
		return idRecord{}, errIDKey
	}
	size := len(value) - 8 - 4
	if size < idSize || size%idSize != 0 || size > sliceIDs*idSize {
		return idRecord{}, errRecordSize
	}
	v, err := unseal(key, value, 8+size)
	if err != nil {
		return idRecord{}, err
	}
	r := idRecord{generation: be.Uint64(key[9:]), first: be.Uint32(key[17:]), storedMs: int64(be.Uint64(v)), ids: v[8:]}
	if r.generation == 0 || r.generation == 1<<64-1 || r.first >= maxGeneration || r.first%sliceIDs+r.count() > sliceIDs {
		return idRecord{}, errRecordValue
	}
	return r, nil
}
