package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// impressions writes impressions as sources of kind split store them: some
// servers that send properties and say what machine they are, many browsers
// that do neither.
func impressions(w io.Writer, n int) error {
	r := rand.New(rand.NewPCG(14, 30))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var b []byte
	for i := range n {
		at := 1795161717000 + int64(i)*3
		flag := r.IntN(200)
		b = fmt.Appendf(b[:0], `{"key":"user-%08x-%08x","label":"%s","treatment":"%s","splitName":"checkout_button_color_%d","splitVersion":%d,"properties":"`,
			r.Uint32(), r.Uint32(), pick("default rule", "in segment beta_testers", "in split new_checkout treatment [on]", "not in split", "country in list [\\\"NL\\\"]"),
			pick("on", "off", "control"), flag, 1700000000000+int64(flag)*7919)
		server := r.IntN(3) > 0
		if server {
			b = fmt.Appendf(b, `{\"plan\":\"%s\",\"country\":\"%s\",\"age\":%d,\"device\":\"%s\",\"session\":\"%08x\",\"trial\":%t}`,
				pick("free", "pro", "team"), pick("DE", "NL", "US", "FR"), r.IntN(90), pick("phone", "desktop"), r.Uint32(), r.IntN(2) == 0)
		}
		b = fmt.Appendf(b, `","environmentId":"0f1e2d3c-aaaa-bbbb-cccc-00112233445%d","trafficTypeId":"d7c2f1a0-1111-2222-3333-44556677889%d",`, r.IntN(3), r.IntN(4))
		if server {
			b = fmt.Appendf(b, `"sdk":"%s","sdkVersion":"6.%d.1","machineName":"ip-10-0-%d-%d","machineIp":"10.0.%d.%d",`, pick("go", "nodejs", "java"), r.IntN(9), r.IntN(8), r.IntN(250), r.IntN(8), r.IntN(250))
		} else {
			b = fmt.Appendf(b, `"sdk":"browserjs","sdkVersion":"1.7.%d","machineName":null,"machineIp":null,`, r.IntN(3))
		}
		b = fmt.Appendf(b, `"timestamp":%d,"receptionTimestamp":%d,"impressionsMode":"%s"}`+"\n", at-r.Int64N(60_000), at, pick("DEBUG", "OPTIMIZED"))
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// impressionFiles writes the impressions below dir, as they are and as gzip.
func impressionFiles(dir string, n int) (plain, packed string, err error) {
	plain, packed = dir+"/impressions.ndjson", dir+"/impressions.json.gz"
	f, err := os.Create(plain)
	if err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	g, err := os.Create(packed)
	if err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	z, err := gzip.NewWriterLevel(g, gzip.BestSpeed)
	if err != nil {
		return "", "", err
	}
	w := bufio.NewWriterSize(io.MultiWriter(f, z), 1<<20)
	return plain, packed, errors.Join(impressions(w, n), w.Flush(), z.Close())
}
