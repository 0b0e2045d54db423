package notice_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"strm/internal/notice"
	"strm/internal/problem"
)

// envelopes are messages and the strings that SNS signs for them, written out by
// hand from its documentation.
var envelopes = map[string]struct{ body, signed string }{
	"notification": {
		`{"Type":"Notification","MessageId":"m-1","TopicArn":"arn:aws:sns:us-east-1:123456789012:t","Subject":"Amazon S3 Notification","Message":"{\"Records\":[]}",
		"Timestamp":"2026-11-20T08:00:00.000Z","SignatureVersion":"1","Signature":"c2ln","SigningCertURL":"https://sns.us-east-1.amazonaws.com/x.pem","UnsubscribeURL":"https://u/"}`,
		"Message\n{\"Records\":[]}\nMessageId\nm-1\nSubject\nAmazon S3 Notification\nTimestamp\n2026-11-20T08:00:00.000Z\nTopicArn\narn:aws:sns:us-east-1:123456789012:t\nType\nNotification\n",
	},
	"no subject": {
		`{"Type":"Notification","MessageId":"m-1","TopicArn":"t","Message":"x","Timestamp":"T"}`,
		"Message\nx\nMessageId\nm-1\nTimestamp\nT\nTopicArn\nt\nType\nNotification\n",
	},
	"null subject": {
		`{"Type":"Notification","MessageId":"m-1","TopicArn":"t","Subject":null,"Message":"x","Timestamp":"T"}`,
		"Message\nx\nMessageId\nm-1\nTimestamp\nT\nTopicArn\nt\nType\nNotification\n",
	},
	"empty subject": {
		`{"Type":"Notification","MessageId":"m-1","TopicArn":"t","Subject":"","Message":"x","Timestamp":"T"}`,
		"Message\nx\nMessageId\nm-1\nSubject\n\nTimestamp\nT\nTopicArn\nt\nType\nNotification\n",
	},
	"values as decoded": {
		`{"Type":"Notification","MessageId":"m-1","TopicArn":"t","Message":"two\nlines \"quoted\" \u00fc \u2028 \u003c \ud83d\ude00 \/","Timestamp":"2026-11-20T08:00:00.000+00:00","MessageAttributes":{"a":{"Type":"String","Value":"v"}}}`,
		"Message\ntwo\nlines \"quoted\" ü \u2028 < 😀 /\nMessageId\nm-1\nTimestamp\n2026-11-20T08:00:00.000+00:00\nTopicArn\nt\nType\nNotification\n",
	},
	"names as spelled": {
		`{"Type":"Notification","MessageId":"m-1","messageid":"m-2","TopicArn":"t","Message":"x","message":"y","SUBJECT":"z","Timestamp":"T"}`,
		"Message\nx\nMessageId\nm-1\nTimestamp\nT\nTopicArn\nt\nType\nNotification\n",
	},
	"confirmation": {
		`{"Type":"SubscriptionConfirmation","MessageId":"m-1","Token":"2336","TopicArn":"t","Message":"You have chosen","SubscribeURL":"https://s/?a=b&c=d","Timestamp":"T","Subject":"not signed"}`,
		"Message\nYou have chosen\nMessageId\nm-1\nSubscribeURL\nhttps://s/?a=b&c=d\nTimestamp\nT\nToken\n2336\nTopicArn\nt\nType\nSubscriptionConfirmation\n",
	},
	"unsubscription": {
		`{"Type":"UnsubscribeConfirmation","MessageId":"m-1","Token":"2336","TopicArn":"t","Message":"You have","SubscribeURL":"https://s/","Timestamp":"T"}`,
		"Message\nYou have\nMessageId\nm-1\nSubscribeURL\nhttps://s/\nTimestamp\nT\nToken\n2336\nTopicArn\nt\nType\nUnsubscribeConfirmation\n",
	},
}

func TestStringToSign(t *testing.T) {
	for name, tt := range envelopes {
		e, err := notice.ParseEnvelope([]byte(tt.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := string(e.StringToSign()); got != tt.signed {
			t.Errorf("%s: %q, want %q", name, got, tt.signed)
		}
	}
}

func TestEnvelopeThatIsNone(t *testing.T) {
	for _, body := range []string{``, `null`, `[]`, `{}`, `{"type":"Notification"}`, `{"Type":7}`, `{"Type":"Notification","Message":{"Records":[]}}`, `{"Type":"Notification","Subject":1}`, `not JSON`} {
		if _, err := notice.ParseEnvelope([]byte(body)); err == nil || problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestUnwrap(t *testing.T) {
	quoted, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	test := `{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`
	for body, want := range map[string]struct{ message, topic string }{
		whole: {whole, ""},
		test:  {test, ""},
		`{"Type":"Notification","TopicArn":"arn:t","Message":` + string(quoted) + `}`: {whole, "arn:t"},
		// Once: what is in an envelope in an envelope is for Parse to refuse.
		`{"Type":"Notification","TopicArn":"arn:t","Message":"{\"Type\":\"Notification\"}"}`: {`{"Type":"Notification"}`, "arn:t"},
	} {
		message, topic, err := notice.Unwrap([]byte(body))
		if err != nil || string(message) != want.message || topic != want.topic {
			t.Errorf("%s: %s, %s, %v", body, message, topic, err)
		}
	}
	for _, body := range []string{``, `{}`, `[1]`, `hello`, `{"Type":"SubscriptionConfirmation","Message":"m"}`, `{"Type":"Notification"}`, `{"Type":"Notification","Message":""}`, `{"Type":"Notification","Message":{"Records":[]}}`, `{"Records":"none"}`} {
		if m, _, err := notice.Unwrap([]byte(body)); err == nil || problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %s, %v", body, m, err)
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	for _, e := range envelopes {
		f.Add([]byte(e.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := notice.ParseEnvelope(body)
		if err != nil {
			if problem.KindOf(err) != problem.Invalid {
				t.Fatal(err)
			}
			return
		}
		s := e.StringToSign()
		if !bytes.HasPrefix(s, []byte("Message\n"+e.Message+"\nMessageId\n")) || !bytes.HasSuffix(s, []byte("\nTopicArn\n"+e.TopicARN+"\nType\n"+string(e.Type)+"\n")) {
			t.Fatalf("%q", s)
		}
	})
}

func FuzzUnwrap(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(`{"Type":"Notification","Message":"{\"Records\":[]}"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		message, _, err := notice.Unwrap(body)
		if err == nil && len(message) == 0 {
			t.Fatal("nothing in it")
		}
		if err == nil {
			_, err = notice.Parse(message)
		}
		if err != nil && problem.KindOf(err) != problem.Invalid {
			t.Fatal(err)
		}
	})
}
