//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"strm/test/harness"
)

// without is the policy without the one statement that allows an action.
func (p printed) without(t *testing.T, action string) string {
	t.Helper()
	rest := slices.DeleteFunc(slices.Clone(p.doc.Statement), func(s map[string]any) bool { return s["Action"] == action })
	if len(rest) != len(p.doc.Statement)-1 {
		t.Fatalf("not one statement allows %s:\n%s", action, p.text)
	}
	b, err := json.Marshal(map[string]any{"Version": p.doc.Version, "Statement": rest})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// importsUnderPolicy imports under the printed policy alone, and finds each action
// named that is taken from it. paste sets the policy; the owner uploads. Where all
// is given back, what was left is imported.
func importsUnderPolicy(t *testing.T, s *strm, name, endpoint string, key accessKey, owner client, principal string, paste func(policy string)) {
	t.Helper()
	s.run(t, "create", "batch-importer", name, "--bucket", name, "--endpoint", endpoint, "--path-style", "--credentials-file", keyFile(t, key),
		"--environment", importedEnvironment, "--prefix", "events/", "--status-folder", "statuses", "--list-every", "1s", "--report-every", "1s", "--include-existing-files")
	dir, files := t.TempDir(), 0
	upload := func() (object string) {
		type event struct {
			Environment string `parquet:"environmentId"`
			Traffic     string `parquet:"trafficTypeId"`
			Type        string `parquet:"eventTypeId"`
			Key         string `parquet:"key"`
			Timestamp   int64  `parquet:"timestamp"`
		}
		var body bytes.Buffer
		if err := parquet.Write(&body, []event{{importedEnvironment, "t", "buy", "u", 1795161463647}}); err != nil {
			t.Fatal(err)
		}
		object = fmt.Sprintf("events/part-%d.parquet", files)
		files++
		file := filepath.Join(dir, filepath.Base(object))
		write(t, file, body.String())
		owner.aws(t, "s3", "cp", "--only-show-errors", file, "s3://"+name+"/"+object)
		return object
	}
	// says waits until strm says words of the importer, the file or its report.
	says := func(object string, words ...string) {
		t.Helper()
		err := harness.Poll(t.Context(), 5*time.Minute, 200*time.Millisecond, fmt.Sprintf("%s: %q", object, words), func(ctx context.Context) (bool, string, error) {
			all, err := s.cli.Run(ctx, "get", "batch-importer", name, "-o", "json")
			if err != nil {
				return false, "", err
			}
			page, err := s.cli.Run(ctx, "list", "imports", name, "--prefix", object, "-o", "json")
			if err != nil {
				return false, "", err
			}
			var list struct{ Imports []struct{ ID int64 } }
			if err := json.Unmarshal([]byte(page), &list); err != nil {
				return false, "", err
			}
			if len(list.Imports) > 0 {
				one, err := s.cli.Run(ctx, "get", "import", fmt.Sprint(list.Imports[0].ID), "-o", "json")
				if err != nil {
					return false, "", err
				}
				all += one
			}
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(all, w) }), all, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	done := []string{`"acceptedRows": 1,`, `"key": "statuses/`, `"unreportedFiles": 0`}
	first := upload()
	says(first, "missing permission s3:ListBucket")
	policy := s.policy(t, name, "bucket", "--principal", principal)
	paste(policy.text)
	says(first, done...)
	for _, action := range []string{"s3:ListBucket", "s3:GetObject", "s3:PutObject"} {
		paste(policy.without(t, action))
		object := upload()
		says(object, "missing permission "+action+" on arn:aws:s3:::"+name)
		paste(policy.text)
		says(object, done...)
	}
	if n := len(s.storedRows(t, name)); n != files {
		t.Errorf("%d rows are stored of %d", n, files)
	}
}
