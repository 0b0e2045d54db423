package columns

import "strm/internal/problem"

// union joins the branches of a oneOf or of a list of types. Branches of one
// label merge: objects by their members, arrays by their items. What stays
// apart is a Union; a single branch is itself.
func (p *parser) union(branches []*Type, path string) (*Type, error) {
	var out []Field
	index := map[string]int{}
	for _, b := range spread(branches) {
		if b.Label == "" {
			return b, nil // one branch may be anything, so the whole is JSON text
		}
		i, known := index[b.Label]
		if !known {
			index[b.Label] = len(out)
			out = append(out, Field{Key: b.Label, Name: b.Label, Type: b})
			continue
		}
		merged, err := p.merge(out[i].Type, b, path)
		if err != nil {
			return nil, err
		}
		out[i].Type = merged
	}
	if len(out) == 1 {
		return out[0].Type, nil
	}
	return &Type{Kind: Union, Label: "union", Fields: out}, nil
}

// spread replaces unions by their branches.
func spread(branches []*Type) []*Type {
	var out []*Type
	for _, b := range branches {
		if b.Kind != Union {
			out = append(out, b)
			continue
		}
		for _, f := range b.Fields {
			out = append(out, f.Type)
		}
	}
	return out
}

// merge joins two types of one label.
func (p *parser) merge(a, b *Type, path string) (*Type, error) {
	switch {
	case a.Kind != b.Kind: // an object with members, and one with any
		if p.strict {
			return nil, problem.New(problem.Invalid, "schema%s: branches of type %s with and without a description cannot be merged", at(path), a.Label)
		}
		return &Type{Kind: JSON, Label: a.Label}, nil
	case a.Kind == List || a.Kind == Map:
		elem, err := p.union([]*Type{a.Elem, b.Elem}, path)
		if err != nil {
			return nil, err
		}
		return &Type{Kind: a.Kind, Label: a.Label, Elem: elem}, nil
	case a.Kind == Object:
		return p.mergeObjects(a, b, path)
	}
	return a, nil
}

func (p *parser) mergeObjects(a, b *Type, path string) (*Type, error) {
	out := &Type{Kind: Object, Label: a.Label, Fields: append([]Field(nil), a.Fields...)}
	index := map[string]int{}
	for i, f := range out.Fields {
		index[f.Key] = i
	}
	for _, f := range b.Fields {
		i, known := index[f.Key]
		if !known {
			out.Fields = append(out.Fields, f)
			continue
		}
		t, err := p.union([]*Type{out.Fields[i].Type, f.Type}, path+"."+f.Key)
		if err != nil {
			return nil, err
		}
		out.Fields[i].Type = t
		out.Fields[i].Required = out.Fields[i].Required && f.Required && !t.nested()
	}
	return out, nil
}
