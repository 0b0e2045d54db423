// Package notice reads what AWS says when objects are created in a bucket: S3
// event notifications, bare or in an SNS envelope; and the names of the topics and
// queues that carry it. It does no I/O and proves nothing: who sent a notice is
// settled by whoever received it.
package notice
