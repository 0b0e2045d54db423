package awsdouble

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Cloud is the whole of it. Safe for concurrent use. Unless told otherwise,
// accounts are 12 digits, and the region of keys is that of the cloud.
type Cloud struct {
	Region string // of keys, and of STS

	mu       sync.Mutex
	now      func() time.Time
	life     time.Duration // of sessions, at most
	users    map[string]*user
	roles    map[string]*role    // by ARN
	buckets  map[string]*bucket  // by name
	keys     map[string]*key     // by ARN
	access   map[string]*session // by access key id
	calls    []Call
	sessions int
}

type user struct {
	caller
	AccessKey
}

type role struct {
	arn, account string
	trust        document
	policy       document
	revoked      int // sessions up to this number are no longer valid
}

type bucket struct {
	owner, region string
	policy        document
	encryption    string // default: AES256 or aws:kms
	key           string
	versions      bool
	puts          int               // while there are versions
	objects       map[string]Object // with versions, the latest of each key
}

type key struct {
	arn, account string
	aliases      []string
	policy       document
	disabled     bool
}

// session is what an access key stands for.
type session struct {
	AccessKey
	user *user // nil for a role's session
	role *role
	name string
	n    int
	ends time.Time
}

// AccessKey is a key pair, with a token if it is temporary.
type AccessKey struct{ ID, Secret, Token string }

// Object is what was put.
type Object struct {
	Body                     []byte
	Encryption, KMSKey       string
	ContentType, ContentCode string
	PutBy                    string // ARN of who put it; empty for Upload
	ETag, VersionID          string
	Modified                 time.Time
}

// Call is a decision about an action.
type Call struct {
	Action, Resource, By string
	Allowed              bool
}

// New returns an empty cloud.
func New(region string) *Cloud {
	return &Cloud{
		Region: region, now: time.Now, life: 12 * time.Hour, users: map[string]*user{}, roles: map[string]*role{},
		buckets: map[string]*bucket{}, keys: map[string]*key{}, access: map[string]*session{},
	}
}

// SetClock sets the clock that sessions end by.
func (c *Cloud) SetClock(now func() time.Time) { c.locked(func() { c.now = now }) }

// LimitSessions makes new sessions end after so long at most.
func (c *Cloud) LimitSessions(d time.Duration) { c.locked(func() { c.life = d }) }

func (c *Cloud) locked(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
}

// AddUser makes a user without permissions and returns its ARN and key.
func (c *Cloud) AddUser(account, name string) (arn string, k AccessKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	arn = "arn:aws:iam::" + account + ":user/" + name
	k = AccessKey{ID: fmt.Sprintf("AKIAUSER%012d", len(c.users)), Secret: "user/secret+" + name}
	u := &user{caller{arn: arn, account: account}, k}
	c.users[arn] = u
	c.access[k.ID] = &session{AccessKey: k, user: u}
	return arn, k
}

// AddRole makes a role that nobody may assume and returns its ARN.
func (c *Cloud) AddRole(account, name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	arn := "arn:aws:iam::" + account + ":role/" + name
	c.roles[arn] = &role{arn: arn, account: account}
	return arn
}

// AddBucket makes an empty bucket.
func (c *Cloud) AddBucket(account, name, region string) {
	c.locked(func() {
		c.buckets[name] = &bucket{owner: account, region: region, encryption: "AES256", objects: map[string]Object{}}
	})
}

// AddKey makes a key that nobody may use and returns its ARN.
func (c *Cloud) AddKey(account, id string, aliases ...string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	arn := "arn:aws:kms:" + c.Region + ":" + account + ":key/" + id
	c.keys[arn] = &key{arn: arn, account: account, aliases: aliases}
	return arn
}

// SetPolicy sets the policy of the user, role or key with that ARN, or of the
// bucket of that name, in place of the one it had; "" for none.
func (c *Cloud) SetPolicy(of, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var into *document
	k := resourcePolicy
	switch {
	case c.users[of] != nil:
		into, k = &c.users[of].policy, identityPolicy
	case c.roles[of] != nil:
		into, k = &c.roles[of].policy, identityPolicy
	case c.keys[of] != nil:
		into = &c.keys[of].policy
	case c.buckets[of] != nil:
		into = &c.buckets[of].policy
	default:
		return fmt.Errorf("there is no %s", of)
	}
	return set(into, text, k)
}

// SetTrust sets the trust policy of a role.
func (c *Cloud) SetTrust(roleARN, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.roles[roleARN]
	if r == nil {
		return fmt.Errorf("there is no %s", roleARN)
	}
	return set(&r.trust, text, trustPolicy)
}

func set(into *document, text string, k kind) error {
	if text == "" {
		*into = nil
		return nil
	}
	d, err := parse(text, k)
	if err == nil {
		*into = d
	}
	return err
}

// SetEncryption sets a bucket's default encryption: AES256, or aws:kms with the
// ARN of a key.
func (c *Cloud) SetEncryption(name, algorithm, keyARN string) {
	c.locked(func() { c.buckets[name].encryption, c.buckets[name].key = algorithm, keyARN })
}

// SetVersions gives objects that come from now on versions. Only the latest of
// each key can be read.
func (c *Cloud) SetVersions(name string) { c.locked(func() { c.buckets[name].versions = true }) }

// Upload puts an object as the bucket's owner does, who may everything.
func (c *Cloud) Upload(name, key string, body []byte) {
	c.locked(func() {
		b := c.buckets[name]
		b.store(key, &Object{Body: body, Encryption: b.encryption, KMSKey: b.key})
	})
}

// Disable switches a key off.
func (c *Cloud) Disable(keyARN string) { c.locked(func() { c.keys[keyARN].disabled = true }) }

// Revoke makes the sessions that a role has at the moment invalid.
func (c *Cloud) Revoke(roleARN string) { c.locked(func() { c.roles[roleARN].revoked = c.sessions }) }

// Objects returns a copy of what a bucket holds, by key.
func (c *Cloud) Objects(name string) map[string]Object {
	out := map[string]Object{}
	c.locked(func() {
		for k, o := range c.buckets[name].objects {
			out[k] = o
		}
	})
	return out
}

// Calls returns the decisions so far.
func (c *Cloud) Calls() (out []Call) {
	c.locked(func() { out = slices.Clone(c.calls) })
	return out
}

// decided notes a decision and passes it on.
func (c *Cloud) decided(by caller, a ask, allowed bool) bool {
	c.calls = append(c.calls, Call{a.action, a.resource, by.arn, allowed})
	return allowed
}

// ServeHTTP answers S3 requests, path style, and those to STS at "/".
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err != nil {
		return // the client went away: nobody listens
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Method == http.MethodPost && r.URL.Path == "/" {
		c.sts(w, r, body)
		return
	}
	name, k, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	c.s3(w, r, name, k, body)
}
