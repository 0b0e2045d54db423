package wire

import (
	"strm/internal/jsonscan"
)

const taken = reasons // no reason to leave an entry out

// enter begins a group: the impressions of a flag, or unique keys.
func (w *Writer) enter(group []byte) {
	if jsonscan.KindOf(group) != jsonscan.Object {
		w.rejected[NotAnObject]++
		return
	}
	var name, list []byte
	w.byKey = false
	m := jsonscan.MembersOf(group)
	for m.Next() {
		val, _ := m.Value()
		switch string(w.keyOf(&m)) {
		case "f", "testName":
			name = val
		case "i", "keyImpressions", "ks", "fs":
			list = val
		case "k":
			name, w.byKey = val, true
		}
	}
	if jsonscan.KindOf(list) != jsonscan.Array {
		w.rejected[NotAnObject]++
		return
	}
	w.inner, w.group = jsonscan.ElementsOf(list), true
	switch {
	case scalar(name) && (w.byKey || len(name) <= MaxName):
	case w.byKey:
		w.rejected[NoKey]++
		w.group = false
		return
	default:
		w.rejected[NoFlag] += w.rest()
		w.group = false
		return
	}
	w.flag = appendText(w.flag[:0], name)
	if w.kind == Keys {
		return
	}
	if !w.typeOfFlag() && w.facts.Unknown != nil {
		w.facts.Unknown(w.text, false, w.rest())
	}
}

// rest returns how many entries the group has left.
func (w *Writer) rest() (n int) {
	for e := w.inner; e.Next(); {
		n++
	}
	return n
}

// typeOfFlag looks up the traffic type of the group's flag and leaves the flag's
// name in w.text.
func (w *Writer) typeOfFlag() (known bool) {
	w.text = jsonscan.Unquote(w.text[:0], w.flag[1:len(w.flag)-1])
	name, ok := w.facts.Split.TrafficType(w.text)
	id := ""
	if ok {
		id = w.facts.Split.TrafficTypes[name]
	}
	w.types = jsonscan.Quote(append(w.types[:0], `,"trafficTypeId":`...), id)
	return id != ""
}

func (w *Writer) impression(dst, entry []byte) ([]byte, Reason) {
	if jsonscan.KindOf(entry) != jsonscan.Object {
		return dst, NotAnObject
	}
	var key, treatment, at, version, label, properties, bucketing, previous, entity []byte
	m := jsonscan.MembersOf(entry)
	for m.Next() {
		val, _ := m.Value()
		switch string(w.keyOf(&m)) {
		case "k", "keyName":
			key = val
		case "t", "treatment":
			treatment = val
		case "m", "time":
			at = val
		case "c", "changeNumber":
			version = val
		case "r", "label":
			label = val
		case "b", "bucketingKey":
			bucketing = val
		case "pt", "previousTime":
			previous = val
		case "properties":
			properties = val
		case "et":
			entity = val
		}
	}
	switch {
	case !scalar(key):
		return dst, NoKey
	case !scalar(treatment):
		return dst, NoTreatment
	}
	if string(properties) == `"null"` { // an old way to say that there are none
		properties = nil
	}
	dst = appendText(append(dst, `{"key":`...), key)
	dst = appendText(append(dst, `,"label":`...), label)
	dst = appendText(append(dst, `,"treatment":`...), treatment)
	dst = append(append(dst, `,"splitName":`...), w.flag...)
	dst = appendInt(append(dst, `,"splitVersion":`...), version, 0)
	dst = appendText(append(dst, `,"properties":`...), properties)
	dst = append(append(append(dst, w.environment...), w.types...), w.about...)
	dst = w.appendTime(append(dst, `,"timestamp":`...), at)
	dst = append(dst, w.received...)
	if present(bucketing) {
		dst = appendText(append(dst, `,"bucketingKey":`...), bucketing)
	}
	if n, ok := millis(previous); ok {
		dst = appendNumber(append(dst, `,"previousTime":`...), n)
	}
	dst = append(dst, w.mode...)
	if present(entity) {
		dst = appendText(append(dst, `,"entityType":`...), entity)
	}
	return append(dst, '}'), taken
}

