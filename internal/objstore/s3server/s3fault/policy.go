package s3fault

import "strings"

// Policy says what is permitted.
type Policy func(Request) bool

// LeastPrivilege is the policy the vendor's pages ask for: s3:GetBucketLocation
// on the bucket, s3:PutObject on bucket/prefix/*suffix, nothing else. As in
// IAM, the star matches slashes too; without prefix it begins at the root.
func LeastPrivilege(bucket, prefix, suffix string) Policy {
	if prefix != "" {
		prefix += "/"
	}
	return func(r Request) bool {
		if r.Bucket != bucket {
			return false
		}
		switch r.Action {
		case "s3:GetBucketLocation":
			return true
		case "s3:PutObject":
			return len(r.Key) >= len(prefix)+len(suffix) &&
				strings.HasPrefix(r.Key, prefix) && strings.HasSuffix(r.Key, suffix)
		}
		return false
	}
}
