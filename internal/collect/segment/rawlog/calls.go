package rawlog

import (
	"fmt"
	"math"
	"unicode"
	"unicode/utf8"

	"strm/internal/eventlog"
)

// envelope is what a batch says about all its calls. Numbers are indexes of
// nodes, 0 for what is not there.
type envelope struct {
	context, integrations, writeKey uint32
	sent                            moment
}

// call is one call of a body. Numbers are indexes of nodes, 0 for what is not there.
type call struct {
	node                   uint32
	context, integrations  uint32
	kind, messageID        uint32
	userID, anonymousID    uint32
	previousID, event      uint32
	writeKey               uint32
	sent, said, saidBefore moment // sentAt, timestamp and originalTimestamp, as sent

	named     string      // type that the path named, if the call has none
	generated string      // messageId, if the call has none
	id        eventlog.ID // of the messageId, once known is set
	known     bool
}

// read finds the calls of the body.
func (b *Batch) read(callType string, l Limits) error {
	if len(b.body) > math.MaxInt32 {
		return &Error{CodeInvalidBody, "the body has more than 2 GiB"}
	}
	if fl := b.tree.parse(b.body); fl != nil {
		return fl.report(b.body)
	}
	t := &b.tree
	if t.nodes[0].kind != object {
		return &Error{CodeInvalidBody, "the body must be a JSON object, this is " + t.nodes[0].kind.String()}
	}
	list := t.find(0, "batch")
	switch {
	case list != 0 && t.nodes[list].kind == array:
		return b.readBatch(list, callType, l)
	case list != 0 && callType == "":
		return &Error{CodeInvalidBody, `"batch" must be an array of calls, this is ` + t.nodes[list].kind.String()}
	case callType == "" && t.find(0, "type") == 0:
		return &Error{CodeInvalidBody, `the body is neither a batch, {"batch":[...]}, nor a call with a "type"`}
	}
	if err := b.checkSize(0, 0, l); err != nil {
		return err
	}
	b.take(0, 0, callType)
	return nil
}

func (b *Batch) readBatch(list uint32, callType string, l Limits) error {
	t := &b.tree
	first := t.nodes[list].child
	if first == 0 {
		return &Error{CodeEmptyBatch, `"batch" is empty: there is nothing to store`}
	}
	for m := t.nodes[0].child; m != 0; m = t.nodes[m].next {
		switch string(t.decodedKey(&t.nodes[m])) {
		case "context":
			b.envelope.context = t.ifObject(m)
		case "integrations":
			b.envelope.integrations = t.ifObject(m)
		case "sentAt":
			b.envelope.sent = t.moment(m)
		case "writeKey":
			b.envelope.writeKey = t.ifText(m)
		}
	}
	n := 0
	for e := first; e != 0; e = t.nodes[e].next {
		if n == l.MaxEvents {
			return &Error{CodeTooManyEvents, fmt.Sprintf("the batch has more than %d calls: send them in several requests", l.MaxEvents)}
		}
		if err := b.checkSize(e, n, l); err != nil {
			return err
		}
		b.take(e, n, callType)
		n++
	}
	shared := t.sharedSize(b.envelope.context) + t.sharedSize(b.envelope.integrations)
	if shared > l.MaxEvent {
		return &Error{CodeEventTooLarge, fmt.Sprintf("context and integrations of the batch have %d bytes, more than the limit of %d bytes for one call", shared, l.MaxEvent)}
	}
	if shared > l.MaxShared/max(len(b.calls), 1) {
		return &Error{CodeEventTooLarge, fmt.Sprintf(
			"context and integrations of the batch have %d bytes, which %d calls share: more than %d bytes altogether; send fewer calls per request",
			shared, len(b.calls), l.MaxShared)}
	}
	b.size += shared * len(b.calls)
	return nil
}

func (b *Batch) checkSize(at uint32, index int, l Limits) error {
	size := b.tree.size(at)
	if size <= l.MaxEvent {
		return nil
	}
	return &Error{CodeEventTooLarge, fmt.Sprintf("call %d of the request has %d bytes, more than the limit of %d bytes for one call", index, size, l.MaxEvent)}
}

