// Package simulate makes the clickstream events of the STRM examples: the same
// seed always gives the same events.
package simulate

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
)

// Options shape the events. Zero fields get their defaults.
type Options struct {
	Sessions int    // distinct sessions, with one customer each; default 1000
	SchemaID string // schemaId in strmMeta; default "clickstream"
	NoMeta   bool   // leave the producer's strmMeta object out
}

// Generator makes events. It is not safe for concurrent use.
type Generator struct {
	rng    *rand.Rand
	opts   Options
	schema []byte // as JSON
}

// New returns a generator.
func New(seed uint64, opts Options) *Generator {
	if opts.Sessions <= 0 {
		opts.Sessions = 1000
	}
	if opts.SchemaID == "" {
		opts.SchemaID = "clickstream"
	}
	schema, _ := json.Marshal(opts.SchemaID) // a string always marshals
	return &Generator{rng: rand.New(rand.NewPCG(seed, 0x7374726d)), opts: opts, schema: schema}
}

// Append appends one event, a JSON object of about 500 bytes without a line
// feed. A session always has the same user agent, customer and consents.
func (g *Generator) Append(dst []byte) []byte {
	session := g.rng.IntN(g.opts.Sessions)
	if !g.opts.NoMeta {
		dst = append(dst, `{"strmMeta":{"schemaId":`...)
		dst = append(dst, g.schema...)
		dst = append(dst, `,"consentLevels":`...)
		dst = append(dst, consents[session%len(consents)]...)
		dst = append(dst, `},`...)
	} else {
		dst = append(dst, '{')
	}
	dst = append(dst, `"producerSessionId":"session-`...)
	dst = strconv.AppendInt(dst, int64(session), 10)
	dst = append(dst, `","url":"`...)
	dst = g.url(dst)
	dst = append(dst, `","eventType":"`...)
	dst = append(dst, g.pick(eventTypes)...)
	dst = append(dst, `","referrer":"`...)
	if ref := g.pick(referrers); ref == "" {
		dst = g.url(dst)
	} else {
		dst = append(dst, ref...)
	}
	dst = append(dst, `","userAgent":"`...)
	dst = append(dst, userAgents[session%len(userAgents)]...)
	dst = append(dst, `","conversion":`...)
	if g.rng.IntN(40) == 0 {
		dst = append(dst, '1')
	} else {
		dst = append(dst, '0')
	}
	dst = append(dst, `,"customer":{"id":"customer-session-`...)
	dst = strconv.AppendInt(dst, int64(session), 10)
	dst = append(dst, `"},"abTests":[`...)
	for i, n := 0, g.rng.IntN(4); i < n; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, g.pick(abTests)...)
		dst = append(dst, ':')
		dst = append(dst, byte('a'+session>>i&1), '"')
	}
	return append(dst, "]}"...)
}

func (g *Generator) url(dst []byte) []byte {
	dst = append(dst, "https://www.strmprivacy.io/"...)
	dst = append(dst, g.pick(pages)...)
	if g.rng.IntN(3) == 0 {
		dst = append(dst, '/')
		dst = append(dst, g.pick(topics)...)
		dst = append(dst, '-')
		dst = strconv.AppendInt(dst, int64(g.rng.IntN(5000)), 10)
	}
	if g.rng.IntN(2) == 0 {
		dst = append(dst, "?utm_source="...)
		dst = append(dst, g.pick(campaigns)...)
		dst = append(dst, "&utm_medium=cpc&click="...)
		dst = strconv.AppendUint(dst, g.rng.Uint64(), 36)
	}
	return dst
}

func (g *Generator) pick(from []string) string { return from[g.rng.IntN(len(from))] }
