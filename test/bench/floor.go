package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/tidwall/gjson"
)

// floorMain is the floor: the least that this job can cost in one Go process.
func floorMain(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("floor", flag.ExitOnError)
	file := fs.String("file", "", "NDJSON file")
	url := fs.String("url", "", "URL that the objects' names are put behind")
	zip := fs.Bool("gzip", false, "compress with level 1")
	maxBytes := fs.Int64("max-bytes", 64<<20, "raw bytes per object")
	if err := fs.Parse(args); err != nil {
		return err
	}
	f, err := os.Open(*file)
	if err != nil {
		return err
	}
	n, err := floor(ctx, f, *url, *zip, *maxBytes)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = fmt.Println(n)
	return err
}

// floor returns the number of events that it delivered.
func floor(ctx context.Context, in io.Reader, url string, zip bool, maxBytes int64) (int, error) {
	r := bufio.NewReaderSize(in, 1<<20)
	var body bytes.Buffer
	var zw *gzip.Writer
	var out io.Writer = &body
	if zip {
		var err error
		if zw, err = gzip.NewWriterLevel(&body, 1); err != nil {
			return 0, err
		}
		out = zw
	}
	var raw int64
	var events, objects int
	send := func() error {
		if raw == 0 {
			return nil
		}
		if zip {
			if err := zw.Close(); err != nil {
				return err
			}
		}
		err := putObject(ctx, fmt.Sprintf("%s-%06d", url, objects), bytes.NewReader(body.Bytes()), int64(body.Len()))
		body.Reset()
		if zip {
			zw.Reset(&body)
		}
		objects++
		raw = 0
		return err
	}
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return events, send()
		}
		if err != nil {
			return events, fmt.Errorf("line %d: %w", events+1, err)
		}
		if !gjson.ValidBytes(line[:len(line)-1]) {
			return events, fmt.Errorf("line %d is not JSON", events+1)
		}
		if raw+int64(len(line)) > maxBytes {
			if err := send(); err != nil {
				return events, err
			}
		}
		if _, err := out.Write(line); err != nil {
			return events, err
		}
		raw += int64(len(line))
		events++
	}
}

// putObject PUTs size bytes as a new object.
func putObject(ctx context.Context, url string, body io.Reader, size int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, body)
	if err != nil {
		return err
	}
	req.ContentLength = size
	req.Header.Set("If-None-Match", "*")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("put %s: HTTP %d", url, resp.StatusCode)
	}
	return nil
}
