// Package integration proves strm against parts that are not ours: versitygw
// with its IAM server as S3, the AWS CLI and boto3 as the other pair of eyes,
// a public data set as input, Python as the judge of the output, and the
// vendors' own clients, in Chromium too, as senders. All of them run as separate
// processes on loopback; install.sh fetches them, pinned. The tests need the
// build tag integration:
//
//	go test -tags integration -timeout 30m ./test/integration
package integration
