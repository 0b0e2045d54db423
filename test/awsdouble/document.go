package awsdouble

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// kind says where a document hangs, which decides its form.
type kind int

const (
	identityPolicy kind = iota // resources, no principal
	resourcePolicy             // both: of a bucket or a key
	trustPolicy                // principals, no resource
)

// document is a policy that was understood as a whole.
type document []statement

type statement struct {
	deny                bool
	principals          []string // ARNs, account ids or "*"
	actions, notActions []pattern
	resources           []pattern
	conditions          []condition
}

type rawDocument struct {
	Version   string
	ID        string `json:"Id"`
	Statement json.RawMessage
}

type rawStatement struct {
	Sid       string
	Effect    string
	Principal json.RawMessage
	Action    json.RawMessage
	NotAction json.RawMessage
	Resource  json.RawMessage
	Condition map[string]map[string]json.RawMessage
}

// parse reads a document, strictly.
func parse(text string, k kind) (document, error) {
	var raw rawDocument
	if err := decode([]byte(text), &raw); err != nil {
		return nil, fmt.Errorf("malformed policy: %w", err)
	}
	if raw.Version != "2012-10-17" && raw.Version != "2008-10-17" {
		return nil, fmt.Errorf("malformed policy: version %q", raw.Version)
	}
	var list []rawStatement
	if bytes.HasPrefix(bytes.TrimSpace(raw.Statement), []byte("{")) {
		list = make([]rawStatement, 1)
		if err := decode(raw.Statement, &list[0]); err != nil {
			return nil, fmt.Errorf("malformed policy: %w", err)
		}
	} else if err := decode(raw.Statement, &list); err != nil {
		return nil, fmt.Errorf("malformed policy: %w", err)
	}
	if len(list) == 0 {
		return nil, errors.New("malformed policy: no statement")
	}
	var d document
	for i, r := range list {
		s, err := r.read(k, raw.Version)
		if err != nil {
			return nil, fmt.Errorf("malformed policy: statement %d (%s): %w", i, r.Sid, err)
		}
		d = append(d, s)
	}
	return d, nil
}

func decode(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

func (r rawStatement) read(k kind, version string) (statement, error) {
	var s statement
	switch r.Effect {
	case "Allow":
	case "Deny":
		s.deny = true
	default:
		return s, fmt.Errorf("effect %q", r.Effect)
	}
	var err error
	if s.principals, err = principals(r.Principal); err != nil {
		return s, err
	}
	if (len(s.principals) > 0) != (k != identityPolicy) {
		return s, errors.New("a principal belongs into policies of resources and roles, and only there")
	}
	if s.actions, err = patterns(r.Action, version, true); err != nil {
		return s, err
	}
	if s.notActions, err = patterns(r.NotAction, version, true); err != nil {
		return s, err
	}
	if (len(s.actions) > 0) == (len(s.notActions) > 0) {
		return s, errors.New("one of Action and NotAction")
	}
	if s.resources, err = patterns(r.Resource, version, false); err != nil {
		return s, err
	}
	if (len(s.resources) > 0) != (k != trustPolicy) {
		return s, errors.New("a resource belongs into all policies but those of trust")
	}
	for operator, keys := range r.Condition {
		for key, values := range keys {
			c, err := newCondition(operator, key, values, version)
			if err != nil {
				return s, err
			}
			s.conditions = append(s.conditions, c)
		}
	}
	return s, nil
}

func principals(raw json.RawMessage) ([]string, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var all string
	if json.Unmarshal(raw, &all) == nil {
		if all != "*" {
			return nil, fmt.Errorf("principal %q", all)
		}
		return []string{"*"}, nil
	}
	var by struct{ AWS json.RawMessage }
	if err := decode(raw, &by); err != nil {
		return nil, err
	}
	list, err := texts(by.AWS)
	for _, p := range list {
		if p != "*" && !strings.HasPrefix(p, "arn:aws") && !isAccount(p) {
			return nil, fmt.Errorf("principal %q", p)
		}
	}
	return list, err
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// texts reads a string or a list of them.
func texts(raw json.RawMessage) ([]string, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var many []string
	err := json.Unmarshal(raw, &many)
	return many, err
}

func patterns(raw json.RawMessage, version string, fold bool) ([]pattern, error) {
	list, err := texts(raw)
	if err != nil {
		return nil, err
	}
	var out []pattern
	for _, t := range list {
		p, err := newPattern(t, version, fold)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}
