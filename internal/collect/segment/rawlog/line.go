package rawlog

import (
	"slices"

	"strm/internal/eventlog"
)

// field is a member of a line that is not simply the call's own.
type field int

// The fields in the order of their keys.
const (
	fieldChannel field = iota
	fieldContext
	fieldIntegrations
	fieldMessageID
	fieldOriginalTimestamp
	fieldProjectID
	fieldReceivedAt
	fieldSentAt
	fieldTimestamp
	fieldType
	fieldVersion
	fieldWriteKey
	fields
)

var fieldKeys = [fields]string{
	"channel", "context", "integrations", "messageId", "originalTimestamp", "projectId",
	"receivedAt", "sentAt", "timestamp", "type", "version", "writeKey",
}

// lineWriter holds what is the same in all lines of a batch, as JSON texts.
type lineWriter struct {
	buf                           []byte
	channel, project, key, ip, at []byte // slices of buf, empty for what is left out
	received                      int64
	client                        bool
}

func (w *lineWriter) set(f *Facts) {
	w.received = min(max(f.Received.UnixMilli(), firstMoment), lastMoment)
	w.client = f.Channel == "client"
	w.buf = slices.Grow(w.buf[:0], 6*(len(f.Channel)+len(f.ProjectID)+len(f.WriteKey)+len(f.IP))+64)
	w.channel = w.quoted(f.Channel)
	w.project = w.quoted(f.ProjectID)
	w.key, w.ip = nil, nil
	if f.WriteKey != "" {
		w.key = w.quoted(f.WriteKey)
	}
	if f.IP != "" {
		w.ip = w.quoted(f.IP)
	}
	from := len(w.buf)
	w.buf = appendTime(w.buf, w.received)
	w.at = w.buf[from:]
}

func (w *lineWriter) quoted(s string) []byte {
	from := len(w.buf)
	w.buf = appendQuoted(w.buf, s)
	return w.buf[from:len(w.buf):len(w.buf)]
}

func (b *Batch) appendLines(dst []byte, ids []eventlog.ID, f *Facts) ([]byte, []eventlog.ID) {
	b.line.set(f)
	dst = slices.Grow(dst, b.Size(*f))
	ids = slices.Grow(ids, len(b.calls))
	for i := range b.calls {
		c := &b.calls[i]
		if !c.known {
			c.identify(&b.tree, f)
		}
		ids = append(ids, c.id)
		dst = b.appendLine(dst, c)
	}
	return dst, ids
}

// identify settles the call's messageId and the id made from it.
func (c *call) identify(t *tree, f *Facts) {
	c.known = true
	if c.messageID != 0 {
		c.id = eventlog.NewID(t.content(c.messageID))
		return
	}
	c.generated = f.NewMessageID()
	c.id = eventlog.NewID([]byte(c.generated))
}

func (b *Batch) appendLine(dst []byte, c *call) []byte {
	t := &b.tree
	dst = append(dst, '{')
	next := field(0) // the first field that is not written yet
	for m := t.nodes[c.node].child; m != 0; m = t.nodes[m].next {
		n := &t.nodes[m]
		key := t.decodedKey(n)
		for next < fields && fieldKeys[next] < string(key) {
			dst = b.appendField(dst, c, next)
			next++
		}
		if next < fields && fieldKeys[next] == string(key) {
			dst = b.appendField(dst, c, next)
			next++
			continue
		}
		dst = t.appendKey(dst, n)
		dst = t.appendValue(dst, m)
		dst = append(dst, ',')
	}
	for ; next < fields; next++ {
		dst = b.appendField(dst, c, next)
	}
	dst[len(dst)-1] = '}' // over the comma behind the last member; there is always one
	return append(dst, '\n')
}

// appendField appends a field with its key and a comma, or nothing if the line
// has no such field.
func (b *Batch) appendField(dst []byte, c *call, f field) []byte {
	t, w := &b.tree, &b.line
	start := len(dst)
	dst = append(dst, '"')
	dst = append(dst, fieldKeys[f]...)
	dst = append(dst, '"', ':')
	empty := len(dst)
	switch f {
	case fieldChannel:
		dst = append(dst, w.channel...)
	case fieldContext:
		dst = b.appendContext(dst, c)
	case fieldIntegrations:
		if dst = t.appendMerged(dst, b.envelope.integrations, c.integrations); len(dst) == empty {
			dst = append(dst, "{}"...)
		}
	case fieldMessageID:
		if c.messageID != 0 {
			dst = t.appendValue(dst, c.messageID)
		} else {
			dst = appendQuoted(dst, c.generated)
		}
	case fieldOriginalTimestamp:
		if c.said.ok {
			dst = appendTime(dst, c.said.ms)
		} else {
			dst = append(dst, w.at...)
		}
	case fieldProjectID:
		dst = append(dst, w.project...)
	case fieldReceivedAt:
		dst = append(dst, w.at...)
	case fieldSentAt:
		if sent := b.sent(c); sent.ok {
			dst = appendTime(dst, sent.ms)
		}
	case fieldTimestamp:
		dst = appendTime(dst, corrected(w.received, b.sent(c), c.said).ms)
	case fieldType:
		if c.kind != 0 {
			dst = t.appendValue(dst, c.kind)
		} else {
			dst = appendQuoted(dst, c.named)
		}
	case fieldVersion:
		dst = append(dst, '2')
	case fieldWriteKey:
		dst = append(dst, w.key...)
	case fields:
	}
	if len(dst) == empty {
		return dst[:start]
	}
	return append(dst, ',')
}

// sent returns when the call was sent by the sender's clock.
func (b *Batch) sent(c *call) moment {
	if c.sent.ok {
		return c.sent
	}
	return b.envelope.sent
}

// appendContext appends the merged context, with the client's address where it
// belongs, or nothing if there is no context.
func (b *Batch) appendContext(dst []byte, c *call) []byte {
	t := &b.tree
	below, above := b.envelope.context, c.context
	if len(b.line.ip) == 0 || above != 0 && t.nodes[above].kind != object {
		return t.appendMerged(dst, below, above)
	}
	if !t.isNull(t.either(below, above, "ip")) {
		return t.appendMerged(dst, below, above)
	}
	if !b.line.client {
		direct := t.either(below, above, "direct")
		if direct == 0 || t.nodes[direct].kind != yes {
			return t.appendMerged(dst, below, above)
		}
	}
	return t.appendObjects(dst, below, above, b.line.ip)
}

// either returns the member with the key name that counts when the object below
// is merged into the object above; 0 if neither has it, nor is there.
func (t *tree) either(below, above uint32, name string) uint32 {
	if above != 0 {
		if m := t.find(above, name); m != 0 {
			return m
		}
	}
	if below != 0 {
		return t.find(below, name)
	}
	return 0
}

func (t *tree) isNull(at uint32) bool { return at == 0 || t.nodes[at].kind == null }
