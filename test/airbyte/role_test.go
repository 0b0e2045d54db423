package airbyte

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"strm/test/awsdouble"
)

// A role is assumed with the environment's keys; its external id comes from the
// environment too. The cloud is our own, written from AWS's documentation.
func TestAssumedRoleOwnEmulatorOnly(t *testing.T) {
	const account, region = "123456789012", "eu-west-1"
	cloud := awsdouble.New(region)
	ts := httptest.NewServer(cloud)
	t.Cleanup(ts.Close)
	user, keys := cloud.AddUser(account, "airbyte")
	role := cloud.AddRole(account, "tarsal-s3-destination-connector-role")
	cloud.AddBucket(account, bucketName, region)
	for _, err := range []error{
		cloud.SetPolicy(user, fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":%q}]}`, role)),
		cloud.SetPolicy(role, fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::%s/test/path/*"}]}`, bucketName)),
		cloud.SetTrust(role, fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"workspace-7"}}}]}`, user)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": keys.ID, "AWS_SECRET_ACCESS_KEY": keys.Secret, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
	w := newWorld(t, jsonl(), "s3_endpoint", ts.URL, "s3_bucket_region", region, "role_arn", role, "access_key_id", nil, "secret_access_key", nil)
	if s, m := w.check(); s != "FAILED" || !strings.HasPrefix(m, "role: ") || !strings.Contains(m, "AWS_ASSUME_ROLE_EXTERNAL_ID") {
		t.Errorf("without the external id: %s %s", s, m)
	}
	w.env = []string{"AWS_ASSUME_ROLE_EXTERNAL_ID=workspace-7"}
	if s, m := w.check(); s != "SUCCEEDED" {
		t.Errorf("%s %s", s, m)
	}
	w.sync([]stream{one(0, 0, 1)}, record(`{"id":1}`, 1), complete()).must()
	n := 0
	for key := range cloud.Objects(bucketName) {
		if strings.HasPrefix(key, "test/path/test_stream/") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d objects", n)
	}
}
