package credential

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"strm/internal/problem"
)

const (
	akid   = "AKIAIOSFODNN7EXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	token  = "FwoGZXIvYXdzEBYaDGV4YW1wbGV0b2tlbg"
	pem    = `-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END PRIVATE KEY-----\n`
)

// As the vendor's page prints it, with its comment.
const accessKeyFile = `{
    "AccessKey": {
        "UserName": "strm-export-demo",
        "AccessKeyId": "` + akid + `",
        "Status": "Active",
        "SecretAccessKey": "` + secret + `",
        "CreateDate": "2021-04-08T08:19:33+00:00" // The actual date might differ
    }
}`

const sessionFile = `{"Credentials":{"AccessKeyId":"` + akid + `","SecretAccessKey":"` + secret + `","SessionToken":"` + token +
	`","Expiration":"2026-11-20T12:00:00+00:00"},"AssumedRoleUser":{"Arn":"x"}}`

const aliasFile = `{"url":"https://minio.example:9000","accessKey":"` + akid + `","secretKey":"` + secret + `","api":"s3v4","path":"auto"}`

const serviceFile = `{"type":"service_account","project_id":"demo","private_key_id":"1","private_key":"` + pem +
	`","client_email":"x@demo.iam.gserviceaccount.com","token_uri":"https://oauth2.googleapis.com/token"}`

const azureFile = `{"appId":"a","displayName":"b","password":"` + secret + `","tenant":"c"}`

func now(t *testing.T) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, "2026-11-20T10:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, file, explicit string
		want                 Credential
		warning              string
	}{
		{"access key", accessKeyFile, "", Credential{Shape: AWSAccessKey, SinkType: S3, AccessKeyID: akid, SecretAccessKey: secret}, ""},
		{"explicit", accessKeyFile, S3, Credential{Shape: AWSAccessKey, SinkType: S3, AccessKeyID: akid, SecretAccessKey: secret}, ""},
		{"BOM, CRLF", "\xef\xbb\xbf" + strings.ReplaceAll(accessKeyFile, "\n", "\r\n"), "",
			Credential{Shape: AWSAccessKey, SinkType: S3, AccessKeyID: akid, SecretAccessKey: secret}, ""},
		{"inactive", strings.Replace(accessKeyFile, `"Active"`, `"Inactive"`, 1), "",
			Credential{Shape: AWSAccessKey, SinkType: S3, AccessKeyID: akid, SecretAccessKey: secret}, "inactive"},
		{"session", sessionFile, "", Credential{Shape: AWSSession, SinkType: S3, AccessKeyID: akid, SecretAccessKey: secret, SessionToken: token,
			Expires: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}, "expire soon"},
		{"expired", strings.Replace(sessionFile, "2026-11-20T12", "2026-11-20T09", 1), "", Credential{Shape: AWSSession, SinkType: S3, AccessKeyID: akid,
			SecretAccessKey: secret, SessionToken: token, Expires: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}, "expired at"},
		{"alias", aliasFile, "", Credential{Shape: MCAlias, SinkType: S3, AccessKeyID: akid, SecretAccessKey: secret, Endpoint: "https://minio.example:9000"}, ""},
		{"service account", serviceFile, "", Credential{Shape: GCPServiceAccount, SinkType: GCS, clientEmail: "x@demo.iam.gserviceaccount.com", GCSJSON: []byte(serviceFile)}, ""},
		{"a URL is no comment", strings.Replace(aliasFile, "{", "// mine\n{// the alias\n", 1), "",
			Credential{Shape: MCAlias, SinkType: S3, AccessKeyID: akid, SecretAccessKey: secret, Endpoint: "https://minio.example:9000"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseAt([]byte(tt.file), tt.explicit, now(t))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got.Warning, tt.warning) || (tt.warning == "") != (got.Warning == "") {
				t.Errorf("warning %q, want %q", got.Warning, tt.warning)
			}
			got.Warning = ""
			if g, w := fields(got), fields(tt.want); g != w {
				t.Errorf("got  %s\nwant %s", g, w)
			}
		})
	}
}

