// Package arch holds the import rules of ARCHITECTURE.md as a test. It parses
// imports in its own process: a test that asked another program would be
// answered from the test cache after a violation was planted.
package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "strm"

// layers, bottom first. A package imports only lower rows, nothing beside it,
// but for the exceptions below. Every package under internal must be placed.
var layers = [][]string{
	{"problem", "durable", "jsonscan", "jsontoken", "keyname", "lzo", "inflate"},
	{"stream", "credential", "seal", "columns", "airbyte/protocol", "airbyte/paths", "awsauth"},
	{"eventlog", "format", "layout", "objstore", "policy", "notice", "airbyte/config", "eventfile", "record", "secrets"},
	{"catalog", "ingest", "exporter", "retention", "format/envelope", "airbyte", "importer", "node"},
	{
		"eventlog/embedded", "eventlog/kafka", "format/jsonl", "format/csv", "format/parquet", "catalog/sqlite", "catalog/postgres",
		"objstore/s3", "objstore/gcs", "objstore/dir", "objstore/mem", "objstore/faulty", "objstore/s3server",
		"notice/sns", "notice/sqs",
		"record/registry",
		"collect/body", "collect/split/flags",
	},
	{"api/apiv1", "simulate", "collect/answer", "collect/segment/rawlog", "collect/split/wire"},
	{"builtin", "control", "collect/events", "collect/segment", "collect/split", "collect/notices", "apiclient", "migrate"},
	{"api"},
	{"server", "cli/render", "cli/upload", "cli/download"},
	{"cli"},
}

// adapters may use their own port and the vocabulary, nothing else of ours.
var adapterPorts = map[string][]string{
	"eventlog/embedded": {"eventlog", "stream", "problem", "durable"},
	"eventlog/kafka":    {"eventlog", "record", "stream", "problem"},
	"format/jsonl":      {"format", "format/envelope", "stream", "problem"},
	"format/csv":        {"format", "format/envelope", "columns", "jsonscan", "stream", "problem"},
	"format/parquet":    {"format", "format/envelope", "columns", "jsonscan", "lzo", "stream", "problem"},
	"format/envelope":   {"format", "columns", "jsonscan", "stream", "problem"},
	"columns":           {"jsonscan", "problem"},
	"jsonscan":          {},
	"lzo":               {},
	"inflate":           {},
	"catalog/sqlite":    {"catalog", "stream", "problem", "durable"},
	"catalog/postgres":  {"catalog", "problem"},
	"objstore/s3":       {"objstore", "awsauth"},
	"objstore/gcs":      {"objstore"},
	"objstore/dir":      {"objstore"},
	"objstore/mem":      {"objstore"},
	"objstore/faulty":   {"objstore"},
	"objstore/s3server": {},
	"objstore":          {"problem"},
	"exporter":          {"eventlog", "format", "layout", "objstore", "stream", "problem"},
	"ingest":            {"eventlog", "stream", "problem", "jsontoken"},
	"retention":         {"eventlog", "stream", "problem"},
	"catalog":           {"eventlog", "notice", "stream", "problem", "durable"},
	"apiclient":         {"api/apiv1", "problem"},
	"secrets":           {"seal", "durable", "problem"},
	"policy":            {"stream", "problem"},
	"notice":            {"problem"},
	"notice/sns":        {"notice", "problem"},
	"eventfile":         {"jsonscan", "jsontoken", "lzo", "stream"},
	"node":              {"stream"},
	"record":            {"jsontoken", "problem"},
	"record/registry":   {"jsontoken", "record", "problem"},
	"importer":          {"eventfile", "eventlog", "notice", "objstore", "stream", "problem"},
	"notice/sqs":        {"notice", "awsauth", "problem"},
	"awsauth":           {},
	"simulate":          {},
	"cli/download":      {"api/apiv1"},
	"api/apiv1":         {},
	"airbyte":           {"airbyte/config", "airbyte/paths", "airbyte/protocol", "columns", "format", "objstore", "stream", "problem"},
	"airbyte/config":    {"airbyte/paths", "credential", "stream", "problem"},
	"airbyte/paths":     {"keyname", "problem"},
	"keyname":           {},
	"layout":            {"keyname", "stream", "problem"},
	"airbyte/protocol":  {"jsonscan", "problem"},

	"collect/body":           {},
	"collect/segment/rawlog": {"eventlog", "problem", "jsontoken"},
	"collect/split/wire":     {"stream", "problem", "jsonscan"},
	"collect/split/flags":    {"stream", "problem", "jsonscan"},
}

