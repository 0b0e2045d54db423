package sqs

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"strm/internal/problem"
)

// place is where a queue is.
type place struct {
	endpoint string // what the client asks
	region   string
	arn      string // for messages to people; empty where the URL does not tell
}

var (
	modern  = regexp.MustCompile(`^sqs(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$`)
	private = regexp.MustCompile(`^vpce-[a-z0-9-]+\.sqs\.([a-z0-9-]+)\.vpce\.amazonaws\.com(?:\.cn)?$`)
	legacy  = regexp.MustCompile(`^(?:([a-z0-9-]+)\.)?queue\.amazonaws\.com(?:\.cn)?$`)
	named   = regexp.MustCompile(`^/([0-9]{12})/([A-Za-z0-9_-]{1,80}(?:\.fifo)?)$`)
)

// anyRegion is for services that do not know regions.
const anyRegion = "us-east-1"

// CheckURL refuses what cannot be the URL of a queue. Kind Invalid.
func CheckURL(queueURL string) error {
	_, err := locate(queueURL, "")
	return err
}

// locate reads the URL of a queue. What it says of the region counts more than
// the region that was given for want of a better one.
func locate(queueURL, region string) (place, error) {
	u, err := url.Parse(queueURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Trim(u.Path, "/") == "" {
		return place{}, problem.New(problem.Invalid, "the queue's URL does not look like https://sqs.us-east-1.amazonaws.com/123456789012/name")
	}
	host := strings.ToLower(u.Hostname())
	aws := strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
	if aws && u.Scheme != "https" {
		return place{}, problem.New(problem.Invalid, "the queue's URL must begin with https://: what is sent there could be read on the way")
	}
	p := place{endpoint: u.Scheme + "://" + u.Host, region: region}
	switch {
	case modern.MatchString(host):
		p.region = modern.FindStringSubmatch(host)[1]
	case private.MatchString(host):
		p.region = private.FindStringSubmatch(host)[1]
	case legacy.MatchString(host):
		if p.region = legacy.FindStringSubmatch(host)[1]; p.region == "" {
			p.region = anyRegion
		}
		// The old names do not speak what the SDK speaks.
		p.endpoint = "https://" + strings.Replace(host, legacyName(host), "sqs."+p.region, 1)
	}
	if p.region == "" {
		p.region = anyRegion
	}
	if m := named.FindStringSubmatch(u.Path); m != nil {
		p.arn = fmt.Sprintf("arn:%s:sqs:%s:%s:%s", partition(p.region), p.region, m[1], m[2])
	}
	return p, nil
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
