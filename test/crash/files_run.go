package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"strm/internal/api/apiv1"
	"strm/test/harness"
	"strm/test/traffic"
)

// setUpFiles makes the importer.
func (r *crashRun) setUpFiles(ctx context.Context) error {
	_, err := r.CLI.Run(ctx, "create", "batch-importer", imported, "--sink", "s3", "--environment", environment, "--prefix", filesPrefix,
		"--status-folder", statusFolder, "--list-every", "1s", "--report-every", "1s")
	return err
}

// settleFiles waits until the last version of every file is imported, and all
// that came of files is reported, and delivers the events.
func (r *crashRun) settleFiles(ctx context.Context) error {
	err := harness.Poll(ctx, settleWithin, 100*time.Millisecond, "the files to be imported and reported on", func(ctx context.Context) (bool, string, error) {
		imports, err := r.imports(ctx)
		if err != nil {
			return false, "", err
		}
		done := map[string]bool{}
		for _, i := range imports {
			if i.State == "done" {
				done[i.Key+i.ETag] = true
			}
		}
		waiting := 0
		for _, o := range r.Store.List(filesPrefix) {
			if !done[o.Key+o.ETag()] {
				waiting++
			}
		}
		var i apiv1.Importer
		if err := r.CLI.Call(ctx, http.MethodGet, "/v1/batch-importers/"+imported, nil, &i); err != nil {
			return false, "", err
		}
		state := fmt.Sprintf("%d files are to come, %+v", waiting, i.Status)
		return waiting == 0 && i.Status.WaitingFiles == 0 && i.Status.Unreported == 0, state, nil
	})
	if err != nil {
		return err
	}
	if err := ofFiles.Create(ctx, r.CLI); err != nil {
		return err
	}
	return traffic.Settle(ctx, r.CLI, []traffic.Exporter{ofFiles}, settleWithin)
}

// busy waits until files have been noticed that are not done, two seconds at most.
func (r *crashRun) busy(ctx context.Context) {
	// Whatever goes wrong, the round goes on: it is only about a good moment.
	_ = harness.Poll(ctx, 2*time.Second, 5*time.Millisecond, "files to be noticed", func(ctx context.Context) (bool, string, error) {
		var i apiv1.Importer
		err := r.CLI.Call(ctx, http.MethodGet, "/v1/batch-importers/"+imported, nil, &i)
		return err == nil && i.Status.WaitingFiles > 0, "", nil
	})
}

// imports returns the ledger of imports, page after page.
func (r *crashRun) imports(ctx context.Context) (all []apiv1.Import, err error) {
	for before := int64(0); ; {
		var page struct {
			Imports []apiv1.Import `json:"imports"`
			Next    int64          `json:"next"`
		}
		path := "/v1/imports?importer=" + imported
		if before != 0 {
			path += fmt.Sprintf("&before=%d", before)
		}
		if err := r.CLI.Call(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Imports...)
		if page.Next == 0 || page.Next == before {
			return all, nil
		}
		before = page.Next
	}
}

// judgeFiles compares what was uploaded with what came of it.
func (r *crashRun) judgeFiles(ctx context.Context) error {
	imports, err := r.imports(ctx)
	if err != nil {
		return err
	}
	objects := r.Store.List(ofFiles.Name + "/")
	v := judgeFiles(r.files.versions, objects, r.Store.List(statusFolder+"/"), imports)
	r.result.files = v
	return errors.Join(v.err(), r.Account(ctx, ofFiles.Name, objects, v.events))
}
