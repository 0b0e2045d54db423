package sns

import (
	"net/url"
	"testing"

	"strm/internal/notice"
)

func TestHost(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:sns:us-east-1:123456789012:t":            "sns.us-east-1.amazonaws.com",
		"arn:aws:sns:ap-southeast-7:123456789012:t":       "sns.ap-southeast-7.amazonaws.com", // no list of regions
		"arn:aws-us-gov:sns:us-gov-west-1:123456789012:t": "sns.us-gov-west-1.amazonaws.com",
		"arn:aws-cn:sns:cn-north-1:123456789012:t":        "sns.cn-north-1.amazonaws.com.cn",
	} {
		topic, err := notice.ParseTopic(arn)
		if err != nil || host(topic) != want {
			t.Errorf("%s: %s, %v", arn, host(topic), err)
		}
	}
	for _, arn := range []string{
		"", "t", "arn:aws:sns:us-east-1:123456789012", "arn:aws:sqs:us-east-1:123456789012:t", "arn:aws:sns:us-east-1.evil.test/:123456789012:t",
		"arn:aws:sns:us-east-1:123456789012:t:sub", "arn:aws:sns:US:123456789012:t", "arn:aws:sns:us-east-1:12:t", "arn:aws:sns:us-east-1:123456789012:t\n", "arn:evil:sns:us-east-1:123456789012:t",
	} {
		if topic, err := notice.ParseTopic(arn); err == nil {
			t.Errorf("%s: %+v", arn, topic)
		}
	}
}

// FuzzCertURL holds the rule against another reader of URLs.
func FuzzCertURL(f *testing.F) {
	for _, s := range []string{
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
		"https://sns.us-east-1.amazonaws.com@evil.test/SimpleNotificationService-0123456789abcdef.pem",
		"https://sns.us-east-1.amazonaws.com:443/SimpleNotificationService-0123456789abcdef.pem?x#y",
	} {
		f.Add(s)
	}
	topic := notice.Topic{Partition: "aws", Region: "us-east-1"}
	f.Fuzz(func(t *testing.T, s string) {
		if checkCertURL(s, topic) != nil {
			return
		}
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" || u.Host != "sns.us-east-1.amazonaws.com" || u.Hostname() != u.Host || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || !certPath.MatchString(u.EscapedPath()) {
			t.Fatalf("%q: %+v, %v", s, u, err)
		}
	})
}
