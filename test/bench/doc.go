// Command bench measures what strm costs. It drives the real binary over HTTP
// with durable acknowledgements, from a client in another process, into an S3
// sink in a third one that discards bodies, so that CPU seconds and memory are
// strm's own. Beside each figure stands the floor, taken in the same run: one
// Go process that reads the same file, checks each line's JSON, compresses
// with gzip level 1 and PUTs to the same sink, with no HTTP intake, no fsync and no
// ledger. It also measures what a thousand exporters without events cost.
//
//	go run ./test/bench -check
package main
