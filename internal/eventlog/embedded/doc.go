// Package embedded is the durable log in one directory of one machine: blocks
// of events in a Pebble store, with nothing to install beside it.
//
// # Stored form, versions 1 to 3
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
//	'd' | number u64 | generation u64 | running number u32
//	                                        ids: stored ms u64 | 16 bytes each | crc
//	'm' | number u64 | mark                 mark:    how far u64 | crc
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
// Version 2 is version 1 with ids. A log gets it in the batch with its first ids:
// a program that knows version 1 alone, which would store repeats and leave ids
// behind when it drops a stream, refuses the log from then on, and opens it before.
// Version 3 is either of them with marks, and begins with the first mark: without
// looking at marks a file would be stored again from its beginning.
//
// # Ids of events
//
// The ids of an entry are stored as one record, or one more where the running
// number passes a multiple of 1,024: that many make a slice, and no record lies in
// two. Generations follow each other; one closes when a quarter of the window has
// passed since its first id or when its table is full, and is forgotten whole, by
// a range delete, when its newest id is older than the window. Numbers that are
// missing between two records were given to an append that failed.
//
// In memory each generation has an idTable, which says in which slices an id may
// stand; what it says is settled by reading the slice, so answers are exact. The
// first table of a stream is small. Tables do not grow: the generation after a
// full one gets four times the room, up to 2 Mi ids, and one after a quiet one
// gets what that one needed. The janitor fits the tables of closed generations.
// Large tables lie outside the Go heap (tableMemory says why) and are freed when
// their generation is forgotten or fitted, the stream dropped, or the log closed.
//
// The first entry with ids after opening reads the stream's ids back; until then
// they are neither in memory nor looked at by the janitor. A record
// that is damaged may hold any id, so a stream with one takes no more entries
// with ids; entries without ids go on. Log.appendFresh says why an event is
// stored once.
//
// # Writing
//
// An append is one atomic batch of headers, payloads, idempotency keys, ids and
// marks. See
// partition.settle for the order of things and why a reader never sees an event
// that a crash could take back.
package embedded
