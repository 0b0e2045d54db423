package awsdouble

import "strings"

// caller is who makes a request.
type caller struct {
	arn     string // of the user, or of the role's session
	role    string // ARN of the role whose session it is
	account string
	policy  document // identity policy of the user or role
}

// ask is a request as policies see it. The names of keys are lower case.
type ask struct {
	action, resource string
	keys             map[string][]string
}

// say is what one document says of a request.
type say struct {
	allow   bool // by name, or by "*"
	account bool // the caller's account as a whole: its own policies must allow it too
	deny    bool
}

func (d document) says(by caller, a ask) say {
	var out say
	for _, s := range d {
		named, wide := s.names(by)
		if !named && !wide || !s.covers(a) {
			continue
		}
		switch {
		case s.deny:
			out.deny = true
		case named:
			out.allow = true
		default:
			out.account = true
		}
	}
	return out
}

// names reports whether the statement is for the caller by name, or for the
// account as a whole. Identity policies are for who has them.
func (s statement) names(by caller) (named, wide bool) {
	if s.principals == nil {
		return true, false
	}
	for _, p := range s.principals {
		switch {
		case p == "*", p == by.arn, by.role != "" && p == by.role:
			named = true
		case p == by.account, strings.HasSuffix(p, "::"+by.account+":root"):
			wide = true
		}
	}
	return named, wide
}

func (s statement) covers(a ask) bool {
	if s.actions != nil && !matchAny(s.actions, a.action) || s.notActions != nil && matchAny(s.notActions, a.action) {
		return false
	}
	if s.resources != nil && !matchAny(s.resources, a.resource) {
		return false
	}
	for _, c := range s.conditions {
		if !c.holds(a.keys) {
			return false
		}
	}
	return true
}

// mayUse decides about a resource whose policy need not exist: within one
// account either side may allow, across accounts both must.
func mayUse(by caller, a ask, policy document, owner string) bool {
	own, its := by.policy.says(by, a), policy.says(by, a)
	switch {
	case own.deny || its.deny:
		return false
	case by.account == owner:
		return own.allow || its.allow
	}
	return own.allow && (its.allow || its.account)
}

// mayByLeave decides about keys and roles, where the resource's own policy must
// allow: the caller by name, or the account, which then decides by itself.
func mayByLeave(by caller, a ask, policy document, owner string) bool {
	own, its := by.policy.says(by, a), policy.says(by, a)
	switch {
	case own.deny || its.deny:
		return false
	case its.allow && by.account == owner:
		return true
	}
	return own.allow && (its.allow || its.account)
}
