package notice

import (
	"encoding/json"
	"time"

	"strm/internal/problem"
)

// Type is the type of an SNS message.
type Type string

// The types that SNS posts.
const (
	TypeNotification   Type = "Notification"
	TypeSubscription   Type = "SubscriptionConfirmation"
	TypeUnsubscription Type = "UnsubscribeConfirmation"
)

// Envelope is an SNS message as it is posted to an endpoint or put into a queue.
// The values are as SNS signed them, decoded from JSON and not touched since.
type Envelope struct {
	Type      Type
	MessageID string
	TopicARN  string
	Message   string  // for S3 events their JSON, for Parse
	Subject   *string // nil if there is none, which is signed otherwise than an empty one
	Timestamp string

	SignatureVersion string
	Signature        string // base64
	SigningCertURL   string

	SubscribeURL string // of the confirmations
	Token        string // likewise
}

// ParseEnvelope reads an SNS message. Field names count as they are spelled:
// what a lenient reader would take for a field is not signed. Errors have kind Invalid.
func ParseEnvelope(body []byte) (Envelope, error) {
	fields, err := object(body)
	if err != nil {
		return Envelope{}, err
	}
	return envelope(fields)
}

func envelope(fields map[string]json.RawMessage) (Envelope, error) {
	var e Envelope
	var subject string
	for _, f := range []struct {
		name string
		into *string
	}{
		{"Type", (*string)(&e.Type)}, {"MessageId", &e.MessageID}, {"TopicArn", &e.TopicARN}, {"Message", &e.Message}, {"Subject", &subject},
		{"Timestamp", &e.Timestamp}, {"SignatureVersion", &e.SignatureVersion}, {"Signature", &e.Signature}, {"SigningCertURL", &e.SigningCertURL},
		{"SubscribeURL", &e.SubscribeURL}, {"Token", &e.Token},
	} {
		raw, ok := fields[f.name]
		if !ok || string(raw) == "null" {
			continue
		}
		if err := json.Unmarshal(raw, f.into); err != nil {
			return Envelope{}, problem.New(problem.Invalid, "%s of the SNS message is not a string", f.name)
		}
		if f.name == "Subject" {
			e.Subject = &subject
		}
	}
	if e.Type == "" {
		return Envelope{}, problem.New(problem.Invalid, "the message is not from SNS: it has no Type")
	}
	return e, nil
}

// At returns when the message was published, as it says itself. Kind Invalid.
func (e *Envelope) At() (time.Time, error) {
	at, err := time.Parse(time.RFC3339, e.Timestamp)
	if err != nil {
		return time.Time{}, problem.New(problem.Invalid, "the Timestamp of the SNS message is no time")
	}
	return at.UTC(), nil
}

// StringToSign returns the bytes that SNS signs, for a message of one of the
// known types: names and values of its fields, each with a newline, in the order
// of the names.
func (e *Envelope) StringToSign() []byte {
	subject, present := "", e.Subject != nil
	if present {
		subject = *e.Subject
	}
	confirms := e.Type != TypeNotification
	var b []byte
	for _, f := range []struct {
		name, value string
		signed      bool
	}{
		{"Message", e.Message, true},
		{"MessageId", e.MessageID, true},
		{"Subject", subject, !confirms && present},
		{"SubscribeURL", e.SubscribeURL, confirms},
		{"Timestamp", e.Timestamp, true},
		{"Token", e.Token, confirms},
		{"TopicArn", e.TopicARN, true},
		{"Type", string(e.Type), true},
	} {
		if f.signed {
			b = append(append(b, f.name...), '\n')
			b = append(append(b, f.value...), '\n')
		}
	}
	return b
}

// Unwrap returns what S3 says in a message of a queue, for Parse: the body is that
// already (S3 to SQS, or SNS with raw delivery), or an SNS notification that
// holds it; then topicARN says of which topic. The kind is told by the body, which
// may change at any time. Errors have kind Invalid.
func Unwrap(body []byte) (message []byte, topicARN string, err error) {
	fields, err := object(body)
	if err != nil {
		return nil, "", err
	}
	if isNotice(fields) {
		return body, "", nil
	}
	e, err := envelope(fields)
	switch {
	case err != nil:
		return nil, "", problem.New(problem.Invalid, "the message is neither from S3 nor from SNS")
	case e.Type != TypeNotification:
		return nil, "", problem.New(problem.Invalid, "the message is an SNS message of type %q, not a notification", short(string(e.Type)))
	case e.Message == "":
		return nil, "", problem.New(problem.Invalid, "the SNS notification has no Message")
	}
	return []byte(e.Message), e.TopicARN, nil
}
