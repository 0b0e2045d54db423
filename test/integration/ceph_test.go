//go:build integration

package integration

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strm/test/harness"
)

// ceph is a running radosgw, the S3, IAM and STS server of Ceph, with the
// smallest cluster below it: one monitor and one OSD that keeps its data in
// memory. It is the one server here that knows condition keys and roles.
type ceph struct {
	url, dir string
	env      []string
}

const (
	// kmsKey is the one key that radosgw's key server for tests has.
	kmsKey = "testkey-1"
	// cephAccount is the tenant of all users: that of the user in the policies
	// of the Segment seed, so that these hold as they are printed.
	cephAccount = "107630771604"
)

const cephConf = `[global]
fsid = %[1]s
mon host = v2:%[2]s/0
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms mon cluster mode = crc
ms mon service mode = crc
ms bind ipv4 = true
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
paxos propose interval = 0.05
paxos min wait = 0.01
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
mon data avail crit = 0
osd crush chooseleaf type = 0
osd pool default pg num = 4
osd pool default pg autoscale mode = off
mon max pg per osd = 4000
run dir = %[4]s
admin socket = %[4]s/$name.$pid.asok
pid file = %[4]s/$name.pid
log file = %[4]s/$name.log
mon cluster log file = %[4]s/cluster.log
osd class dir = %[5]s/rados-classes
erasure code dir = %[5]s/ceph/erasure-code
plugin dir = %[5]s/ceph
[mon.a]
mon data = %[4]s/mon
[osd.0]
osd data = %[4]s/osd
osd objectstore = memstore
memstore device bytes = 1073741824
[client.rgw]
rgw frontends = beast endpoint=%[3]s
rgw sts key = abcdefghijklmnop
rgw s3 auth use sts = true
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = %[6]s
`

// startCeph starts the three processes and waits until radosgw serves.
func startCeph(t *testing.T) *ceph {
	t.Helper()
	root := filepath.Join(tools, "radosgw")
	libs, err := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-gnu"))
	if err != nil || len(libs) != 1 {
		t.Fatalf("the libraries of radosgw: %q, %v", libs, err)
	}
	lib, dir := libs[0], shortDir(t)
	for _, sub := range []string{"mon", "osd"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	const fsid, osd = "6d1e4c1a-98b7-4d65-9c2f-0f3f1d1a7b01", "6d1e4c1a-98b7-4d65-9c2f-0f3f1d1a7b02"
	mon, rgw := freeAddr(t), freeAddr(t)
	key := kmsKey + "=" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	conf := filepath.Join(dir, "ceph.conf")
	write(t, conf, fmt.Sprintf(cephConf, fsid, mon, rgw, dir, lib, key))
	c := &ceph{url: "http://" + rgw, dir: dir, env: harness.Env("CEPH_CONF="+conf,
		"LD_LIBRARY_PATH="+lib+":"+filepath.Join(lib, "ceph")+":"+filepath.Join(root, "lib", filepath.Base(lib)))}

	monmap, osdmap := filepath.Join(dir, "monmap"), filepath.Join(dir, "osdmap")
	c.run(t, "monmaptool", "--create", "--fsid", fsid, "--addv", "a", "[v2:"+mon+"]", monmap)
	// A map that knows the OSD from the start spares the command line of Ceph.
	c.run(t, "osdmaptool", "--createsimple", "1", osdmap)
	c.run(t, "ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--osdmap", osdmap)
	c.start(t, "ceph-mon", "-f", "-i", "a").listens(t, mon)
	c.run(t, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
	c.start(t, "ceph-osd", "-f", "-i", "0")
	c.start(t, "radosgw", "-f", "-n", "client.rgw").listens(t, rgw)
	return c
}

func (c *ceph) bin(name string) string { return filepath.Join(tools, "radosgw", "usr", "bin", name) }

func (c *ceph) start(t *testing.T, name string, args ...string) *tool {
	t.Helper()
	return startTool(t, filepath.Join(c.dir, name+".out"), c.env, c.bin(name), args...)
}

// run runs one of Ceph's programs, which must succeed within a minute.
func (c *ceph) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := runTool(t, 10*time.Minute, c.env, c.bin(name), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// user makes a user that may do nothing but own buckets.
func (c *ceph) user(t *testing.T, uid string, more ...string) accessKey {
	t.Helper()
	args := append([]string{"-n", "client.rgw", "user", "create", "--tenant", cephAccount, "--uid", uid, "--display-name", uid}, more...)
	var doc struct {
		Keys []struct {
			AccessKey string `json:"access_key"`
			SecretKey string `json:"secret_key"`
		} `json:"keys"`
	}
	if out := c.run(t, "radosgw-admin", args...); json.Unmarshal([]byte(out), &doc) != nil || len(doc.Keys) != 1 {
		t.Fatalf("radosgw-admin user create: %s", out)
	}
	return accessKey{UserName: uid, Status: "Active", AccessKeyID: doc.Keys[0].AccessKey, SecretAccessKey: doc.Keys[0].SecretKey}
}

// as acts with a user's keys; region: radosgw takes any.
func (c *ceph) as(k accessKey) client {
	return client{endpoint: c.url, region: "us-east-1", key: k.AccessKeyID, secret: k.SecretAccessKey}
}

// userARN names a user in policies.
func (c *ceph) userARN(uid string) string { return "arn:aws:iam::" + cephAccount + ":user/" + uid }

func (c *ceph) roleARN(name string) string { return "arn:aws:iam::" + cephAccount + ":role/" + name }

// role are the calls that make a role which one principal may assume.
func (c *ceph) role(t *testing.T, name, principal string, may ...map[string]any) []asked {
	t.Helper()
	return []asked{
		to("iam", "create_role", "RoleName", name, "AssumeRolePolicyDocument", document(t, stmt("Allow", arns(principal), "sts:AssumeRole", "", nil))),
		to("iam", "put_role_policy", "RoleName", name, "PolicyName", "p", "PolicyDocument", document(t, may...)),
	}
}
