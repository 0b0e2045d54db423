// Command cluster shows that several nodes of strm deliver exactly once while
// they, and everything that they stand on, are being broken. It runs the real
// binary as three nodes on a real Apache Kafka of three brokers and a real
// PostgreSQL, behind a load balancer, and sends events through any node: with
// idempotency keys, without, and as Segment's SDKs do, with ids. In random order
// nodes are killed, stopped in good order, or paused past their lease and woken
// up; brokers are killed; PostgreSQL is restarted; a node's way to S3 is cut,
// blocked or slow. In the end everything is healed, and for each exporter the
// multiset of ids that were acknowledged is compared with that in the bucket,
// and the ledger with both. The longest time without a delivery, while events
// arrive, must stay within a bound.
//
//	go run ./test/cluster -rounds 100 -seed 1
//	go run ./test/cluster -migrate -rounds 5
//
// With -migrate it begins as one node with its own log, under the same load. That
// is stopped, or killed, moved with strm migrate, and goes on as the cluster.
//
// The seed fixes what is broken when, and what is sent; the interleaving is the
// machine's.
package main
