package awsdouble

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// store keeps an object, with what the store says of it.
func (b *bucket) store(key string, o *Object) {
	sum := md5.Sum(o.Body)
	o.ETag, o.Modified = `"`+hex.EncodeToString(sum[:])+`"`, time.Now().UTC()
	if b.versions {
		b.puts++
		o.VersionID = fmt.Sprintf("version-%d", b.puts)
	}
	b.objects[key] = *o
}

// get answers GetObject and HeadObject. A version is another action, and who may
// not list is not told that there is no such object.
func (c *Cloud) get(w http.ResponseWriter, r *http.Request, by caller, b *bucket, name, k string) *fault {
	version := r.URL.Query().Get("versionId")
	a := ask{action: "s3:GetObject", resource: "arn:aws:s3:::" + name + "/" + k}
	if version != "" {
		a.action = "s3:GetObjectVersion"
	}
	if !c.decided(by, a, mayUse(by, a, b.policy, b.owner)) {
		return notAuthorized(by, a)
	}
	o, ok := b.objects[k]
	if !ok {
		list := ask{action: "s3:ListBucket", resource: "arn:aws:s3:::" + name}
		if !c.decided(by, list, mayUse(by, list, b.policy, b.owner)) {
			return notAuthorized(by, list)
		}
		return &fault{404, "NoSuchKey", "The specified key does not exist."}
	}
	match := r.Header.Get("If-Match")
	switch {
	case version != "" && version != o.VersionID:
		return &fault{404, "NoSuchVersion", "The specified version does not exist."}
	case match != "" && match != o.ETag:
		return &fault{412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
	}
	if key := c.keys[o.KMSKey]; key != nil && r.Method == http.MethodGet {
		a := ask{action: "kms:Decrypt", resource: key.arn, keys: map[string][]string{
			"kms:resourcealiases": key.aliases, "kms:viaservice": {"s3." + b.region + ".amazonaws.com"},
		}}
		if !c.decided(by, a, mayByLeave(by, a, key.policy, key.account)) {
			return &fault{403, "AccessDenied", "User: " + by.arn + " is not authorized to perform: kms:Decrypt on resource: " + key.arn + " because no policy allows the kms:Decrypt action"}
		}
	}
	w.Header().Set("ETag", o.ETag)
	w.Header().Set("Last-Modified", o.Modified.Format(http.TimeFormat))
	w.Header().Set("Content-Length", strconv.Itoa(len(o.Body)))
	if o.VersionID != "" {
		w.Header().Set("X-Amz-Version-Id", o.VersionID)
	}
	if r.Method == http.MethodGet {
		// A reader that goes away early is its own affair.
		_, _ = w.Write(o.Body)
	}
	return nil
}

// list answers a listing, all of it in one page.
func (b *bucket) list(w http.ResponseWriter, name, prefix string) {
	type contents struct {
		Key, LastModified, ETag string
		Size                    int
	}
	var out struct {
		XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name     string
		Prefix   string
		KeyCount int
		Contents []contents
	}
	out.Name, out.Prefix = name, prefix
	for _, k := range slices.Sorted(maps.Keys(b.objects)) {
		if o := b.objects[k]; strings.HasPrefix(k, prefix) {
			out.Contents = append(out.Contents, contents{k, o.Modified.Format("2006-01-02T15:04:05.000Z"), o.ETag, len(o.Body)})
		}
	}
	out.KeyCount = len(out.Contents)
	write(w, out)
}
