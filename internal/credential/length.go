package credential

import "strm/internal/problem"

// How long an access key id of AWS, and its secret, may be.
const (
	MinAWSKey = 16
	MaxAWSKey = 128
)

// CheckAWSKey refuses what is too short or too long for an access key id of AWS
// or its secret. Other stores may have shorter ones. name is what the user calls
// it; the value is in no error.
func CheckAWSKey(name, value string) error {
	if n := len(value); n < MinAWSKey || n > MaxAWSKey {
		return problem.New(problem.Invalid, "%s has %d characters; it must have %d to %d", name, n, MinAWSKey, MaxAWSKey)
	}
	return nil
}

// CheckAWS refuses a credential whose keys cannot be AWS's.
func (c Credential) CheckAWS() error {
	if c.Shape == AmbientAWS {
		return nil
	}
	if err := CheckAWSKey("the access key id", c.AccessKeyID); err != nil {
		return problem.New(problem.Invalid, "%w on AWS; for another store give its endpoint", err)
	}
	if err := CheckAWSKey("the secret access key", c.SecretAccessKey); err != nil {
		return problem.New(problem.Invalid, "%w on AWS; for another store give its endpoint", err)
	}
	return nil
}
