package snsdouble

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// The types of message.
const (
	Notification   = "Notification"
	Subscription   = "SubscriptionConfirmation"
	Unsubscription = "UnsubscribeConfirmation"
)

// Message is what a topic says. Zero fields are filled with what SNS would say.
type Message struct {
	Type     string // default Notification
	ID       string
	Topic    string
	Text     string
	Subject  *string
	Token    string // of the confirmations; Subscribe makes one
	At       time.Time
	Version  int         // of the signature: 1 (the default) or 2
	Signer   Certificate // whose key signs; default Good
	CertURL  string      // default that of Signer
	Before   func(fields map[string]any)
	After    func(fields map[string]any) // changes what is signed already
	Raw      bool                        // Text alone, without envelope and signature
	NoHeader bool                        // without the headers of SNS, as some emulators
}

// signed lists the signed fields of each type in their order.
var signed = map[string]string{
	Notification:   "Message MessageId Subject Timestamp TopicArn Type",
	Subscription:   "Message MessageId SubscribeURL Timestamp Token TopicArn Type",
	Unsubscription: "Message MessageId SubscribeURL Timestamp Token TopicArn Type",
}

// Body returns a message as it is posted.
func (d *Double) Body(m Message) ([]byte, error) {
	if m.Raw {
		return []byte(m.Text), nil
	}
	f := d.fields(m)
	if m.Before != nil {
		m.Before(f)
	}
	var text strings.Builder
	for _, name := range strings.Fields(signed[m.kind()]) {
		if v, ok := f[name]; ok {
			_, _ = fmt.Fprintf(&text, "%s\n%v\n", name, v) // a Builder takes everything
		}
	}
	signature, err := d.sign(m, text.String())
	if err != nil {
		return nil, err
	}
	f["Signature"] = signature
	if m.After != nil {
		m.After(f)
	}
	return json.Marshal(f)
}

func (m Message) kind() string {
	if m.Type == "" {
		return Notification
	}
	return m.Type
}

func (d *Double) fields(m Message) map[string]any {
	if m.At.IsZero() {
		m.At = time.Now()
	}
	if m.ID == "" {
		d.mu.Lock()
		d.next++
		m.ID = fmt.Sprintf("165545c9-2a5c-472c-8df2-%012d", d.next)
		d.mu.Unlock()
	}
	if m.Version == 0 {
		m.Version = 1
	}
	if m.CertURL == "" {
		m.CertURL = d.CertURL(m.signer())
	}
	f := map[string]any{
		"Type": m.kind(), "MessageId": m.ID, "TopicArn": m.Topic, "Message": m.Text, "Timestamp": m.At.UTC().Format("2006-01-02T15:04:05.000Z"),
		"SignatureVersion": fmt.Sprint(m.Version), "SigningCertURL": m.CertURL,
	}
	if m.Subject != nil {
		f["Subject"] = *m.Subject
	}
	if m.kind() == Notification {
		f["UnsubscribeURL"] = "https://" + d.Host() + "/?Action=Unsubscribe&SubscriptionArn=" + m.Topic + ":0"
		return f
	}
	f["Token"] = m.Token
	f["SubscribeURL"] = "https://" + d.Host() + "/?Action=ConfirmSubscription&TopicArn=" + url.QueryEscape(m.Topic) + "&Token=" + m.Token
	return f
}

func (m Message) signer() Certificate {
	if m.Signer == "" {
		return Good
	}
	return m.Signer
}

func (d *Double) sign(m Message, text string) (string, error) {
	key := d.ca.signing
	if c := m.signer(); c == Rogue || c == OtherName {
		key = d.ca.rogue
	}
	hash, digest := crypto.SHA1, []byte(nil)
	if m.Version == 2 {
		hash = crypto.SHA256
		sum := sha256.Sum256([]byte(text))
		digest = sum[:]
	} else {
		sum := sha1.Sum([]byte(text))
		digest = sum[:]
	}
	s, err := rsa.SignPKCS1v15(rand.Reader, key, hash, digest)
	return base64.StdEncoding.EncodeToString(s), err
}
