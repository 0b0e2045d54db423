package awsdouble

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"hash/crc32"
	"net/http"
	"slices"
	"strings"
)

const sseHeader, keyHeader = "X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"

func (c *Cloud) s3(w http.ResponseWriter, r *http.Request, name, k string, body []byte) {
	b := c.buckets[name]
	if b != nil {
		w.Header().Set("X-Amz-Bucket-Region", b.region)
	}
	by, region, bad := c.authenticate(r, body, "s3")
	switch {
	case bad != nil:
	case b == nil:
		bad = &fault{404, "NoSuchBucket", "The specified bucket does not exist"}
	case region != b.region && r.Method != http.MethodHead:
		bad = &fault{400, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region '" + region + "' is wrong; expecting '" + b.region + "'"}
	case k == "":
		bad = c.askBucket(w, r, by, b, name)
	case r.Method == http.MethodPut:
		bad = c.put(w, r, by, b, name, k, body)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		bad = c.get(w, r, by, b, name, k)
	default:
		bad = &fault{501, "NotImplemented", "this double knows no such request"}
	}
	if bad == nil {
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(bad.status)
	if r.Method == http.MethodHead {
		return
	}
	write(w, struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
	}{Code: bad.code, Message: bad.text})
}

func (c *Cloud) askBucket(w http.ResponseWriter, r *http.Request, by caller, b *bucket, name string) *fault {
	a := ask{action: "s3:ListBucket", resource: "arn:aws:s3:::" + name}
	located := r.Method == http.MethodGet && r.URL.Query().Has("location")
	listed := r.Method == http.MethodGet && r.URL.Query().Get("list-type") == "2"
	switch {
	case located:
		a.action = "s3:GetBucketLocation"
	case r.Method != http.MethodHead && !listed:
		return &fault{501, "NotImplemented", "this double knows no such request"}
	}
	if !c.decided(by, a, mayUse(by, a, b.policy, b.owner)) {
		return notAuthorized(by, a)
	}
	if listed {
		b.list(w, name, r.URL.Query().Get("prefix"))
	}
	if located {
		write(w, struct {
			XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
			Region  string   `xml:",chardata"`
		}{Region: b.region})
	}
	return nil
}

func notAuthorized(by caller, a ask) *fault {
	return &fault{403, "AccessDenied", "User: " + by.arn + " is not authorized to perform: " + a.action + " on resource: \"" + a.resource + "\" because no policy allows the " + a.action + " action"}
}

// put decides as AWS documents it: the action, then the key, then the condition.
func (c *Cloud) put(w http.ResponseWriter, r *http.Request, by caller, b *bucket, name, k string, body []byte) *fault {
	a := ask{action: "s3:PutObject", resource: "arn:aws:s3:::" + name + "/" + k, keys: map[string][]string{"aws:securetransport": {"false"}}}
	for header, condition := range map[string]string{
		sseHeader: "s3:x-amz-server-side-encryption", keyHeader: "s3:x-amz-server-side-encryption-aws-kms-key-id", "If-None-Match": "s3:if-none-match",
	} {
		if v := r.Header.Get(header); v != "" {
			a.keys[condition] = []string{v}
		}
	}
	if !c.decided(by, a, mayUse(by, a, b.policy, b.owner)) {
		return notAuthorized(by, a)
	}
	for _, more := range []string{"X-Amz-Acl", "X-Amz-Tagging"} {
		if r.Header.Get(more) != "" {
			return &fault{501, "NotImplemented", "this double does not know " + more}
		}
	}
	o := Object{
		Body: body, Encryption: r.Header.Get(sseHeader), KMSKey: r.Header.Get(keyHeader), PutBy: by.arn,
		ContentType: r.Header.Get("Content-Type"), ContentCode: r.Header.Get("Content-Encoding"),
	}
	if o.Encryption == "" {
		o.Encryption, o.KMSKey = b.encryption, b.key
	}
	if bad := c.encrypt(by, b, &o); bad != nil {
		return bad
	}
	if _, taken := b.objects[k]; taken && r.Header.Get("If-None-Match") == "*" {
		return &fault{412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
	}
	if want := r.Header.Get("X-Amz-Checksum-Crc32"); want != "" &&
		want != base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body))) {
		return &fault{400, "BadDigest", "The CRC32 you specified did not match what we received."}
	}
	b.store(k, &o)
	w.Header().Set("ETag", o.ETag)
	w.Header().Set(sseHeader, o.Encryption)
	return nil
}

// encrypt asks KMS for a data key. The account's own key for S3 is free to all
// who may write to the bucket.
func (c *Cloud) encrypt(by caller, b *bucket, o *Object) *fault {
	switch {
	case o.Encryption == "AES256" && o.KMSKey == "":
		return nil
	case o.Encryption != "aws:kms":
		return &fault{400, "InvalidEncryptionAlgorithmError", "The encryption request you specified is not valid. The valid value is AES256."}
	case o.KMSKey == "":
		return nil
	}
	k := c.findKey(o.KMSKey, by.account)
	switch {
	case k == nil:
		return &fault{400, "KMS.NotFoundException", "Key '" + o.KMSKey + "' does not exist"}
	case k.disabled:
		return &fault{400, "KMS.DisabledException", k.arn + " is disabled."}
	}
	o.KMSKey = k.arn
	a := ask{action: "kms:GenerateDataKey", resource: k.arn, keys: map[string][]string{
		"kms:resourcealiases": k.aliases, "kms:viaservice": {"s3." + b.region + ".amazonaws.com"},
	}}
	if !c.decided(by, a, mayByLeave(by, a, k.policy, k.account)) {
		return &fault{403, "AccessDenied", "User: " + by.arn + " is not authorized to perform: kms:GenerateDataKey on resource: " + k.arn + " because no policy allows the kms:GenerateDataKey action"}
	}
	return nil
}

// findKey knows ARNs; ids and aliases are those of the caller's account.
func (c *Cloud) findKey(name, account string) *key {
	for _, k := range c.keys {
		mine := k.account == account && (strings.HasSuffix(k.arn, ":key/"+name) || slices.Contains(k.aliases, name))
		if k.arn == name || mine {
			return k
		}
	}
	return nil
}
