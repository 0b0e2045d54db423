package ingest

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"time"
	"unicode/utf8"

	"strm/internal/jsontoken"
	"strm/internal/problem"
)

// MetaDefaults fills the producer's part of strmMeta where the event itself
// says nothing. Empty strings mean not given.
type MetaDefaults struct {
	SchemaID         string
	EventContractRef string // takes the place of SchemaID
	BillingID        string // null in the event when empty
}

const metaKeyText = "strmMeta"

// metaFlaw says what is wrong with a producer's strmMeta object.
type metaFlaw string

func (f metaFlaw) Error() string { return string(f) }

// metaWriter writes the strmMeta object of one request's events. Fields stand
// in the order of the seeds: schemaId (or eventContractRef), nonce, timestamp,
// keyLink, billingId, consentLevels, then whatever else the producer sent.
//
// Nonces come from a ChaCha8 generator that is seeded from the system's
// randomness once and serves one request at a time, so they are unpredictable
// and cost no system call; they are 32 bits wide, so with the timestamp they
// help to spot a doubled event but do not identify one.
type metaWriter struct {
	on     bool
	nonces *rand.ChaCha8
	schema []byte // `"schemaId":"..."` or `"eventContractRef":"..."` as the defaults say
	middle []byte // `,"timestamp":...,"keyLink":null,"billingId":...,"consentLevels":`
}

// begin prepares the writer for a request accepted at the given time.
func (m *metaWriter) begin(d MetaDefaults, at time.Time) error {
	if !utf8.ValidString(d.SchemaID) || !utf8.ValidString(d.EventContractRef) || !utf8.ValidString(d.BillingID) {
		return problem.New(problem.Invalid, "schema id, event contract and billing id must be valid UTF-8")
	}
	m.on = true
	if d.EventContractRef != "" {
		m.schema = appendString(append(m.schema[:0], `"eventContractRef":`...), d.EventContractRef)
	} else {
		m.schema = appendString(append(m.schema[:0], `"schemaId":`...), d.SchemaID)
	}
	b := append(m.middle[:0], `,"timestamp":`...)
	b = strconv.AppendInt(b, at.UnixMilli(), 10)
	// Nothing encrypts events yet, so no key is linked.
	b = append(b, `,"keyLink":null,"billingId":`...)
	if d.BillingID == "" {
		b = append(b, "null"...)
	} else {
		b = appendString(b, d.BillingID)
	}
	m.middle = append(b, `,"consentLevels":`...)
	return nil
}

// append appends the event b[i:o.end] with its strmMeta object as the first
// member. A strmMeta object the producer sent is merged into it and removed
// from its place; all other bytes stay.
func (m *metaWriter) append(dst, b []byte, i int, o *outline) ([]byte, error) {
	var own producerMeta
	rest := b[i+1 : o.end]
	var before []byte
	empty := o.empty
	if o.metas > 0 {
		if o.metas > 1 {
			return dst, metaFlaw("strmMeta stands in the event twice")
		}
		if b[o.metaVal] != '{' {
			return dst, metaFlaw("strmMeta must be a JSON object")
		}
		if err := own.read(b[o.metaVal:o.metaEnd]); err != nil {
			return dst, err
		}
		before, rest, empty = cutMember(b[i+1:o.metaKey], b[o.metaEnd:o.end])
	}
	dst = append(dst, `{"strmMeta":{`...)
	switch {
	case own.schemaID == nil && own.contract == nil:
		dst = append(dst, m.schema...)
	default:
		dst = appendField(dst, `"schemaId":`, own.schemaID)
		if own.schemaID != nil && own.contract != nil {
			dst = append(dst, ',')
		}
		dst = appendField(dst, `"eventContractRef":`, own.contract)
	}
	dst = append(dst, `,"nonce":`...)
	dst = strconv.AppendInt(dst, int64(int32(m.nonces.Uint64())), 10)
	dst = append(dst, m.middle...)
	if own.consents == nil {
		dst = append(dst, "[]"...)
	} else {
		dst = append(dst, own.consents...)
	}
	dst = own.appendOthers(dst)
	if empty {
		dst = append(dst, '}')
	} else {
		dst = append(dst, "},"...)
	}
	dst = append(dst, before...)
	return append(dst, rest...), nil
}

