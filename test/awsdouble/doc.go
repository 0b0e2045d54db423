// Package awsdouble is a small AWS in one process for tests of permissions: S3,
// STS and the say of KMS, behind one address. It verifies SigV4 signatures and
// decides every request by identity policies, bucket policies, key policies and
// trust policies, with the accounts they belong to; sessions of roles end.
//
// It was written from AWS's documentation by the same hands as strm. What a
// test shows with it alone it shows only as far as it was written right: such
// tests say so by their names ("OwnEmulatorOnly"). To be honest in its way, it
// refuses every part of the policy language that it does not know.
package awsdouble
