package config

import (
	"net/url"
	"regexp"
	"strings"

	"strm/internal/credential"
	"strm/internal/problem"
)

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	roleARN    = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/.+$`)
	keyID      = regexp.MustCompile(`^[A-Za-z0-9]+$`)
)

// place reads where the bucket is.
func (c *Config) place(v *values) error {
	c.Bucket = v.text("s3_bucket_name")
	switch {
	case v.err != nil:
		return v.err
	case c.Bucket == "":
		return problem.New(problem.Invalid, "s3_bucket_name is missing")
	case strings.HasPrefix(c.Bucket, "arn:"):
		return problem.New(problem.Invalid, "s3_bucket_name must be the bucket's name, not its ARN: write what stands after the last colon")
	case strings.Contains(c.Bucket, "/"):
		return problem.New(problem.Invalid, "s3_bucket_name must be the bucket's name alone, not a URL or a path; directories go into s3_bucket_path")
	case !bucketName.MatchString(c.Bucket) || strings.Contains(c.Bucket, ".."):
		return problem.New(problem.Invalid, "s3_bucket_name %.80q cannot be a bucket: names have 3 to 63 characters of a-z, 0-9, '.' and '-', and begin and end with a letter or digit", c.Bucket)
	}
	c.Path = strings.Trim(v.text("s3_bucket_path"), "/")
	if strings.Contains(c.Path, "//") {
		return problem.New(problem.Invalid, "s3_bucket_path %q has an empty part: write one slash between directories", c.Path)
	}
	c.Region = v.text("s3_bucket_region")
	if strings.ContainsAny(c.Region, " \t\r\n/") {
		return problem.New(problem.Invalid, "s3_bucket_region %.40q cannot be a region; they look like eu-west-1", c.Region)
	}
	return c.endpoint(v.text("s3_endpoint"))
}

func (c *Config) endpoint(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return problem.New(problem.Invalid, "s3_endpoint must be a whole URL such as https://s3.example.com, or empty for AWS")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return problem.New(problem.Invalid, "s3_endpoint must be a URL without user, query or fragment")
	case strings.Contains(u.Host, "s3-website"):
		return problem.New(problem.Invalid, "s3_endpoint %s is the address of a static website, which cannot be written to; leave it empty for AWS, or give the address of the S3 API", u.Host)
	case u.Scheme == "http":
		c.Warnings = append(c.Warnings, "s3_endpoint is plain http: data can be read on the way")
	}
	c.Endpoint = strings.TrimRight(text, "/")
	return nil
}

// access reads as whom. AWS, and Tarsal everywhere, have keys of 16 to 128
// characters; other stores may have shorter ones.
func (c *Config) access(v *values) error {
	c.AccessKeyID, c.SecretAccessKey = v.text("access_key_id"), v.text("secret_access_key")
	c.RoleARN, c.ExternalID = v.text("role_arn"), v.text("external_id")
	strict := c.Endpoint == "" || v.text("layout") == "tarsal"
	for _, key := range []struct{ name, value string }{{"access_key_id", c.AccessKeyID}, {"secret_access_key", c.SecretAccessKey}} {
		if n := len(key.value); n > 0 && (strict || n > credential.MaxAWSKey) {
			if err := credential.CheckAWSKey(key.name, key.value); err != nil {
				return err
			}
		}
		if strings.TrimSpace(key.value) != key.value {
			return problem.New(problem.Invalid, "%s begins or ends with white space", key.name)
		}
	}
	switch {
	case strict && c.AccessKeyID != "" && !keyID.MatchString(c.AccessKeyID):
		return problem.New(problem.Invalid, "access_key_id must have letters and digits alone")
	case (c.AccessKeyID == "") != (c.SecretAccessKey == ""):
		return problem.New(problem.Invalid, "access_key_id and secret_access_key go together; leave out both to use the environment's credentials")
	case c.RoleARN != "" && c.AccessKeyID != "":
		return problem.New(problem.Invalid, "give either a role_arn or an access key, not both: a role is assumed with the environment's credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)")
	case c.RoleARN != "" && !roleARN.MatchString(c.RoleARN):
		return problem.New(problem.Invalid, "role_arn %.200q is not the ARN of an IAM role; it looks like arn:aws:iam::123456789012:role/name, without a region", c.RoleARN)
	case c.ExternalID != "" && c.RoleARN == "":
		return problem.New(problem.Invalid, "external_id is given, but no role_arn")
	}
	return nil
}
