// Package embedded is the durable log in one directory of one machine: blocks
// of events in a Pebble store, with nothing to install beside it.
//
// # Stored form, version 1
//
// One Pebble key space, divided by the first byte of the key. Integers are
// big-endian, so keys sort by stream, partition and offset.
//
//	'v'                                     format version u32
//	'n'                                     next stream number u64
//	's' | stream id                         stream:  number u64 | partitions u32 | crc
//	'f' | number u64 | partition u32        floor:   offset u64 | packed u64 | last ms u64 | crc
//	'i' | number u64 | partition u32 | offset u64
//	                                        header:  events u32 | raw u64 | packed u64 | crc32 u32 |
//	                                                 first ms u64 | last ms u64 | before u64 | crc
//	'b' | number u64 | partition u32 | offset u64
//	                                        payload: one gzip member
//	'k' | number u64 | idempotency key      key:     partition u32 | offset u64 | events u32 |
//	                                                 digest u64 | stored ms u64 | crc
//	't' | stored ms u64 | number u64 | idempotency key
//	                                        nothing; finds old keys in order of time
//
// crc is the CRC-32C of the key followed by the value's other bytes, so a record
// that turns up under another key is noticed too. crc32 is the CRC-32 (IEEE) of
// the payload, the one a reader of gzip files knows.
//
// A stream's number is given at its creation and never again: a stream made anew
// under an old id cannot meet leftovers of the old one. Headers and payloads are
// apart so that planning reads only headers. Offsets count events without gaps:
// a block ends at its offset plus its events, and the next one begins there.
// "before" is the packed size of all blocks the partition ever had before this
// one, so the size of any run of blocks is a difference of two records, and
// opening reads two records per partition however long the log is.
//
// # Writing
//
// An append is one atomic batch of headers, payloads and idempotency keys. See
// partition.settle for the order of things and why a reader never sees an event
// that a crash could take back.
package embedded
