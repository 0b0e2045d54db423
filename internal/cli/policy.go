package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/apiclient"
	"strm/internal/cli/render"
	"strm/internal/problem"
)

func (a *app) policy() *cobra.Command {
	var (
		q    apiclient.PolicyQuery
		kind string
	)
	c := &cobra.Command{
		Use: "policy SINK|EXPORTER|IMPORTER", Short: "Print the least AWS policies that a sink, a batch exporter or a batch importer needs",
		Long: `Print the least AWS policies under which a sink's batch exporters and batch
importers, or one of them, can work: s3:PutObject on what is written,
kms:GenerateDataKey on the sink's key, and s3:GetObject where keys may be
another's too (layouts tarsal and airbyte); for importers also s3:ListBucket on
the bucket, s3:GetObject on the files and kms:Decrypt. One --kind is a document
to paste; all are the fields of one JSON object:

  iam      identity policy for who writes (the sink's role, else the principal)
  bucket   bucket policy; instead of iam within one account, besides it across
           accounts
  kms      statement to add to the policy of the key
  trust    trust policy of the sink's role
  assume   identity policy for who assumes the role
  topic    statements to add to the policy of an importer's SNS topic
  queue    statements to add to the policy of an importer's SQS queue

A name is that of a sink, else of a batch exporter, else of a batch importer.
--principal is the ARN of the user or role whose credentials the sink has.`,
		Example: `  strm policy s3 --kind iam > strm-policy.json
  strm policy s3-demo --kind bucket --principal arn:aws:iam::123456789012:user/strm
  strm policy s3 --kind bucket --enforce-encryption
  strm policy fme --kind topic`,
		Args: args(1, 1, "the NAME of a sink, a batch exporter or a batch importer"), ValidArgsFunction: a.names(1, sinkNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			out, err := s.policies(args[0], q)
			if err != nil {
				return err
			}
			v, notes, err := render.Policy(out, kind)
			if err != nil {
				return err
			}
			for _, n := range notes {
				warn(cmd, "Note: %s", n)
			}
			return s.print(v)
		},
	}
	c.Flags().StringVar(&kind, "kind", render.PolicyAll, strings.Join(render.PolicyKinds(), ", "))
	c.Flags().StringVar(&q.Principal, "principal", "", "ARN of the user or role whose credentials the sink has")
	c.Flags().StringVar(&q.KMSKey, "kms-key", "", "ARN of the key of the bucket's default encryption, where the sink names none")
	c.Flags().BoolVar(&q.Enforce, "enforce-encryption", false, "let the bucket policy refuse uploads without the sink's encryption, by anybody")
	complete(c, "kind", render.PolicyKinds()...)
	complete(c, "principal")
	complete(c, "kms-key")
	return c
}

// policies asks for those of the sink of that name; if there is none, for those
// of the batch exporter, else of the batch importer.
func (s *session) policies(name string, q apiclient.PolicyQuery) (apiv1.Policies, error) {
	if !strings.Contains(name, "/") {
		out, err := s.SinkPolicies(s.ctx, name, q)
		if problem.KindOf(err) != problem.NotFound {
			return out, err
		}
	}
	e, err := s.Exporter(s.ctx, name)
	if problem.KindOf(err) == problem.NotFound && !strings.Contains(name, "/") {
		return s.importerPolicies(name, q)
	}
	if err != nil {
		return apiv1.Policies{}, err
	}
	q.Exporter = e.Stream + "/" + e.Name
	return s.SinkPolicies(s.ctx, e.Sink, q)
}

func (s *session) importerPolicies(name string, q apiclient.PolicyQuery) (apiv1.Policies, error) {
	i, err := s.Importer(s.ctx, name)
	if problem.KindOf(err) == problem.NotFound {
		return apiv1.Policies{}, problem.New(problem.NotFound, "there is no sink, no batch exporter and no batch importer %s", name)
	}
	if err != nil {
		return apiv1.Policies{}, err
	}
	q.Importer = i.Name
	return s.SinkPolicies(s.ctx, i.Sink, q)
}
