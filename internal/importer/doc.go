// Package importer is the flow that brings event files from buckets into
// streams: it learns of files, reads each version of each once, appends the
// rows that hold and reports on all of them. docs/design/0011-imports.md.
package importer
