package snsdouble

import (
	"strings"
	"time"
)

// Forgery is a message that no receiver may take, and must not want again.
type Forgery struct {
	Name    string
	Message Message
}

// Forgeries returns messages of a topic that are all wrong in one thing alone.
// text is what they would say if they were right. To refuse them no host but
// Host may be asked for anything.
func (d *Double) Forgeries(topic, text string) []Forgery {
	var list []Forgery
	add := func(name string, change func(*Message)) {
		m := Message{Topic: topic, Text: text, Version: 2}
		change(&m)
		list = append(list, Forgery{name, m})
	}
	after := func(field string, value any) func(*Message) {
		return func(m *Message) { m.After = func(f map[string]any) { f[field] = value } }
	}
	before := func(field string, value any) func(*Message) {
		return func(m *Message) { m.Before = func(f map[string]any) { f[field] = value } }
	}
	certificate := func(url string) func(*Message) { return func(m *Message) { m.CertURL = url } }
	path := certPath(Good)
	other := strings.TrimSuffix(topic, topic[strings.LastIndex(topic, ":"):]) + ":other"

	add("changed message", after("Message", strings.Replace(text, "a", "b", 1)+" "))
	add("changed id", after("MessageId", "165545c9-2a5c-472c-8df2-000000000000"))
	add("changed time", after("Timestamp", time.Now().Add(time.Minute).UTC().Format(time.RFC3339)))
	add("subject added", after("Subject", ""))
	add("subject removed", func(m *Message) {
		s := "Amazon S3 Notification"
		m.Subject, m.After = &s, func(f map[string]any) { delete(f, "Subject") }
	})
	add("topic swapped in", func(m *Message) { m.Topic, m.After = other, func(f map[string]any) { f["TopicArn"] = topic } })
	add("type swapped to a confirmation", func(m *Message) {
		m.After = func(f map[string]any) {
			f["Type"], f["Token"] = Subscription, "t"
			f["SubscribeURL"] = "https://" + d.Host() + "/?Action=ConfirmSubscription&Token=t&TopicArn=" + topic
		}
	})
	add("other topic", func(m *Message) { m.Topic = other })
	add("no topic", before("TopicArn", ""))
	add("unknown type", before("Type", "Something"))

	add("no signature", func(m *Message) { m.After = func(f map[string]any) { delete(f, "Signature") } })
	add("empty signature", after("Signature", ""))
	add("signature is no base64", after("Signature", "!!"))
	add("signature of nobody", after("Signature", strings.Repeat("QUFB", 85)+"QQ=="))
	add("version 3", after("SignatureVersion", "3"))
	add("no version", func(m *Message) { m.After = func(f map[string]any) { delete(f, "SignatureVersion") } })
	add("version 2 called 1", after("SignatureVersion", "1"))
	add("rogue key", func(m *Message) { m.Signer, m.CertURL = Rogue, d.CertURL(Good) })
	add("rogue key with its certificate", func(m *Message) { m.Signer = Rogue })
	add("somebody else's certificate", func(m *Message) { m.Signer = OtherName })
	add("certificate without an RSA key", certificate(d.CertURL(Elliptic)))
	add("certificate in the body", func(m *Message) {
		m.Signer, m.CertURL = Rogue, d.CertURL(Good)
		m.After = func(f map[string]any) { f["SigningCert"] = string(d.ca.pems[Rogue]) }
	})

	add("no certificate URL", func(m *Message) { m.After = func(f map[string]any) { delete(f, "SigningCertURL") } })
	add("certificate over http", certificate("http://"+d.Host()+path))
	add("certificate at sns....evil.test", certificate("https://"+d.Host()+".evil.test"+path))
	add("certificate at evil.test/sns...", certificate("https://evil.test/"+d.Host()+path))
	add("certificate at sns...@evil.test", certificate("https://"+d.Host()+"@evil.test"+path))
	add("certificate with user", certificate("https://user@"+d.Host()+path))
	add("certificate at a port", certificate("https://"+d.Host()+":443"+path))
	add("certificate in a bucket", certificate("https://bucket.s3.amazonaws.com"+path))
	add("certificate in another region", certificate("https://sns.eu-west-3.amazonaws.com"+path))
	add("certificate in China", certificate("https://"+d.Host()+".cn"+path))
	add("certificate with query", certificate("https://"+d.Host()+path+"?a"))
	add("certificate with fragment", certificate("https://"+d.Host()+path+"#"))
	add("certificate is no .pem", certificate("https://"+d.Host()+strings.TrimSuffix(path, ".pem")))
	add("certificate in a folder", certificate("https://"+d.Host()+"/x/.."+path))
	add("certificate by address", certificate("https://169.254.169.254"+path))
	add("certificate with backslash", certificate(`https://evil.test\@`+d.Host()+path))
	add("certificate with line break", certificate("https://"+d.Host()+path+"\n"))

	add("stale", func(m *Message) { m.At = time.Now().Add(-2*time.Hour - time.Minute) })
	add("of the future", func(m *Message) { m.At = time.Now().Add(6 * time.Minute) })
	add("without a time", before("Timestamp", "yesterday"))
	add("not JSON", func(m *Message) { m.Raw, m.NoHeader, m.Text = true, true, "hello" })
	add("not an object", func(m *Message) { m.Raw, m.NoHeader, m.Text = true, true, "[]" })
	add("raw", func(m *Message) { m.Raw = true })
	add("raw without header", func(m *Message) { m.Raw, m.NoHeader = true, true })

	for _, f := range []struct{ name, url string }{
		{"confirmation of another topic", "https://" + d.Host() + "/?Action=ConfirmSubscription&Token=t&TopicArn=" + other},
		{"confirmation that unsubscribes", "https://" + d.Host() + "/?Action=Unsubscribe&Token=t&TopicArn=" + topic},
		{"confirmation elsewhere", "https://evil.test/?Action=ConfirmSubscription&Token=t&TopicArn=" + topic},
		{"confirmation over http", "http://" + d.Host() + "/?Action=ConfirmSubscription&Token=t&TopicArn=" + topic},
		{"confirmation with another token", "https://" + d.Host() + "/?Action=ConfirmSubscription&Token=u&TopicArn=" + topic},
		{"confirmation with two topics", "https://" + d.Host() + "/?Action=ConfirmSubscription&Token=t&TopicArn=" + topic + "&TopicArn=" + other},
		{"confirmation at a path", "https://" + d.Host() + "/x?Action=ConfirmSubscription&Token=t&TopicArn=" + topic},
	} {
		add(f.name, func(m *Message) {
			m.Type, m.Token, m.Before = Subscription, "t", func(m map[string]any) { m["SubscribeURL"] = f.url }
		})
	}
	add("unsigned confirmation", func(m *Message) {
		m.Type, m.Token = Subscription, d.NewToken(topic)
		m.After = func(f map[string]any) { delete(f, "Signature") }
	})
	return list
}
