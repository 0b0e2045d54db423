// Package s3 keeps objects in Amazon S3 and stores that speak its protocol.
//
// An object is one PutObject with "If-None-Match: *", a precomputed CRC-32 and
// an unsigned payload: no multipart, no trailer, no chunked encoding, so
// s3:PutObject is the only permission it needs and every compatible store
// understands it. The SDK makes one attempt; what a failure may have left
// behind is told by objstore.Error, see classify.go.
package s3
