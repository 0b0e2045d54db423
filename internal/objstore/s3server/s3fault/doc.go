// Package s3fault stands before an S3 endpoint in tests: it records requests,
// enforces a least-privilege policy to the letter and injects faults, chosen by
// a function or by seeded probabilities. It understands path-style requests.
package s3fault
