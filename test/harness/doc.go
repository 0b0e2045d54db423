// Package harness drives the real strm binary from outside: it builds it,
// starts, stops and kills the server, runs CLI commands against it and posts
// events. It knows the names a user knows and nothing of strm's inside, so the
// proofs that stand on it hold for the program that ships.
package harness
