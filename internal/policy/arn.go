package policy

import (
	"strings"

	"strm/internal/stream"
)

// partitions are AWS's separate clouds, by how the names of their regions begin.
var partitions = []struct{ region, name string }{
	{"cn-", "aws-cn"},
	{"us-gov-", "aws-us-gov"},
	{"us-isob-", "aws-iso-b"},
	{"us-isof-", "aws-iso-f"},
	{"us-iso-", "aws-iso"},
	{"eu-isoe-", "aws-iso-e"},
	{"eusc-", "aws-eusc"},
}

// Partition returns the partition of a region, for ARNs: mostly "aws".
func Partition(region string) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.region) {
			return p.name
		}
	}
	return "aws"
}

// keyStatement lets an identity use a key, which may be named by its ARN, its
// id or an alias. Aliases are no resources for this action: there the condition
// names them.
func keyStatement(part string, s stream.Sink, key string) Statement {
	st := Statement{Sid: "StrmEncrypt", Effect: "Allow", Action: "kms:GenerateDataKey"}
	// arn:partition:kms:region:account:key/id, each missing piece as wide as it must be.
	region, account := "*", "*"
	if r := s.KnownRegion(); r != "" {
		region = r
	}
	if f := strings.SplitN(s.Role.ARN, ":", 6); len(f) == 6 && f[4] != "" {
		account = f[4]
	}
	name := key
	if f := strings.SplitN(key, ":", 6); len(f) == 6 && f[0] == "arn" {
		part, region, account, name = f[1], f[3], f[4], f[5]
	}
	if strings.HasPrefix(name, "alias/") {
		st.Condition = map[string]map[string]string{"ForAnyValue:StringEquals": {"kms:ResourceAliases": name}}
		name = "key/*"
	} else if !strings.HasPrefix(name, "key/") {
		name = "key/" + name
	}
	st.Resource = []string{"arn:" + part + ":kms:" + region + ":" + account + ":" + name}
	return st
}
