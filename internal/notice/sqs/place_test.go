package sqs

import "testing"

func TestLocate(t *testing.T) {
	for url, want := range map[string]place{
		"https://sqs.eu-west-1.amazonaws.com/123456789012/q":                 {"https://sqs.eu-west-1.amazonaws.com", "eu-west-1", "arn:aws:sqs:eu-west-1:123456789012:q"},
		"https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/q":        {"https://sqs-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:q"},
		"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q":             {"https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1", "arn:aws-cn:sqs:cn-north-1:123456789012:q"},
		"https://vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com/123456789012/q": {"https://vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com", "eu-west-1", "arn:aws:sqs:eu-west-1:123456789012:q"},
		"https://eu-west-1.queue.amazonaws.com/123456789012/q.fifo":          {"https://sqs.eu-west-1.amazonaws.com", "eu-west-1", "arn:aws:sqs:eu-west-1:123456789012:q.fifo"},
		"https://queue.amazonaws.com/123456789012/q":                         {"https://sqs.us-east-1.amazonaws.com", "us-east-1", "arn:aws:sqs:us-east-1:123456789012:q"},
		"http://127.0.0.1:9324/queue/default":                                {"http://127.0.0.1:9324", "ap-south-1", ""},
		"http://localhost:5000/123456789012/q":                               {"http://localhost:5000", "ap-south-1", "arn:aws:sqs:ap-south-1:123456789012:q"},
	} {
		got, err := locate(url, "ap-south-1")
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
	if got, err := locate("http://localhost:5000/1/q", ""); err != nil || got.region != "us-east-1" {
		t.Errorf("%+v, %v", got, err)
	}
}
