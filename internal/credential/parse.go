package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"strm/internal/problem"
)

// MaxFile is the size of the largest file that is read, in bytes.
const MaxFile = 64 << 10

// expirySoon is how close an expiry must be to be called soon.
const expirySoon = 24 * time.Hour

// Parse reads a credentials file. explicit is the type of sink the user named:
// "", S3 or GCS. Errors have kind Invalid, say what is missing and never quote
// a value. // comments and a byte order mark are accepted, unknown keys ignored.
func Parse(file []byte, explicit string) (Credential, error) {
	return parseAt(file, explicit, time.Now())
}

func parseAt(file []byte, explicit string, now time.Time) (Credential, error) {
	if explicit != "" && explicit != S3 && explicit != GCS {
		return Credential{}, problem.New(problem.Invalid, "there is no such type of sink: --sink-type is %s or %s", S3, GCS)
	}
	if len(file) > MaxFile {
		return Credential{}, problem.New(problem.Invalid, "the credentials file has %d bytes, more than %d: is it the right file?", len(file), MaxFile)
	}
	text := clean(file)
	if len(bytes.TrimSpace(text)) == 0 {
		return Credential{}, problem.New(problem.Invalid, "the credentials file is empty")
	}
	top, err := readObject(text)
	if err != nil {
		return Credential{}, err
	}
	s, err := recognise(top, explicit)
	if err != nil {
		return Credential{}, err
	}
	if explicit != "" && explicit != s.sinkType {
		return Credential{}, problem.New(problem.Invalid,
			"the credentials file is %s, for a sink of type %s, but --sink-type says %s", s.name, s.sinkType, explicit)
	}
	c := Credential{Shape: s.shape, SinkType: s.sinkType}
	if err := s.read(&c, top, text, now); err != nil {
		return Credential{}, err
	}
	return c, nil
}

// readObject refuses whatever is not exactly one JSON object.
func readObject(text []byte) (object, error) {
	var raw json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, syntaxError(text, err)
	}
	var top object
	if err := json.Unmarshal(raw, &top); err != nil || top == nil {
		return nil, problem.New(problem.Invalid, "the credentials file holds JSON, but not an object: it must begin with {")
	}
	return top, nil
}

// form is a shape of file: how to know it, how to read it.
type form struct {
	shape    Shape
	sinkType string
	name     string // for a person
	match    func(object) bool
	read     func(c *Credential, top object, text []byte, now time.Time) error
}

func forms() []form {
	return []form{
		{AWSAccessKey, S3, "the output of aws iam create-access-key",
			func(o object) bool { return o.isObject("AccessKey") }, readAccessKey},
		{AWSSession, S3, "the output of aws sts",
			func(o object) bool { return o.isObject("Credentials") }, readSession},
		{MCAlias, S3, "an alias of mc",
			func(o object) bool { return o.has("accessKey") || o.has("secretKey") }, readAlias},
		{GCPServiceAccount, GCS, "a Google Cloud service account",
			func(o object) bool { return o.str("type") == "service_account" }, readServiceAccount},
		{"azure", "", "an Azure service principal", isAzure, nil},
	}
}

func isAzure(o object) bool {
	id := o.has("clientId") || o.has("appId")
	return id && (o.has("tenant") || o.has("tenantId")) && (o.has("clientSecret") || o.has("password"))
}

