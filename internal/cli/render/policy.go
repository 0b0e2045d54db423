package render

import (
	"slices"
	"strings"

	"strm/internal/api/apiv1"
	"strm/internal/problem"
)

// PolicyAll asks for all policies at once.
const PolicyAll = "all"

// PolicyKinds returns the kinds of policy in the order of the help text.
func PolicyKinds() []string {
	return []string{"iam", "bucket", "kms", "trust", "assume", "topic", "queue", PolicyAll}
}

// Policy shows one policy alone, ready to paste, or all of them as the fields of
// one object, and returns the notes that belong to what is shown. Errors have
// kind Invalid: there is no such kind, or this sink needs none of it.
func Policy(p apiv1.Policies, kind string) (View, []string, error) {
	named := map[string]*apiv1.Policy{"iam": p.IAM, "bucket": p.Bucket, "kms": p.KMS, "trust": p.Trust, "assume": p.Assume, "topic": p.Topic, "queue": p.Queue}
	var v View
	v.Head = []string{"Policy", "Statement", "Effect", "Action", "Resource"}
	rows := func(kind string) {
		if named[kind] == nil {
			return
		}
		for _, s := range named[kind].Statement {
			v.Rows = append(v.Rows, []string{kind, s.Sid, s.Effect, s.Action, strings.Join(s.Resource, " ")})
		}
	}
	var notes []string
	for _, n := range p.Notes {
		if kind == PolicyAll || slices.Contains(n.For, kind) {
			notes = append(notes, n.Text)
		}
	}
	if kind == PolicyAll {
		for _, k := range PolicyKinds() {
			rows(k)
		}
		p.Notes = nil // beside the documents, not among them
		v.JSON = p
		return v, notes, nil
	}
	doc, known := named[kind]
	switch {
	case !known:
		return View{}, nil, problem.New(problem.Invalid, "there is no policy %q; use one of %s", kind, strings.Join(PolicyKinds(), ", "))
	case doc == nil && kind == "kms":
		return View{}, nil, problem.New(problem.Invalid, "the sink names no KMS key; if the bucket's default encryption does, give it with --kms-key")
	case doc == nil && (kind == "topic" || kind == "queue"):
		return View{}, nil, problem.New(problem.Invalid, "no batch importer here has a %s, so there is no policy %q", kind, kind)
	case doc == nil:
		return View{}, nil, problem.New(problem.Invalid, "the sink assumes no role, so there is no policy %q", kind)
	}
	rows(kind)
	v.JSON = doc
	return v, notes, nil
}
