// Package airbyte proves the Airbyte destination as a platform sees it: the
// command itself, configuration and catalog in files, messages over its standard
// streams, and what is then in the bucket, read back by other means than it was
// written. The scenarios are those of the protocol's own acceptance suite for
// object storage, and some of ours.
package airbyte
