// Package kafka is eventlog.Log over Kafka: a stream is a topic, an event a record.
//
// Offsets of a stream are those of its topic plus a base per partition (stream.Topic.Base).
// Everything is read as committed only and up to the last stable offset, so nothing is
// seen that a broker could still take back. Blocks are runs of offsets: what is in them is
// known when they are read, because transactions and compaction leave gaps.
//
// Plain entries go through one idempotent producer. Entries with a key, ids, a mark or
// stamps are settled through the Names port and Kafka's transactions.
package kafka
