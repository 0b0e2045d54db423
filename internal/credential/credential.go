// Package credential reads the credentials files that people have: what
// "aws iam create-access-key" or "aws sts assume-role" printed, an alias of mc,
// a service account's key of Google Cloud. Which one it is shows in its shape.
//
// A Credential never shows its secrets by printing, logging or JSON.
package credential

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// Shape is a form of credentials file.
type Shape string

// The shapes.
const (
	AWSAccessKey      Shape = "aws-access-key" // aws iam create-access-key
	AWSSession        Shape = "aws-session"    // aws sts assume-role and the like
	MCAlias           Shape = "mc-alias"       // an alias of the MinIO client
	GCPServiceAccount Shape = "gcp-service-account"
	AmbientAWS        Shape = "ambient" // no file: the server's own environment
)

// The types of sink a credential is good for.
const (
	S3  = "S3"
	GCS = "GCLOUD"
)

// Credential is what a credentials file said.
type Credential struct {
	Shape    Shape
	SinkType string // S3 or GCS

	AccessKeyID     string // S3
	SecretAccessKey string // S3, secret
	SessionToken    string // S3, temporary credentials alone, secret
	Expires         time.Time
	Endpoint        string // S3, mc alias: the store's URL

	GCSJSON     []byte // GCS: the file itself, comments removed, secret
	clientEmail string

	// Warning, if not empty, tells a person of a doubt: an inactive key,
	// credentials that expire.
	Warning string
}

// Ambient returns the credential of an S3 sink without a file: the chain of the
// AWS SDK in the server's environment.
func Ambient() Credential { return Credential{Shape: AmbientAWS, SinkType: S3} }

// Principal names the identity in public: the access key id or the service
// account's address; empty for ambient credentials.
func (c Credential) Principal() string {
	if c.SinkType == GCS {
		return c.clientEmail
	}
	return c.AccessKeyID
}

// String describes the credential without its secrets.
func (c Credential) String() string {
	if p := c.Principal(); p != "" {
		return fmt.Sprintf("%s %s", c.Shape, p)
	}
	return string(c.Shape)
}

// GoString is String, so that %#v shows no more.
func (c Credential) GoString() string { return "credential.Credential{" + c.String() + "}" }

// Format is String for every verb.
func (c Credential) Format(s fmt.State, verb rune) {
	text := c.String()
	if verb == 'v' && s.Flag('#') {
		text = c.GoString()
	}
	// A writer of fmt has no use for an error.
	_, _ = fmt.Fprint(s, text)
}

// LogValue implements slog.LogValuer.
func (c Credential) LogValue() slog.Value {
	return slog.GroupValue(slog.String("shape", string(c.Shape)), slog.String("principal", c.Principal()))
}

// MarshalJSON shows shape, type and principal alone. To store a credential,
// seal the file it came from.
func (c Credential) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Shape     Shape  `json:"shape"`
		SinkType  string `json:"sinkType"`
		Principal string `json:"principal,omitempty"`
		Warning   string `json:"warning,omitempty"`
	}{c.Shape, c.SinkType, c.Principal(), c.Warning})
}
