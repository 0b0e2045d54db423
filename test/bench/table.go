package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// The aims, checked with -check.
const (
	aimRatio   = 1.6   // CPU of strm .jsonl.gz against its floor
	aimPeak    = 200e6 // bytes, for every case of strm
	aimParquet = 1.1   // CPU of Parquet out and in against the better of DuckDB and pyarrow

	aimImportPeak = 300e6 // bytes, for Parquet in

	aimFlat = 1.25 // CPU per event of more partitions, exporters or nodes against fewer

	aimIdle = 1.0 / 100 // of one core, for the idle exporters, with and without the trickle
)

// row is a case with its medians.
type row struct {
	kase
	perM    float64 // CPU seconds per million events
	rate    float64 // events/s until delivered (acknowledged where there is no exporter)
	peak    int64
	objects int64
	out     int64
	p50     time.Duration
	p99     time.Duration
}

// median returns the middle of what get says of the samples.
func median[S any, T cmp.Ordered](samples []S, get func(S) T) T {
	vs := make([]T, 0, len(samples))
	for _, s := range samples {
		vs = append(vs, get(s))
	}
	slices.Sort(vs)
	return vs[len(vs)/2]
}

func makeRow(k kase, events int, samples []sample) row {
	return row{
		kase:    k,
		perM:    median(samples, func(s sample) float64 { return s.cpu.Seconds() }) / float64(events) * 1e6,
		rate:    float64(events) / median(samples, func(s sample) float64 { return s.took.Seconds() }),
		peak:    median(samples, func(s sample) int64 { return s.peak }),
		objects: median(samples, func(s sample) int64 { return s.objects }),
		out:     median(samples, func(s sample) int64 { return s.out }),
		p50:     median(samples, func(s sample) time.Duration { return s.client.P50 }),
		p99:     median(samples, func(s sample) time.Duration { return s.client.P99 }),
	}
}

// ratio returns the CPU against the floor; 0 where there is none.
func ratio(rows []row, i int) float64 {
	if rows[i].beside < 0 {
		return 0
	}
	return rows[i].perM / rows[rows[i].beside].perM
}

func printTable(w io.Writer, rows []row) error {
	var b bytes.Buffer
	fmt.Fprintln(&b, "case\tevents/s\tCPU s/M events\tx floor\tpeak MB\tobjects\tMB out\tack p50 ms\tack p99 ms\t")
	for i, r := range rows {
		if r.perM == 0 {
			continue // not asked for
		}
		against, p50, p99 := "", "", ""
		if x := ratio(rows, i); x > 0 {
			against = fmt.Sprintf("%.2f", x)
		}
		if !r.floor {
			p50, p99 = millis(r.p50), millis(r.p99)
		}
		fmt.Fprintf(&b, "%-26s\t%.0f\t%.2f\t%s\t%.0f\t%d\t%.1f\t%s\t%s\t\n",
			r.name, r.rate, r.perM, against, float64(r.peak)/1e6, r.objects, float64(r.out)/1e6, p50, p99)
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	_, err := tw.Write(b.Bytes())
	return errors.Join(err, tw.Flush())
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()*1e3) }

func (s idleSample) print(w io.Writer, window time.Duration) error {
	_, err := fmt.Fprintf(w, "idle, CPU s in %v: no exporter %.2f; %d exporters without events %.2f; the same with one event a second elsewhere %.2f; peak %.0f MB; %d exporters made in %.1f s\n",
		window, s.none.Seconds(), s.exporters, s.quiet.Seconds(), s.trickle.Seconds(), float64(s.peak)/1e6, s.exporters, s.made.Seconds())
	return err
}

// missed lists the aims that were not reached.
func missed(rows []row, idle *idleSample, window time.Duration) []string {
	var out []string
	for i, r := range rows {
		if r.floor {
			continue
		}
		if x := ratio(rows, i); r.compression == "gzip" && !r.meta && !r.keys && r.segment == "" && x > aimRatio {
			out = append(out, fmt.Sprintf("%s: %.2f x the floor's CPU, at most %.1f is the aim", r.name, x, aimRatio))
		}
		if float64(r.peak) > aimPeak {
			out = append(out, fmt.Sprintf("%s: peak memory %.0f MB, at most %.0f is the aim", r.name, float64(r.peak)/1e6, aimPeak/1e6))
		}
	}
	if idle == nil {
		return out
	}
	for name, cpu := range map[string]time.Duration{"without events": idle.quiet, "beside a trickle": idle.trickle} {
		if share := cpu.Seconds() / window.Seconds(); share > aimIdle {
			out = append(out, fmt.Sprintf("%d exporters %s: %.1f %% of a core, at most %.0f %% is the aim", idle.exporters, name, share*100, aimIdle*100))
		}
	}
	slices.Sort(out)
	return out
}
