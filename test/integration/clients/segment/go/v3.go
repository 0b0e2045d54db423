package main

import (
	"fmt"
	"io"
	"log"

	"github.com/segmentio/analytics-go/v3"
)

// runV3 makes the calls and waits for every outcome before it closes the
// client, which would give up what is still being tried.
func runV3(p plan, o *outcomes) error {
	c, err := analytics.NewWithConfig(p.WriteKey, analytics.Config{
		Endpoint:  p.Host,
		Callback:  v3Callback{o},
		Logger:    analytics.StdLogger(log.New(io.Discard, "", 0)), // the callbacks tell the same
		BatchSize: map[string]int{"load": 5}[p.Mode],
	})
	if err != nil {
		return err
	}
	for _, m := range v3Calls(p, o) {
		if err := c.Enqueue(m); err != nil {
			return err
		}
	}
	o.rest.Wait()
	return c.Close()
}

func v3Calls(p plan, o *outcomes) []analytics.Message {
	var out []analytics.Message
	if p.Mode == "load" {
		for n := range p.Events {
			out = append(out, analytics.Track{
				MessageId: o.call("track", p.id(n)), UserId: fmt.Sprintf("user-%d", n%7), Event: "Load",
				Properties: analytics.Properties{"name": p.Name, "n": n},
			})
		}
		return out
	}
	order := analytics.Properties{"revenue": 39.95, "items": []int{1, 2}, "nested": map[string]any{"a": nil}, "text": "één → 日本 \" \\ </script>", "n": 1}
	return append(out,
		analytics.Identify{MessageId: o.call("identify", p.id(0)), UserId: "u1", Traits: analytics.Traits{"email": "a@b.c", "plan": "pro", "n": 0}},
		analytics.Track{
			MessageId: o.call("track", p.id(1)), UserId: "u1", Event: "Order Completed", Timestamp: when(), Properties: order,
			Integrations: analytics.Integrations{"All": true, "Salesforce": false},
			Context:      &analytics.Context{IP: []byte{203, 0, 113, 7}},
		},
		analytics.Page{MessageId: o.call("page", p.id(2)), AnonymousId: "anon1", Name: "Home", Properties: analytics.Properties{"category": "Docs", "n": 2}},
		analytics.Screen{MessageId: o.call("screen", p.id(3)), AnonymousId: "anon1", Name: "Main", Properties: analytics.Properties{"n": 3}},
		analytics.Group{MessageId: o.call("group", p.id(4)), UserId: "u1", GroupId: "g1", Traits: analytics.Traits{"name": "Initech", "n": 4}},
		analytics.Alias{MessageId: o.call("alias", p.id(5)), UserId: "u1", PreviousId: "old1"},
		analytics.Track{MessageId: o.call("track", "own-"+p.Name), UserId: "u1", Event: "Own Id", Properties: analytics.Properties{"n": 6}},
	)
}

type v3Callback struct{ o *outcomes }

func (c v3Callback) Success(m analytics.Message) { c.o.tell(v3ID(m), "delivered", "") }

func (c v3Callback) Failure(m analytics.Message, err error) {
	c.o.tell(v3ID(m), "failed", fmt.Sprint(err))
}

func v3ID(m analytics.Message) string {
	switch m := m.(type) {
	case analytics.Identify:
		return m.MessageId
	case analytics.Track:
		return m.MessageId
	case analytics.Page:
		return m.MessageId
	case analytics.Screen:
		return m.MessageId
	case analytics.Group:
		return m.MessageId
	case analytics.Alias:
		return m.MessageId
	}
	return ""
}
