package sns

import (
	"net/url"
	"regexp"
	"strings"

	"strm/internal/notice"
	"strm/internal/problem"
)

// certPath is where SNS keeps its certificates.
var certPath = regexp.MustCompile(`^/SimpleNotificationService-[0-9a-fA-F]{8,64}\.pem$`)

// host returns the only host that may be asked about a topic. To build it and
// compare leaves no room for hosts that merely look like it.
func host(t notice.Topic) string {
	h := "sns." + t.Region + ".amazonaws.com"
	if t.Partition == "aws-cn" {
		h += ".cn"
	}
	return h
}

// checkCertURL refuses to fetch a certificate from anywhere but the topic's SNS.
// The URL must be exactly scheme, host and path, so that nothing in it can mean
// something else to another reader.
func checkCertURL(raw string, t notice.Topic) error {
	path, ok := strings.CutPrefix(raw, "https://"+host(t))
	if !ok || !certPath.MatchString(path) {
		return problem.New(problem.Forbidden, "SigningCertURL is not that of a certificate on https://%s", host(t))
	}
	return nil
}

// checkSubscribeURL refuses to visit anything but the confirmation of this
// message's topic with its token.
func checkSubscribeURL(e *notice.Envelope, t notice.Topic) error {
	rest, ok := strings.CutPrefix(e.SubscribeURL, "https://"+host(t))
	query, simple := strings.CutPrefix(strings.TrimPrefix(rest, "/"), "?")
	if !ok || !simple || strings.Contains(query, "#") {
		return problem.New(problem.Forbidden, "SubscribeURL does not lead to https://%s/?...", host(t))
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return problem.New(problem.Forbidden, "the query of SubscribeURL cannot be read")
	}
	for name, want := range map[string]string{"Action": "ConfirmSubscription", "TopicArn": e.TopicARN, "Token": e.Token} {
		if v := q[name]; len(v) != 1 || v[0] != want || want == "" {
			return problem.New(problem.Forbidden, "SubscribeURL does not confirm this topic's subscription: its %s is wrong", name)
		}
	}
	return nil
}
