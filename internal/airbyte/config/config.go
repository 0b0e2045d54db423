// Package config reads the configuration of the Airbyte destination: the keys
// of Airbyte's S3 destination, which are Tarsal's too, and some of our own. It
// does no I/O.
package config

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"strm/internal/airbyte/paths"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Spec is the answer to "spec": what Parse takes, as a JSON Schema with
// Airbyte's hints for a form.
//
//go:embed spec.json
var Spec json.RawMessage

// Config is a configuration that has passed every check that needs no store.
// Printing it shows the bucket alone.
type Config struct {
	Bucket   string
	Region   string // empty: to be found
	Endpoint string // URL; empty: AWS

	AccessKeyID     string // empty: the environment's credentials
	SecretAccessKey string // secret
	RoleARN         string // assumed by the environment's credentials
	ExternalID      string // empty: AWS_ASSUME_ROLE_EXTERNAL_ID may have one

	Path         string // before all keys, without slashes at its ends; may hold variables
	Paths        *paths.Template
	StreamPrefix string // before the name of every stream
	Output       stream.Output
	Flat         bool // the output has columns, so it needs each stream's schema

	ID             string        // which destination marks on objects name; see IDIsGiven
	IDIsGiven      bool          // by the user; else it is derived from the place and the names
	CheckOverwrite bool          // check tests also what overwriting needs
	AssumeComplete bool          // the end of the input counts as COMPLETE where no status was sent
	Flush          time.Duration // a state waits at most so long, also while records come
	FileBytes      int64         // bytes of records in a file, before compression
	Warnings       []string      // what is odd but possible
}

// Format lets fmt print the bucket and nothing else: no secret gets into a log
// by accident.
func (c *Config) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "airbyte config of bucket %s", c.Bucket)
}

// Parse reads a configuration. Keys it does not know are accepted, null is as
// good as absent. Errors are of kind Invalid, name the key and say how to mend
// it; they never repeat a secret.
func Parse(text []byte) (*Config, error) {
	v, err := objectOf(text)
	if err != nil {
		return nil, err
	}
	c := &Config{}
	for _, read := range []func(*values) error{c.place, c.access, c.format, c.names, c.ours} {
		if err := read(v); err != nil {
			return nil, err
		}
		if v.err != nil {
			return nil, v.err
		}
	}
	return c, nil
}

// ours reads the keys that Airbyte does not have, but for those of names and
// columns.
func (c *Config) ours(v *values) error {
	c.CheckOverwrite = v.boolean("check_overwrite", false)
	c.AssumeComplete = v.boolean("assume_complete_at_eof", false)
	seconds := v.number("flush_interval_seconds", 30)
	if seconds < 1 || seconds > 3600 {
		return problem.New(problem.Invalid, "flush_interval_seconds must be between 1 and 3600")
	}
	c.Flush = time.Duration(seconds) * time.Second
	mb := v.number("file_size_mb", 200)
	if mb < 1 || mb > 4096 {
		return problem.New(problem.Invalid, "file_size_mb must be between 1 and 4096: an object is one upload")
	}
	c.FileBytes = mb * 1000 * 1000
	c.ID = v.text("destination_id")
	c.IDIsGiven = c.ID != ""
	if !c.IDIsGiven {
		c.ID = c.derivedID(v)
	}
	for i := range len(c.ID) {
		if c.ID[i] <= ' ' || c.ID[i] > '~' || len(c.ID) > 128 {
			return problem.New(problem.Invalid, "destination_id must have at most 128 ASCII characters and no spaces")
		}
	}
	return nil
}

// derivedID names the place and the names: two configurations that could write
// the same key have the same.
func (c *Config) derivedID(v *values) string {
	sum := sha256.New()
	for _, part := range []string{
		c.Endpoint, c.Bucket, c.Path, v.text("s3_path_format"), v.text("file_name_pattern"), v.text("layout"), c.StreamPrefix,
	} {
		_, _ = fmt.Fprintf(sum, "%q\n", part) // a hash takes everything
	}
	return "d" + hex.EncodeToString(sum.Sum(nil)[:12])
}
