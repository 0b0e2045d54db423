package notice

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"strm/internal/problem"
)

// Queue is where an SQS queue is.
type Queue struct {
	Endpoint string // scheme and host that a client asks
	Region   string
	ARN      string // empty where the URL does not tell
}

var (
	modern  = regexp.MustCompile(`^sqs(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$`)
	private = regexp.MustCompile(`^vpce-[a-z0-9-]+\.sqs\.([a-z0-9-]+)\.vpce\.amazonaws\.com(?:\.cn)?$`)
	legacy  = regexp.MustCompile(`^(?:([a-z0-9-]+)\.)?queue\.amazonaws\.com(?:\.cn)?$`)
	path    = regexp.MustCompile(`^/([^/]+/)*[A-Za-z0-9_-]{1,80}(\.fifo)?$`)
	named   = regexp.MustCompile(`^/([0-9]{12})/([A-Za-z0-9_-]{1,80}(?:\.fifo)?)$`)
)

// anyRegion is for services that do not know regions.
const anyRegion = "us-east-1"

// maxQueueURL is the longest URL of a queue in bytes.
const maxQueueURL = 2048

// ParseQueue reads the URL of an SQS queue, or of something that speaks as SQS
// does. What it says of the region counts more than the region that is given for
// want of a better one. Kind Invalid.
func ParseQueue(queueURL, region string) (Queue, error) {
	u, err := url.Parse(queueURL)
	if err != nil || len(queueURL) > maxQueueURL || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !path.MatchString(u.Path) {
		return Queue{}, problem.New(problem.Invalid, "the queue must be the URL of an SQS queue, such as https://sqs.eu-west-1.amazonaws.com/123456789012/NAME")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return Queue{}, problem.New(problem.Invalid, "the URL of the queue must have no user, password, query or fragment")
	}
	host := strings.ToLower(u.Hostname())
	aws := strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
	if aws && u.Scheme != "https" {
		return Queue{}, problem.New(problem.Invalid, "the queue's URL begins with http://: credentials go to AWS by https only")
	}
	q := Queue{Endpoint: u.Scheme + "://" + u.Host, Region: region}
	switch {
	case modern.MatchString(host):
		q.Region = modern.FindStringSubmatch(host)[1]
	case private.MatchString(host):
		q.Region = private.FindStringSubmatch(host)[1]
	case legacy.MatchString(host):
		if q.Region = legacy.FindStringSubmatch(host)[1]; q.Region == "" {
			q.Region = anyRegion
		}
		// The old names do not speak what the SDK speaks.
		q.Endpoint = "https://" + strings.Replace(host, legacyName(host), "sqs."+q.Region, 1)
	}
	if q.Region == "" {
		q.Region = anyRegion
	}
	if m := named.FindStringSubmatch(u.Path); m != nil {
		q.ARN = fmt.Sprintf("arn:%s:sqs:%s:%s:%s", partition(q.Region), q.Region, m[1], m[2])
	}
	return q, nil
}

// legacyName is what of an old host stands before ".amazonaws.com".
func legacyName(host string) string {
	name, _, _ := strings.Cut(host, ".amazonaws.com")
	return name
}

func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
