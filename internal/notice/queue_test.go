package notice_test

import (
	"testing"

	"strm/internal/notice"
	"strm/internal/problem"
)

func TestParseQueue(t *testing.T) {
	for url, want := range map[string]notice.Queue{
		"https://sqs.eu-west-1.amazonaws.com/123456789012/q":                 {"https://sqs.eu-west-1.amazonaws.com", "eu-west-1", "arn:aws:sqs:eu-west-1:123456789012:q"},
		"https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/q":        {"https://sqs-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:q"},
		"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q":             {"https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1", "arn:aws-cn:sqs:cn-north-1:123456789012:q"},
		"https://vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com/123456789012/q": {"https://vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com", "eu-west-1", "arn:aws:sqs:eu-west-1:123456789012:q"},
		"https://eu-west-1.queue.amazonaws.com/123456789012/q.fifo":          {"https://sqs.eu-west-1.amazonaws.com", "eu-west-1", "arn:aws:sqs:eu-west-1:123456789012:q.fifo"},
		"https://queue.amazonaws.com/123456789012/q":                         {"https://sqs.us-east-1.amazonaws.com", "us-east-1", "arn:aws:sqs:us-east-1:123456789012:q"},
		"http://127.0.0.1:9324/queue/default":                                {"http://127.0.0.1:9324", "ap-south-1", ""},
		"http://localhost:5000/123456789012/q":                               {"http://localhost:5000", "ap-south-1", "arn:aws:sqs:ap-south-1:123456789012:q"},
	} {
		got, err := notice.ParseQueue(url, "ap-south-1")
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
	if got, err := notice.ParseQueue("http://localhost:5000/1/q", ""); err != nil || got.Region != "us-east-1" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatIsNoQueue(t *testing.T) {
	for _, good := range []string{"https://sqs.eu-west-1.amazonaws.com/123456789012/fme", "http://127.0.0.1:9324/queue/default", "https://localhost/000000000000/q", "https://queue.amazonaws.com/123456789012/q"} {
		if _, err := notice.ParseQueue(good, ""); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "fme-events", "arn:aws:sqs:eu-west-1:123456789012:fme", "https://sqs.eu-west-1.amazonaws.com", "https://sqs.eu-west-1.amazonaws.com/", "http://sqs.eu-west-1.amazonaws.com/123456789012/q",
		"https://user:pw@host/1/q", "https://host/1/q?x=y", "ftp://host/1/q", "https://host/1/q#f", "https:///1/q", "http://sqs.cn-north-1.amazonaws.com.cn/1/q"} {
		if _, err := notice.ParseQueue(bad, ""); err == nil || problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