func appendField(dst []byte, name string, val []byte) []byte {
	if val == nil {
		return dst
	}
	return append(append(dst, name...), val...)
}

// cutMember joins what stands before and after a member that is taken out of
// an object, with one of its commas. empty says that no member is left.
func cutMember(before, after []byte) (b, a []byte, empty bool) {
	a = after[space(after, 0):]
	if a[0] == ',' {
		return before, a[1:], false
	}
	for n := len(before); n > 0; n-- {
		if before[n-1] == ',' {
			return before[:n-1], after, false
		}
	}
	return before, after, true
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// producerMeta is the producer's part of strmMeta: raw JSON, nil where it is
// missing or null.
type producerMeta struct {
	schemaID, contract, consents []byte
	obj                          []byte
	others                       bool
}

// read takes the parts from a valid JSON object.
func (p *producerMeta) read(obj []byte) error {
	p.obj = obj
	var seen [len(metaFields)]bool
	for m, next := member(obj, 0); m.key != nil; m, next = member(obj, next) {
		f := m.field()
		if f < 0 {
			p.others = true
			continue
		}
		if seen[f] {
			return metaFlaw("strmMeta." + metaFields[f] + " stands in the event twice")
		}
		seen[f] = true
		if string(m.val) == "null" {
			continue
		}
		switch f {
		case fieldSchemaID, fieldContract:
			if m.val[0] != '"' {
				return metaFlaw("strmMeta." + metaFields[f] + " must be a string")
			}
			if f == fieldSchemaID {
				p.schemaID = m.val
			} else {
				p.contract = m.val
			}
		case fieldConsents:
			if !integers(m.val) {
				return metaFlaw("strmMeta.consentLevels must be an array of integers")
			}
			p.consents = m.val
		}
	}
	return nil
}

// appendOthers appends the fields strm knows nothing of.
func (p *producerMeta) appendOthers(dst []byte) []byte {
	if !p.others {
		return dst
	}
	for m, next := member(p.obj, 0); m.key != nil; m, next = member(p.obj, next) {
		if m.field() < 0 {
			dst = append(append(append(append(dst, ','), m.key...), ':'), m.val...)
		}
	}
	return dst
}

const (
	fieldSchemaID = iota
	fieldContract
	fieldConsents
)

// metaFields are the fields strm sets or places; those after the first three
// are set anew whatever the producer sent.
var metaFields = [...]string{"schemaId", "eventContractRef", "consentLevels", "nonce", "timestamp", "keyLink", "billingId"}

// pair is a member of an object: the quoted key and the value, as they stand.
type pair struct {
	key, val []byte
	flags    jsontoken.Flags
}

func (p pair) field() int {
	for i, name := range metaFields {
		if isKey(p.key, p.flags, name) {
			return i
		}
	}
	return -1
}

// member returns the member of a valid JSON object that begins after obj[i],
// the opening brace or a comma, and where to go on. No key means no more.
func member(obj []byte, i int) (pair, int) {
	i = space(obj, i)
	if i >= len(obj) || obj[i] == '}' {
		return pair{}, i
	}
	start := space(obj, i+1)
	if start >= len(obj) || obj[start] != '"' {
		return pair{}, start
	}
	end, flags := jsontoken.Text(obj, start+1)
	val := space(obj, space(obj, end)+1)
	after := skipValue(obj, val)
	return pair{key: obj[start:end], val: obj[val:after], flags: flags}, after
}

// skipValue returns the index after the value at b[i] of a valid JSON text.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i, _ = jsontoken.Text(b, i+1)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// integers reports whether a valid JSON value is an array of integers.
func integers(v []byte) bool {
	if v[0] != '[' {
		return false
	}
	for _, c := range v[1 : len(v)-1] {
		switch c {
		case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '-', ',', ' ', '\t', '\n', '\r':
		default:
			return false
		}
	}
	return true
}

// appendString appends s, valid UTF-8, as a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			q, _ := json.Marshal(s) // a string always marshals
			return append(dst, q...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}
