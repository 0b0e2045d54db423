// Command crash shows that strm delivers exactly once while it is being
// killed. It runs the real binary, sends it events from several senders that
// retry, repeat and give up as careless clients do, spoils the S3 path with
// seeded faults, kills the server with SIGKILL at random moments, and in the
// end compares, exporter by exporter, the multiset of ids that were
// acknowledged with the multiset of ids in the bucket. All the while it puts
// Parquet files into the bucket that an importer lists, some of them in the place
// of others, and compares in the end their rows with the events, and with what
// the status reports say of them.
//
//	go run ./test/crash -rounds 200 -seed 1
//
// The seed fixes what is sent, which faults occur and when the kills come; the
// interleaving is the machine's, so a replay with the same seed is likely to
// fail again, not certain to.
package main
