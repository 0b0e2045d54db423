// Package policy writes the least AWS policies under which the exporters and
// importers of a sink can do their work. It is pure: it talks to nobody and knows no account
// but what it is told.
package policy

import (
	"slices"
	"strings"

	"strm/internal/problem"
	"strm/internal/stream"
)

// Version is the language of the documents; the older one knows no escapes.
const Version = "2012-10-17"

// Document is a policy as AWS reads it.
type Document struct {
	Version   string      `json:"Version"`
	Statement []Statement `json:"Statement"`
}

// Statement is one of its rules.
type Statement struct {
	Sid       string                       `json:"Sid"`
	Effect    string                       `json:"Effect"`
	Principal *Principal                   `json:"Principal,omitempty"`
	Action    string                       `json:"Action"`
	Resource  []string                     `json:"Resource,omitempty"`
	Condition map[string]map[string]string `json:"Condition,omitempty"`
}

// Principal says whom a rule is for.
type Principal struct {
	AWS     string `json:"AWS,omitempty"`     // an ARN, or "*"
	Service string `json:"Service,omitempty"` // one of AWS's services, instead
}

// Keys is what an exporter's layout and format make of keys.
type Keys struct {
	Constant string // directories that every key begins with below the prefixes, with their slash; or empty
	Ext      string // what every key ends in, without the leading dot
	Encrypt  bool   // the layout asks for encryption where the sink does not say
	Look     bool   // others may have the keys, so who writes must be able to see whose an object is
}

// Writer is one exporter of the sink.
type Writer struct {
	PathPrefix string
	Keys       Keys
}

// Request is what policies are wanted for.
type Request struct {
	Sink stream.Sink
	// Writers are the exporters; none, and no importers, stands for one with the
	// defaults that is still to come.
	Writers   []Writer
	Importers []Importer
	// Principal is the ARN of who holds the sink's credentials; empty if nobody
	// said, then a placeholder stands in.
	Principal string
	// KMSKey is the key of the bucket's default encryption, where the sink
	// itself names none.
	KMSKey string
	// Enforce adds the statements that refuse uploads without encryption.
	Enforce bool
}

// Set holds the documents; those that are of no use here are nil.
type Set struct {
	IAM    *Document // identity policy of who writes: the role, else the principal
	Bucket *Document // policy of the bucket; the alternative to IAM within one account, and needed besides it across accounts
	KMS    *Document // statement to add to the policy of the key
	Trust  *Document // trust policy of the role
	Assume *Document // identity policy of the principal, which lets it assume the role
	Topic  *Document // statements to add to the policies of the importers' topics
	Queue  *Document // statements to add to the policies of the importers' queues
	Notes  []Note
}

// Note is something the reader of documents must know.
type Note struct {
	For  []string // names of the documents it is about, the constants below
	Text string
}

// Names of the documents.
const (
	IAM    = "iam"
	Bucket = "bucket"
	KMS    = "kms"
	Trust  = "trust"
	Assume = "assume"
	Topic  = "topic"
	Queue  = "queue"
)

// Placeholder stands for a principal that nobody named.
const Placeholder = "arn:aws:iam::ACCOUNT_ID:user/USER_NAME"

// For returns the policies. Errors have kind Invalid.
func For(r Request) (Set, error) {
	if r.Sink.Type != stream.SinkS3 {
		return Set{}, problem.New(problem.Invalid, "policies are made for S3 sinks; sink %s is of type %s", r.Sink.Name, r.Sink.Type)
	}
	if r.Principal != "" && !strings.HasPrefix(r.Principal, "arn:") {
		return Set{}, problem.New(problem.Invalid, "principal %q: give an ARN, such as %s", r.Principal, Placeholder)
	}
	var s Set
	part := Partition(r.Sink.KnownRegion())
	holder := r.Principal
	if holder == "" {
		holder = strings.Replace(Placeholder, "arn:aws:", "arn:"+part+":", 1)
	}
	writer := holder
	if r.Sink.Role.ARN != "" {
		writer = r.Sink.Role.ARN
		s.Trust = trust(r.Sink.Role, holder)
		s.Assume = document(Statement{Sid: "StrmAssume", Effect: "Allow", Action: "sts:AssumeRole", Resource: []string{r.Sink.Role.ARN}})
		if r.Sink.Role.ExternalID == "" {
			s.note("the role asks for no external id; set one (--external-id) if the account that assumes it is not yours", Trust)
		}
	}
	s.IAM, s.Bucket = document(), document()
	if len(r.Writers) > 0 || len(r.Importers) == 0 {
		put := Statement{Sid: "StrmWrite", Effect: "Allow", Action: "s3:PutObject", Resource: resources(part, r)}
		s.IAM.Statement = append(s.IAM.Statement, put)
		put.Principal = &Principal{AWS: writer}
		s.Bucket.Statement = append(s.Bucket.Statement, put)
	}
	s.look(part, writer, r)
	if len(r.Importers) > 0 {
		s.importing(part, r, writer)
	}

	key := r.Sink.KMSKey
	if key == "" {
		key = r.KMSKey
	}
	if key != "" {
		s.KMS = document()
		actions := [][2]string{{"StrmEncrypt", "kms:GenerateDataKey"}}
		if len(r.Importers) > 0 {
			actions = append(actions, [2]string{"StrmDecrypt", "kms:Decrypt"})
		}
		for _, a := range actions {
			use := keyStatement(part, r.Sink, key)
			use.Sid, use.Action = a[0], a[1]
			s.IAM.Statement = append(s.IAM.Statement, use)
			s.KMS.Statement = append(s.KMS.Statement, Statement{Sid: a[0], Effect: "Allow", Principal: &Principal{AWS: writer}, Action: a[1], Resource: []string{"*"}})
		}
		s.note("add the kms statement to those that the key's policy has; in their place, nobody could manage the key any more", KMS)
	}
	if r.Enforce {
		deny, err := denyPlain(part, r)
		if err != nil {
			return Set{}, err
		}
		s.Bucket.Statement = append(s.Bucket.Statement, deny...)
	}
	if r.Principal == "" {
		about := []string{Bucket, KMS}
		if s.Trust != nil {
			about = []string{Trust} // the role is who writes
		}
		s.note("nobody said who holds the sink's credentials: put the ARN in the place of "+holder+", or give --principal", about...)
	}
	if len(r.Writers) == 0 && len(r.Importers) == 0 {
		s.note("sink "+r.Sink.Name+" has no batch exporter yet: the policies are for one with the default layout and no path prefix", IAM, Bucket)
	}
	return s, nil
}