// recognise returns the one form that matches.
func recognise(top object, explicit string) (form, error) {
	var found []form
	for _, f := range forms() {
		if f.match(top) {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return form{}, problem.New(problem.Invalid, "the credentials file has none of the known shapes: it has %s; expected is the JSON"+
			" of aws iam create-access-key, aws sts assume-role, an mc alias or a Google Cloud service account%s", top.names(), ask(explicit))
	}
	if len(found) > 1 {
		var names []string
		for _, f := range found {
			names = append(names, f.name)
		}
		if explicit == "" {
			return form{}, problem.New(problem.Invalid, "the credentials file may be %s: say which with --sink-type", strings.Join(names, " or "))
		}
		found = slices.DeleteFunc(found, func(f form) bool { return f.sinkType != explicit })
		if len(found) != 1 {
			return form{}, problem.New(problem.Invalid, "the credentials file may be %s, and --sink-type %s does not decide it: keep one of them in the file",
				strings.Join(names, " or "), explicit)
		}
	}
	if found[0].read == nil {
		return form{}, problem.New(problem.Invalid, "the credentials file is %s, and there is no sink for Azure: use S3 or Google Cloud Storage", found[0].name)
	}
	return found[0], nil
}

func ask(explicit string) string {
	if explicit == "" {
		return " (--sink-type S3 or --sink-type GCLOUD says which is meant)"
	}
	return ""
}

func readAccessKey(c *Credential, top object, _ []byte, _ time.Time) error {
	key := top.object("AccessKey")
	if err := key.take("AccessKey.", field{"AccessKeyId", &c.AccessKeyID}, field{"SecretAccessKey", &c.SecretAccessKey}); err != nil {
		return err
	}
	if strings.EqualFold(key.str("Status"), "Inactive") {
		c.Warning = "the access key was inactive when the file was written; the store will refuse it until it is activated"
	}
	return nil
}

func readSession(c *Credential, top object, _ []byte, now time.Time) error {
	session := top.object("Credentials")
	var expires string
	if err := session.take("Credentials.", field{"AccessKeyId", &c.AccessKeyID}, field{"SecretAccessKey", &c.SecretAccessKey},
		field{"SessionToken", &c.SessionToken}, field{"Expiration", &expires}); err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, expires)
	if err != nil {
		return problem.New(problem.Invalid, "the credentials file: Credentials.Expiration is not a time like 2021-04-08T08:19:33Z")
	}
	c.Expires = at.UTC()
	when := c.Expires.Format(time.RFC3339)
	switch left := at.Sub(now); {
	case left <= 0:
		c.Warning = "the temporary credentials expired at " + when
	case left < expirySoon:
		c.Warning = "the temporary credentials expire soon, at " + when + "; exports stop then until new ones are given"
	default:
		c.Warning = "the credentials are temporary and expire at " + when
	}
	return nil
}

func readAlias(c *Credential, top object, _ []byte, _ time.Time) error {
	return top.take("", field{"url", &c.Endpoint}, field{"accessKey", &c.AccessKeyID}, field{"secretKey", &c.SecretAccessKey})
}

func readServiceAccount(c *Credential, top object, text []byte, _ time.Time) error {
	var project, key string
	if err := top.take("", field{"project_id", &project}, field{"client_email", &c.clientEmail}, field{"private_key", &key}); err != nil {
		return err
	}
	if !strings.Contains(key, "PRIVATE KEY-----") {
		return problem.New(problem.Invalid, "the credentials file: private_key is not a key in PEM form (P12 keys are not supported)")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return syntaxError(text, err)
	}
	c.GCSJSON = compact.Bytes()
	return nil
}

// object is a JSON object, its values still to be read.
type object map[string]json.RawMessage

func (o object) has(name string) bool { _, ok := o[name]; return ok }

// object returns the object under a name, nil if there is none.
func (o object) object(name string) object {
	var inner object
	if json.Unmarshal(o[name], &inner) != nil {
		return nil
	}
	return inner
}

func (o object) isObject(name string) bool { return o.object(name) != nil }

// str returns the string under a name, "" if there is none.
func (o object) str(name string) string {
	var s string
	if json.Unmarshal(o[name], &s) != nil {
		return ""
	}
	return s
}

type field struct {
	name string
	into *string
}

// take reads strings that must be there; it names all that are missing.
func (o object) take(path string, fields ...field) error {
	var bad []error
	for _, f := range fields {
		var s string
		switch {
		case !o.has(f.name):
			bad = append(bad, errors.New(path+f.name+" is missing"))
		case json.Unmarshal(o[f.name], &s) != nil:
			bad = append(bad, errors.New(path+f.name+" is not a string"))
		case strings.TrimSpace(s) == "":
			bad = append(bad, errors.New(path+f.name+" is empty"))
		case placeholder(s):
			bad = append(bad, errors.New(path+f.name+" is a placeholder in angle brackets"))
		case strings.ContainsFunc(s, unicode.IsControl) && f.name != "private_key":
			bad = append(bad, errors.New(path+f.name+" holds a control character"))
		default:
			*f.into = strings.TrimSpace(s)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	var texts []string
	for _, err := range bad {
		texts = append(texts, err.Error())
	}
	return problem.New(problem.Invalid, "the credentials file: %s", strings.Join(texts, ", "))
}

// placeholder reports a value such as "<your access key>", copied from a page.
func placeholder(s string) bool {
	s = strings.TrimSpace(s)
	return strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">")
}

// names lists the top-level keys that are safe to show: names a person gave to
// fields, not something that may be a value in the wrong place.
func (o object) names() string {
	var names []string
	for name := range o {
		if len(name) > 40 || strings.ContainsFunc(name, func(r rune) bool {
			return r != '_' && r != '-' && !unicode.IsLetter(r)
		}) {
			name = "(another key)"
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return "no keys at all"
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > 8 {
		names = append(names[:8], "...")
	}
	return "the keys " + strings.Join(names, ", ")
}
