package awsdouble

import (
	"encoding/json"
	"fmt"
	"strings"
)

// condition is one operator on one key.
type condition struct {
	key     string
	negated bool
	missing bool // the answer when the request does not have the key
	null    bool
	all     bool // of the request's values, not any
	match   func(value string) bool
}

// newCondition refuses operators that it does not know.
func newCondition(operator, key string, raw json.RawMessage, version string) (condition, error) {
	c := condition{key: strings.ToLower(key)}
	values, err := texts(raw)
	if err != nil || len(values) == 0 {
		return c, fmt.Errorf("condition %s %s: bad values", operator, key)
	}
	op, ifExists := strings.CutSuffix(operator, "IfExists")
	many := strings.Contains(op, ":")
	if rest, ok := strings.CutPrefix(op, "ForAllValues:"); ok {
		op, c.all, c.missing = rest, true, true
	} else {
		op = strings.TrimPrefix(op, "ForAnyValue:")
	}
	base := strings.Replace(op, "Not", "", 1)
	c.negated = base != op
	switch base {
	case "StringEquals":
		c.match = oneOf(values, func(a, b string) bool { return a == b })
	case "StringEqualsIgnoreCase", "Bool":
		if base == "Bool" && (c.negated || many) {
			return c, fmt.Errorf("condition operator %q is not known here", operator)
		}
		c.match = oneOf(values, strings.EqualFold)
	case "StringLike", "ArnLike", "ArnEquals":
		var list []pattern
		for _, v := range values {
			p, err := newPattern(v, version, false)
			if err != nil {
				return c, err
			}
			list = append(list, p)
		}
		c.match = func(v string) bool { return matchAny(list, v) }
	case "Null":
		if ifExists || c.negated || many || len(values) != 1 || values[0] != "true" && values[0] != "false" {
			return c, fmt.Errorf("condition %s %s: bad use", operator, key)
		}
		c.null, c.missing = true, values[0] == "true"
		return c, nil
	default:
		return c, fmt.Errorf("condition operator %q is not known here", operator)
	}
	c.missing = c.missing || c.negated || ifExists
	return c, nil
}

func oneOf(values []string, same func(a, b string) bool) func(string) bool {
	return func(got string) bool {
		for _, v := range values {
			if same(v, got) {
				return true
			}
		}
		return false
	}
}

// holds reports whether a request with these keys meets the condition.
func (c condition) holds(keys map[string][]string) bool {
	values := keys[c.key]
	switch {
	case c.null:
		return (len(values) == 0) == c.missing
	case len(values) == 0:
		return c.missing
	}
	for _, v := range values {
		if ok := c.match(v) != c.negated; ok != c.all {
			return ok
		}
	}
	return c.all
}
