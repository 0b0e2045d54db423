package envelope

import (
	"strconv"

	"strm/internal/jsonscan"
)

// apart returns the event, an object, with other keys for the members that are
// called as one of the parts beside which they are to stand: a number behind
// them, as columns get. Of two members of one key most readers take the second,
// and the event's id would be lost. Mostly it is the event itself that comes back.
func (e *Envelope) apart(event []byte, parts ...Part) []byte {
	m := jsonscan.MembersOf(event)
	for m.Next() {
		if e.takes(keyOf(m.Key()), parts) {
			return e.rename(event, parts)
		}
	}
	return event
}

func (e *Envelope) takes(key []byte, parts []Part) bool {
	for _, p := range parts {
		if string(key) == e.names[p] {
			return true
		}
	}
	return false
}

func keyOf(raw []byte, escaped bool) []byte {
	if escaped {
		return jsonscan.Unquote(nil, raw)
	}
	return raw
}

func (e *Envelope) rename(event []byte, parts []Part) []byte {
	taken := map[string]bool{}
	for _, p := range parts {
		taken[e.names[p]] = true
	}
	var clash []string
	for m := jsonscan.MembersOf(event); m.Next(); {
		key := string(keyOf(m.Key()))
		if e.takes([]byte(key), parts) {
			clash = append(clash, key)
		}
		taken[key] = true
	}
	names := map[string]string{}
	for _, key := range clash {
		if names[key] != "" {
			continue
		}
		name := key
		for n := 1; taken[name]; n++ {
			name = key + "_" + strconv.Itoa(n)
		}
		names[key], taken[name] = name, true
	}
	out := append(make([]byte, 0, len(event)+32), '{')
	for m := jsonscan.MembersOf(event); m.Next(); {
		if len(out) > 1 {
			out = append(out, ',')
		}
		raw, escaped := m.Key()
		if name, ok := names[string(keyOf(raw, escaped))]; ok {
			out = jsonscan.Quote(out, name)
		} else {
			out = append(append(append(out, '"'), raw...), '"')
		}
		v, _ := m.Value()
		out = append(append(out, ':'), v...)
	}
	return append(out, '}')
}
