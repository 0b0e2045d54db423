// Package integration proves strm against parts that are not ours: versitygw
// with its IAM server as S3, Ceph's radosgw and moto for what it does not know
// (conditions, roles, encryption), the AWS CLI and boto3 as the other pair of
// eyes, a public data set as input, Python as the judge of the output, and the
// vendors' own clients, in Chromium too, as senders. All of them run as separate
// processes on loopback; install.sh fetches them, pinned.
//
// A refusal proves nothing by itself: beside each, the same request is allowed
// to somebody else, or later. What no independent server enforces (a role's
// external id when it is missing, kms:GenerateDataKey, the end of sessions) is
// tested with an emulator of our own in test/access, whose tests say so.
//
// Tests wait for strm to try again by itself, so they run side by side. They
// need the build tag integration:
//
//	go test -tags integration -parallel 8 -timeout 30m ./test/integration
package integration
