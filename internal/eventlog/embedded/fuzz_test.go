package embedded

import (
	"bytes"
	"testing"
)

func FuzzDecodeHeader(f *testing.F) {
	h := header{events: 3, raw: 100, packed: 60, crc32: 7, firstMs: 1_800_000_000_000, last: 1_800_000_000_500, before: 12}
	key := blockKey(spaceHeader, 1, 2, 3)
	f.Add(key, h.append(key, nil)[:headerSize])
	f.Add([]byte{}, []byte{})
	f.Add(key[:5], make([]byte, headerSize))
	f.Fuzz(func(t *testing.T, key, body []byte) {
		// As found, which the checksum catches, and with the checksum made right.
		if _, _, err := decodeHeader(key, body); err == nil {
			body = body[:headerSize]
		}
		value := seal(key, bytes.Clone(body))
		off, h, err := decodeHeader(key, value)
		if err != nil {
			return
		}
		if got := h.append(key, nil); !bytes.Equal(got, value) {
			t.Fatalf("%x decodes to %+v and encodes to %x", value, h, got)
		}
		b := h.block(1, off)
		if b.Range.Empty() || b.Events < 1 || b.Raw < 1 || b.Packed < 1 || b.FirstAt.After(b.LastAt) {
			t.Fatalf("impossible header %+v", b)
		}
		for i := range value {
			value[i] ^= 1
			if _, _, err := decodeHeader(key, value); err == nil {
				t.Fatalf("bit flipped in byte %d and not noticed", i)
			}
			value[i] ^= 1
		}
	})
}

func FuzzDecodeRecords(f *testing.F) {
	key := partitionKey(spaceFloor, 1, 0)
	fl := floor{offset: 10, before: 1000, last: -5}
	f.Add(key, fl.encode(key)[:floorSize])
	kk := keyKey(1, "request")
	kr := keyRecord{partition: 1, first: 2, events: 3, digest: 4, storedMs: 5}
	f.Add(kk, kr.encode(kk)[:keyRecordSize])
	sk := streamKey("00000000000000a1")
	f.Add(sk, encodeStream(sk, 1, 4)[:streamRecordSize])
	mk := markKey(1, "import/1/2")
	f.Add(mk, encodeMark(mk, 7)[:markRecordSize])
	f.Add(ageKey(5, 1, "request"), []byte{})
	f.Fuzz(func(t *testing.T, key, body []byte) {
		value := seal(key, bytes.Clone(body))
		check := func(what string, got []byte) {
			if !bytes.Equal(got, value) {
				t.Fatalf("%s %x encodes to %x", what, value, got)
			}
		}
		if r, err := decodeFloor(key, value); err == nil {
			check("floor", r.encode(key))
		}
		if r, err := decodeKeyRecord(key, value); err == nil {
			check("key", r.encode(key))
		}
		if number, partitions, err := decodeStream(key, value); err == nil {
			check("stream", encodeStream(key, number, partitions))
		}
		if at, err := decodeMark(key, value); err == nil {
			check("mark", encodeMark(key, at))
			value[0] ^= 1
			if _, err := decodeMark(key, value); err == nil {
				t.Fatal("a flipped bit of a mark is not noticed")
			}
		}
		if ms, number, k, err := parseAgeKey(key); err == nil && !bytes.Equal(ageKey(ms, number, k), key) {
			t.Fatalf("age key %x does not come back", key)
		}
		if off, err := offsetOf(key); err == nil && !bytes.Equal(be.AppendUint64(nil, uint64(off)), key[partitionKeyLen:]) {
			t.Fatalf("offset of %x is %d", key, off)
		}
	})
}

// Keys sort as what they name does, and partitions stay inside their streams.
func TestKeyOrder(t *testing.T) {
	inOrder := [][]byte{
		spanStart(spaceHeader, 1),
		blockKey(spaceHeader, 1, 0, 0),
		blockKey(spaceHeader, 1, 0, 255),
		blockKey(spaceHeader, 1, 0, 256),
		blockKey(spaceHeader, 1, 0, 1<<63-1),
		partitionEnd(spaceHeader, 1, 0),
		blockKey(spaceHeader, 1, 1, 0),
		blockKey(spaceHeader, 1, 1<<31-1, 1<<63-1),
		partitionEnd(spaceHeader, 1, 1<<31-1),
		blockKey(spaceHeader, 2, 0, 0),
	}
	for i := 1; i < len(inOrder); i++ {
		if bytes.Compare(inOrder[i-1], inOrder[i]) > 0 {
			t.Errorf("key %d %x sorts after %x", i-1, inOrder[i-1], inOrder[i])
		}
	}
	if bytes.Compare(ageKey(1000, 9, "z"), ageKey(1001, 1, "a")) > 0 {
		t.Error("ages do not sort by time")
	}
}
