// Package s3double is a strict S3 server for crash tests: one bucket in
// memory, PutObject with If-None-Match, GetObject with If-Match, HeadObject, ListObjectsV2,
// HeadBucket and GetBucketLocation, nothing else. It keeps the rules that
// exactly-once delivery stands on and notes every breach of them: a key
// written a second time with other bytes, a request that an exporter has no
// business to make. A Faults layer in front of it loses answers, drops,
// delays, refuses and resets by a seeded schedule.
//
// It is a double: what it shows about S3 itself it shows only as far as it was
// written right. The integration tests use an independent server.
package s3double