// look lets who writes see whose an object is that has one of its keys.
func (s *Set) look(part, writer string, r Request) {
	r.Writers = slices.DeleteFunc(slices.Clone(r.Writers), func(w Writer) bool { return !w.Keys.Look })
	if len(r.Writers) == 0 {
		return
	}
	get := Statement{Sid: "StrmRecognise", Effect: "Allow", Action: "s3:GetObject", Resource: resources(part, r)}
	s.IAM.Statement = append(s.IAM.Statement, get)
	get.Principal = &Principal{AWS: writer}
	s.Bucket.Statement = append(s.Bucket.Statement, get)
	s.note("s3:GetObject is for layouts whose keys have no {batch} (tarsal, airbyte): where such a key is taken, strm sees whether the object is its own. "+
		"Without it a batch whose upload had no answer waits for somebody to look", IAM, Bucket)
}

func (s *Set) note(text string, about ...string) { s.Notes = append(s.Notes, Note{about, text}) }

func document(s ...Statement) *Document { return &Document{Version, s} }

func trust(role stream.Role, holder string) *Document {
	s := Statement{Sid: "StrmAssume", Effect: "Allow", Principal: &Principal{AWS: holder}, Action: "sts:AssumeRole"}
	if role.ExternalID != "" {
		s.Condition = map[string]map[string]string{"StringEquals": {"sts:ExternalId": role.ExternalID}}
	}
	return document(s)
}

// area is where an exporter writes: below a directory, keys with an ending.
type area struct {
	dir, ext string
	all      bool // everything in the directory may pass, whatever its ending; ext is empty
}

// covers reports whether what lets a pass lets b pass too.
func (a area) covers(b area) bool {
	return strings.HasPrefix(b.dir, a.dir) && (a.all || !b.all && strings.HasSuffix("."+b.ext, "."+a.ext))
}

// resources returns the ARNs of all that the exporters write, their validation
// objects included: the constant directories of the layout, else by extension,
// as the vendors' own pages have it. As * stands for slashes too, one may cover
// another, which is then left out.
func resources(part string, r Request) []string {
	writers := r.Writers
	if len(writers) == 0 {
		writers = []Writer{{Keys: Keys{Ext: "jsonl"}}}
	}
	var areas []area
	for _, w := range writers {
		a := area{dir: stream.JoinPrefix(r.Sink.Prefix, w.PathPrefix), ext: w.Keys.Ext, all: w.Keys.Constant != ""}
		if a.dir != "" {
			a.dir += "/"
		}
		a.dir += w.Keys.Constant
		if a.all {
			a.ext = ""
		}
		if !slices.Contains(areas, a) {
			areas = append(areas, a)
		}
	}
	var out []string
	for _, a := range areas {
		if slices.ContainsFunc(areas, func(b area) bool { return a != b && b.covers(a) }) {
			continue
		}
		keys := "*." + a.ext
		if a.all {
			keys = "*"
		}
		arn := "arn:" + part + ":s3:::" + r.Sink.Bucket + "/" + escape(a.dir) + keys
		if !slices.Contains(out, arn) {
			out = append(out, arn)
		}
	}
	slices.Sort(out)
	return out
}

// escape makes text mean itself in a resource, where *, ? and $ mean more.
func escape(text string) string {
	return strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}").Replace(text)
}

// denyPlain returns the statements that refuse every upload to the bucket
// without the encryption that the sink asks for.
func denyPlain(part string, r Request) ([]Statement, error) {
	header := ""
	switch r.Sink.Encryption {
	case stream.EncryptSSES3:
		header = "AES256"
	case stream.EncryptSSEKMS:
		header = "aws:kms"
	case stream.EncryptByLayout:
		// Status reports carry a header only where the sink asks for one.
		if len(r.Writers) > 0 && len(r.Importers) == 0 && !slices.ContainsFunc(r.Writers, func(w Writer) bool { return !w.Keys.Encrypt }) {
			header = "AES256"
		}
	case stream.EncryptByBucket:
	}
	if header == "" {
		return nil, problem.New(problem.Invalid, "a bucket policy that enforces encryption would refuse what sink %s writes, as it sends no encryption header: "+
			"first strm update sink %s --encryption SSE-S3", r.Sink.Name, r.Sink.Name)
	}
	const name = "s3:x-amz-server-side-encryption"
	deny := Statement{Effect: "Deny", Principal: &Principal{AWS: "*"}, Action: "s3:PutObject", Resource: []string{"arn:" + part + ":s3:::" + r.Sink.Bucket + "/*"}}
	wrong, missing := deny, deny
	wrong.Sid, wrong.Condition = "DenyIncorrectEncryptionHeader", map[string]map[string]string{"StringNotEquals": {name: header}}
	missing.Sid, missing.Condition = "DenyUnEncryptedObjectUploads", map[string]map[string]string{"Null": {name: "true"}}
	return []Statement{wrong, missing}, nil
}