// testOnly packages hold suites and doubles; no shipped package imports them.
var testOnly = []string{"eventlog/eventlogtest", "format/formattest", "objstore/objstoretest", "catalog/catalogtest", "ingest/ingesttest", "control/controltest", "objstore/s3server/s3fault", "sim", "arch"}

// owners are the only packages that may import a library.
var owners = map[string][]string{
	"github.com/aws/aws-sdk-go-v2":        {"objstore/s3", "awsauth", "notice/sqs"},
	"cloud.google.com/go/storage":         {"objstore/gcs"},
	"github.com/cockroachdb/pebble/v2":    {"eventlog/embedded"},
	"github.com/twmb/franz-go":            {"eventlog/kafka", "record/registry"},
	"database/sql":                        {"catalog", "catalog/sqlite", "catalog/postgres", "catalog/catalogtest"},
	"github.com/jackc/pgx/v5":             {"catalog/postgres"},
	"modernc.org/sqlite":                  {"catalog/sqlite"},
	"github.com/johannesboyne/gofakes3":   {"objstore/s3server"},
	"github.com/spf13/cobra":              {"cli"},
	"github.com/danielgtaylor/huma/v2":    {"api"},
	"github.com/tink-crypto/tink-go/v2":   {"seal"},
	"github.com/parquet-go/parquet-go":    {"format/parquet"},
	"github.com/anchore/go-lzo":           {"lzo"},
	"github.com/prometheus/client_golang": {"server"},
	"github.com/twmb/franz-go/pkg/sr":     {"record/registry"},
	"github.com/hamba/avro/v2":            {"record/registry"},
	"testing":                             testOnly,
}

func TestEveryPackageImportsOnlyWhatItsLayerAllows(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	placed := map[string]int{}
	for i, row := range layers {
		for _, p := range row {
			placed[p] = i
		}
	}
	isTest := map[string]bool{}
	for _, p := range testOnly {
		isTest[p] = true
	}
	seen := map[string]bool{}
	for pkg, imports := range shippedImports(t, filepath.Join(root, "internal")) {
		seen[pkg] = true
		if isTest[pkg] {
			continue
		}
		at, ok := placed[pkg]
		if !ok {
			t.Errorf("internal/%s is not placed: give it a row in this test and in ARCHITECTURE.md", pkg)
			continue
		}
		allowed, narrow := adapterPorts[pkg]
		for imp := range imports {
			checkOwner(t, pkg, imp)
			ours, ok := strings.CutPrefix(imp, module+"/internal/")
			if !ok {
				continue
			}
			switch {
			case isTest[ours]:
				t.Errorf("internal/%s imports %s, which is for tests only", pkg, ours)
			case placed[ours] >= at:
				t.Errorf("internal/%s (row %d) imports %s (row %d), which is not below it", pkg, at, ours, placed[ours])
			case narrow && !contains(allowed, ours):
				t.Errorf("internal/%s imports %s; it may import only %v", pkg, ours, allowed)
			}
		}
	}
	for _, p := range testOnly {
		if !seen[p] && p != "arch" { // which has tests alone
			t.Errorf("internal/%s is listed but does not exist", p)
		}
	}
	for p := range placed {
		if !seen[p] {
			t.Errorf("internal/%s is placed but does not exist", p)
		}
	}
}

func checkOwner(t *testing.T, pkg, imp string) {
	t.Helper()
	for lib, who := range owners {
		if (imp == lib || strings.HasPrefix(imp, lib+"/")) && !contains(who, pkg) {
			t.Errorf("internal/%s imports %s; only %v may", pkg, imp, who)
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// shippedImports returns the imports of each package's files that are not tests.
func shippedImports(t *testing.T, dir string) map[string]map[string]bool {
	t.Helper()
	out := map[string]map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(dir, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg = filepath.ToSlash(pkg)
		if out[pkg] == nil {
			out[pkg] = map[string]bool{}
		}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			out[pkg][p] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
