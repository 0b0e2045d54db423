//go:build integration

package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"strm/test/harness"
)

// moto is a running moto server: S3, IAM, STS and KMS at one address. It checks
// external ids and shows how objects were encrypted. What it cannot: bucket
// policies, KMS permissions, expiry of credentials; and while it enforces, keys
// with ":", "=", "+" or a space fail.
type moto struct{ url string }

// motoAccount is the one account there is.
const motoAccount = "123456789012"

func startMoto(t *testing.T) *moto {
	t.Helper()
	addr := freeAddr(t)
	host, port, _ := strings.Cut(addr, ":")
	startTool(t, filepath.Join(t.TempDir(), "moto.out"), harness.Env(), filepath.Join(tools, "venv", "bin", "moto_server"),
		"-H", host, "-p", port).listens(t, addr)
	return &moto{"http://" + addr}
}

// enforce says whether requests need permission from now on.
func (m *moto) enforce(t *testing.T, on bool) {
	t.Helper()
	after := "inf" // requests until it begins
	if on {
		after = "0"
	}
	// Another content type is answered 500 and changes nothing.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.url+"/moto-api/reset-auth", strings.NewReader(after))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	var answer struct{ Status string }
	if json.Unmarshal(body, &answer) != nil || answer.Status != "ok" {
		t.Fatalf("moto: reset-auth: HTTP %d %s", resp.StatusCode, body)
	}
}

func (m *moto) as(k accessKey) client {
	return client{endpoint: m.url, region: "us-east-1", key: k.AccessKeyID, secret: k.SecretAccessKey}
}

// admin may do everything, while moto does not enforce.
func (m *moto) admin() client {
	return client{endpoint: m.url, region: "us-east-1", key: "AKIAROOTROOTROOTROOT", secret: rootSecret}
}

// user makes a user that may do what the statements say.
func (m *moto) user(t *testing.T, name string, may ...map[string]any) accessKey {
	t.Helper()
	calls := []asked{to("iam", "create_user", "UserName", name)}
	if len(may) > 0 {
		calls = append(calls, to("iam", "put_user_policy", "UserName", name, "PolicyName", "p", "PolicyDocument", document(t, may...)))
	}
	m.admin().ask(t, calls...)
	var doc struct{ AccessKey accessKey }
	out := m.admin().aws(t, "iam", "create-access-key", "--user-name", name)
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("create-access-key: %v\n%s", err, out)
	}
	return doc.AccessKey
}

// document is a policy document, compact: radosgw takes no spaces in one that
// says who may assume a role.
func document(t *testing.T, statements ...map[string]any) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// roleKeys are what sts assume-role prints.
type roleKeys struct {
	Credentials struct {
		AccessKeyID                   string `json:"AccessKeyId"`
		SecretAccessKey, SessionToken string
	}
}

// assumed acts with the credentials of a role.
func (c client) assumed(t *testing.T, role string, args ...string) client {
	t.Helper()
	out := c.aws(t, append([]string{"sts", "assume-role", "--role-session-name", "test", "--role-arn", role}, args...)...)
	var k roleKeys
	if err := json.Unmarshal([]byte(out), &k); err != nil {
		t.Fatalf("assume-role: %v\n%s", err, out)
	}
	c.key, c.secret, c.token = k.Credentials.AccessKeyID, k.Credentials.SecretAccessKey, k.Credentials.SessionToken
	return c
}

func (m *moto) roleARN(name string) string { return "arn:aws:iam::" + motoAccount + ":role/" + name }

func (m *moto) userARN(name string) string { return "arn:aws:iam::" + motoAccount + ":user/" + name }

// role are the calls that make a role with a trust policy.
func (m *moto) role(t *testing.T, name, trust string, may ...map[string]any) []asked {
	t.Helper()
	return []asked{
		to("iam", "create_role", "RoleName", name, "AssumeRolePolicyDocument", trust),
		to("iam", "put_role_policy", "RoleName", name, "PolicyName", "p", "PolicyDocument", document(t, may...)),
	}
}