// take adds the call at the node at, or says why it is left out.
func (b *Batch) take(at uint32, index int, callType string) {
	t := &b.tree
	if t.nodes[at].kind != object {
		b.rejected = append(b.rejected, Rejection{index, NotAnObject})
		return
	}
	b.calls = append(b.calls, call{node: at})
	c := &b.calls[len(b.calls)-1]
	c.read(t)
	if b.envelope.writeKey == 0 {
		b.envelope.writeKey = c.writeKey
	}
	if reason := c.check(t, callType); reason != "" {
		b.rejected = append(b.rejected, Rejection{index, reason})
		b.calls = b.calls[:len(b.calls)-1]
		return
	}
	b.size += t.size(at) + lineExtra
}

// lineExtra is about what the server adds to a line.
const lineExtra = 320

// read finds the members of the call that mean something here.
func (c *call) read(t *tree) {
	for m := t.nodes[c.node].child; m != 0; m = t.nodes[m].next {
		n := &t.nodes[m]
		if n.kind == null {
			continue // as good as not there
		}
		switch string(t.decodedKey(n)) {
		case "anonymousId":
			c.anonymousID = m
		case "context":
			c.context = m
		case "event":
			c.event = m
		case "integrations":
			c.integrations = m
		case "messageId":
			c.messageID = m
		case "originalTimestamp":
			c.saidBefore = t.moment(m)
		case "previousId":
			c.previousID = m
		case "sentAt":
			c.sent = t.moment(m)
		case "timestamp":
			c.said = t.moment(m)
		case "type":
			c.kind = m
		case "userId":
			c.userID = m
		case "writeKey":
			c.writeKey = t.ifText(m)
		}
	}
	if !c.said.ok {
		c.said = c.saidBefore
	}
}

// check returns why the call cannot be stored, and settles its type and
// whether it has a messageId.
func (c *call) check(t *tree, callType string) Reason {
	if c.kind != 0 && t.emptyText(c.kind) {
		c.kind = 0
	}
	name := callType
	if c.kind != 0 {
		name = ""
		if t.nodes[c.kind].kind == text {
			name = knownType(t.content(c.kind))
		}
		if name == "" {
			return UnknownType
		}
	} else if name == "" {
		return NoType
	} else if name = knownType([]byte(callType)); name == "" {
		return UnknownType
	}
	if c.kind == 0 {
		c.named = name
	}
	if !t.names(c.userID) && !t.names(c.anonymousID) && (name != "alias" || !t.names(c.previousID)) {
		return NoUser
	}
	if name == "track" && !t.names(c.event) {
		return NoEventName
	}
	if c.messageID != 0 && t.emptyText(c.messageID) {
		c.messageID = 0
	}
	if c.messageID != 0 && (t.nodes[c.messageID].kind != text || !goodMessageID(t.content(c.messageID))) {
		return BadMessageID
	}
	return ""
}

// types are the calls that there are.
var types = [...]string{"track", "identify", "page", "screen", "group", "alias"}

// knownType returns the type that b spells, empty if it is none.
func knownType(b []byte) string {
	for _, name := range types {
		if string(b) == name {
			return name
		}
	}
	return ""
}

// maxMessageID is in characters, as Segment documents it.
const maxMessageID = 100

func goodMessageID(id []byte) bool {
	if utf8.RuneCount(id) > maxMessageID {
		return false
	}
	for i := 0; i < len(id); {
		r, n := rune(id[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(id[i:])
		}
		if unicode.IsControl(r) {
			return false
		}
		i += n
	}
	return true
}

// names reports whether the value at the node at can name somebody or
// something: a text that is not empty, or a number.
func (t *tree) names(at uint32) bool {
	if at == 0 {
		return false
	}
	k := t.nodes[at].kind
	return k == number || k == text && !t.emptyText(at)
}

func (t *tree) emptyText(at uint32) bool {
	n := &t.nodes[at]
	return n.kind == text && n.end-n.off == 2
}

func (t *tree) ifObject(at uint32) uint32 {
	if t.nodes[at].kind != object {
		return 0
	}
	return at
}

// ifText returns at if it holds a text that is not empty, else 0.
func (t *tree) ifText(at uint32) uint32 {
	if t.nodes[at].kind != text || t.emptyText(at) {
		return 0
	}
	return at
}

// size returns the bytes of the value at the node at as sent.
func (t *tree) size(at uint32) int { return int(t.nodes[at].end - t.nodes[at].off) }

// sharedSize is size, but 0 for what is not there.
func (t *tree) sharedSize(at uint32) int {
	if at == 0 {
		return 0
	}
	return t.size(at)
}
