package api

import (
	"strm/internal/api/apiv1"
	"strm/internal/policy"
)

func showPolicies(s policy.Set) apiv1.Policies {
	return apiv1.Policies{
		IAM: showPolicy(s.IAM), Bucket: showPolicy(s.Bucket), KMS: showPolicy(s.KMS),
		Trust: showPolicy(s.Trust), Assume: showPolicy(s.Assume), Topic: showPolicy(s.Topic), Queue: showPolicy(s.Queue),
		Notes: each(s.Notes, func(n policy.Note) apiv1.PolicyNote { return apiv1.PolicyNote{For: n.For, Text: n.Text} }),
	}
}

func showPolicy(d *policy.Document) *apiv1.Policy {
	if d == nil {
		return nil
	}
	return &apiv1.Policy{Version: d.Version, Statement: each(d.Statement, func(s policy.Statement) apiv1.PolicyStatement {
		out := apiv1.PolicyStatement{Sid: s.Sid, Effect: s.Effect, Action: s.Action, Resource: s.Resource, Condition: s.Condition}
		if s.Principal != nil {
			out.Principal = &apiv1.PolicyPrincipal{AWS: s.Principal.AWS, Service: s.Principal.Service}
		}
		return out
	})}
}