func fields(c Credential) string {
	return strings.Join([]string{string(c.Shape), c.SinkType, c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expires.String(),
		c.Endpoint, string(c.GCSJSON), c.clientEmail, c.Warning}, "|")
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, file, explicit, text string }{
		{"empty", "", "", "is empty"},
		{"blank", " \n// nothing\n", "", "is empty"},
		{"not JSON", "[default]\naws_access_key_id = " + akid, "", "line 1, column 2: this is not JSON"},
		{"comma missing", "{\n \"AccessKey\": {\"AccessKeyId\": \"" + akid + "\"\n  \"SecretAccessKey\": \"" + secret + "\"}}", "", "line 3, column 3: this is not JSON"},
		{"cut off", accessKeyFile[:100], "", "ends too early"},
		{"two documents", sessionFile + aliasFile, "", "this is not JSON"},
		{"array", "[" + accessKeyFile + "]", "", "not an object"},
		{"null", "null", "", "not an object"},
		{"block comment", "/* x */" + accessKeyFile, "", "line 1, column 1"},
		{"large", strings.Repeat(" ", MaxFile+1), "", "more than 65536"},
		{"unknown", `{"user":"x","pass":"` + secret + `"}`, "", "has the keys pass, user"},
		{"unknown asks", `{"user":"x"}`, "", "--sink-type"},
		{"value as key", `{"` + secret + `":1}`, "", "(another key)"},
		{"no keys", `{}`, "", "no keys at all"},
		{"azure", azureFile, "", "Azure"},
		{"azure, explicit", azureFile, S3, "Azure"},
		{"wrong type", accessKeyFile, GCS, "--sink-type says GCLOUD"},
		{"wrong type 2", serviceFile, S3, "--sink-type says S3"},
		{"no such type", serviceFile, "AZURE", "--sink-type is S3 or GCLOUD"},
		{"two shapes", accessKeyFile[:strings.LastIndex(accessKeyFile, "}")] + `,` + aliasFile[1:], "", "create-access-key or an alias of mc: say which"},
		{"two shapes of a type", accessKeyFile[:strings.LastIndex(accessKeyFile, "}")] + `,` + aliasFile[1:], S3, "does not decide"},
		{"missing", `{"AccessKey":{"AccessKeyId":"` + akid + `"}}`, "", "AccessKey.SecretAccessKey is missing"},
		{"both missing", `{"AccessKey":{}}`, "", "AccessKey.AccessKeyId is missing, AccessKey.SecretAccessKey is missing"},
		{"empty field", `{"url":"https://x","accessKey":"` + akid + `","secretKey":" "}`, "", "secretKey is empty"},
		{"no string", `{"url":"https://x","accessKey":7,"secretKey":"` + secret + `"}`, "", "accessKey is not a string"},
		{"placeholder", `{"AccessKey":{"AccessKeyId":"<your access key>","SecretAccessKey":"x"}}`, "", "AccessKeyId is a placeholder"},
		{"newline", `{"AccessKey":{"AccessKeyId":"a\nb","SecretAccessKey":"x"}}`, "", "control character"},
		{"no session token", strings.Replace(sessionFile, "SessionToken", "Token", 1), "", "Credentials.SessionToken is missing"},
		{"bad time", strings.Replace(sessionFile, "2026-11-20T12:00:00+00:00", "tomorrow", 1), "", "Expiration is not a time"},
		{"service account without key", `{"type":"service_account","project_id":"p","client_email":"e"}`, "", "private_key is missing"},
		{"P12", strings.Replace(serviceFile, "PRIVATE KEY", "X", 2), "", "not a key in PEM form"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseAt([]byte(tt.file), tt.explicit, now(t))
			if err == nil {
				t.Fatal("accepted")
			}
			if problem.KindOf(err) != problem.Invalid {
				t.Errorf("kind %v", problem.KindOf(err))
			}
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%q lacks %q", err, tt.text)
			}
			for _, hidden := range []string{secret, akid, token} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("%q shows a value", err)
				}
			}
		})
	}
}

func TestNothingShowsSecrets(t *testing.T) {
	for _, file := range []string{accessKeyFile, sessionFile, aliasFile, serviceFile} {
		c, err := parseAt([]byte(file), "", now(t))
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
			slog.New(h).Info("x", slog.Any("credential", c), slog.Any("pointer", &c), slog.Any("in", struct{ C Credential }{c}))
		}
		text, err := json.Marshal(map[string]any{"c": c, "p": &c})
		if err != nil {
			t.Fatal(err)
		}
		all := log.String() + string(text)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			all += fmt.Sprintf(verb+verb, c, &c) + fmt.Sprintf(verb, []Credential{c}) + fmt.Sprintf(verb, struct{ C Credential }{c})
		}
		for _, hidden := range []string{secret, token, "MIIEvQ", "PRIVATE", fmt.Sprintf("%x", secret)} {
			if strings.Contains(all, hidden) {
				t.Errorf("%s: %q shows through", c.Shape, hidden)
			}
		}
		if !strings.Contains(all, c.Principal()) || c.Principal() == "" {
			t.Errorf("%s: the principal %q is missing", c.Shape, c.Principal())
		}
	}
	if a := Ambient(); a.String() != "ambient" || a.SinkType != S3 || a.Principal() != "" {
		t.Errorf("ambient: %v", a)
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{accessKeyFile, sessionFile, aliasFile, serviceFile, azureFile, "{", `{"AccessKey":{}}`, "//", "\xef\xbb\xbf{}"} {
		f.Add([]byte(file), "")
	}
	f.Add([]byte(aliasFile), S3)
	f.Fuzz(func(t *testing.T, file []byte, explicit string) {
		before := bytes.Clone(file)
		c, err := Parse(file, explicit)
		if !bytes.Equal(file, before) {
			t.Fatal("the input changed")
		}
		if err != nil {
			if problem.KindOf(err) != problem.Invalid {
				t.Fatalf("kind %v: %v", problem.KindOf(err), err)
			}
			return
		}
		if explicit != "" && c.SinkType != explicit {
			t.Fatalf("type %s, asked for %s", c.SinkType, explicit)
		}
		switch c.SinkType {
		case S3:
			if c.AccessKeyID == "" || c.SecretAccessKey == "" || (c.Shape == AWSSession) != (c.SessionToken != "") {
				t.Fatalf("incomplete: %v", c)
			}
		case GCS:
			again, err := Parse(c.GCSJSON, GCS)
			if err != nil || again.Principal() != c.Principal() {
				t.Fatalf("what is kept cannot be read again: %v", err)
			}
		default:
			t.Fatalf("type %q", c.SinkType)
		}
	})
}
