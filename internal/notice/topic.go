package notice

import (
	"regexp"

	"strm/internal/problem"
)

// Topic is the name of an SNS topic, taken apart.
type Topic struct {
	Partition string // "aws", "aws-cn", "aws-us-gov", ...
	Region    string
	Account   string
	Name      string
}

var topicARN = regexp.MustCompile(`^arn:(aws[a-z-]*):sns:([a-z0-9-]{3,40}):([0-9]{12}):([A-Za-z0-9_-]{1,256}(?:\.fifo)?)$`)

// ParseTopic reads the ARN of an SNS topic, for whoever configures one. Kind Invalid.
func ParseTopic(arn string) (Topic, error) {
	m := topicARN.FindStringSubmatch(arn)
	if m == nil {
		return Topic{}, problem.New(problem.Invalid, "topic %q is not the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:NAME", short(arn))
	}
	return Topic{Partition: m[1], Region: m[2], Account: m[3], Name: m[4]}, nil
}