func (w *Writer) event(dst, entry []byte) ([]byte, Reason) {
	if jsonscan.KindOf(entry) != jsonscan.Object {
		return dst, NotAnObject
	}
	var key, trafficType, eventType, value, at, properties []byte
	m := jsonscan.MembersOf(entry)
	for m.Next() {
		val, _ := m.Value()
		switch string(w.keyOf(&m)) {
		case "key":
			key = val
		case "trafficTypeName", "trafficType":
			trafficType = val
		case "eventTypeId", "eventType":
			eventType = val
		case "value":
			value = val
		case "timestamp":
			at = val
		case "properties":
			properties = val
		}
	}
	switch {
	case !scalar(key):
		return dst, NoKey
	case !scalar(eventType):
		return dst, NoEventType
	case tooDeep(properties):
		return dst, TooDeep
	}
	w.flag = appendText(w.flag[:0], trafficType)
	w.text = jsonscan.Unquote(w.text[:0], w.flag[1:len(w.flag)-1])
	id := w.facts.Split.TrafficTypes[string(w.text)]
	if id == "" && !w.has && w.facts.Unknown != nil {
		w.facts.Unknown(w.text, true, 1)
	}
	dst = append(append(dst, '{'), w.environment[1:]...)
	dst = jsonscan.Quote(append(dst, `,"trafficTypeId":`...), id)
	dst = appendText(append(dst, `,"eventTypeId":`...), eventType)
	dst = appendText(append(dst, `,"key":`...), key)
	dst = w.appendTime(append(dst, `,"timestamp":`...), at)
	dst = appendValue(append(dst, `,"value":`...), value)
	dst = append(dst, `,"properties":`...)
	if present(properties) {
		dst = appendCompact(dst, properties)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(append(dst, `,"trafficTypeName":`...), w.flag...)
	dst = append(append(dst, w.about...), w.received...)
	return append(dst, '}'), taken
}

func (w *Writer) count(dst, entry []byte) ([]byte, Reason) {
	if jsonscan.KindOf(entry) != jsonscan.Object {
		return dst, NotAnObject
	}
	var name, hour, count []byte
	m := jsonscan.MembersOf(entry)
	for m.Next() {
		val, _ := m.Value()
		switch string(w.keyOf(&m)) {
		case "f":
			name = val
		case "m":
			hour = val
		case "rc":
			count = val
		}
	}
	n, ok := integer(count)
	switch {
	case !scalar(name) || len(name) > MaxName:
		return dst, NoFlag
	case !ok:
		return dst, NoCount
	}
	w.flag = appendText(w.flag[:0], name)
	w.typeOfFlag()
	dst = append(append(dst, `{"kind":"count","splitName":`...), w.flag...)
	dst = w.appendTime(append(dst, `,"hour":`...), hour)
	dst = appendNumber(append(dst, `,"count":`...), n)
	dst = append(append(append(dst, w.environment...), w.types...), w.about...)
	return append(append(dst, w.received...), '}'), taken
}

// nextKeys gathers keys, or flags, of the group for one line.
func (w *Writer) nextKeys() (list []byte, ok bool) {
	w.chunk = append(w.chunk[:0], '[')
	for len(w.chunk) < keysBytes && w.inner.Next() {
		val, _ := w.inner.Value()
		switch {
		case !scalar(val):
			w.rejected[NoKey]++
			continue
		case len(val) > keysBytes:
			w.rejected[TooLarge]++
			continue
		}
		if len(w.chunk) > 1 {
			w.chunk = append(w.chunk, ',')
		}
		w.chunk = appendText(w.chunk, val)
	}
	if len(w.chunk) == 1 {
		return nil, false
	}
	w.chunk = append(w.chunk, ']')
	return w.chunk, true
}

func (w *Writer) keys(dst, list []byte) ([]byte, Reason) {
	dst = append(dst, `{"kind":"uniqueKeys"`...)
	one, many := `,"splitName":`, `,"keys":`
	if w.byKey {
		one, many = `,"key":`, `,"splitNames":`
	}
	dst = append(append(dst, one...), w.flag...)
	dst = append(append(dst, many...), list...)
	dst = append(append(dst, w.environment...), w.about...)
	return append(append(dst, w.received...), '}'), taken
}

// keyOf returns the text of a member's key.
func (w *Writer) keyOf(m *jsonscan.Members) []byte {
	raw, escaped := m.Key()
	if !escaped {
		return raw
	}
	w.text = jsonscan.Unquote(w.text[:0], raw)
	return w.text
}
