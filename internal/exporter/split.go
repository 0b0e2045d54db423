package exporter

import (
	"context"

	"strm/internal/layout"
	"strm/internal/stream"
)

// splitRaw is how much must wait for each of several batches that are planned at once,
// about: smaller objects are worth no second pair of hands.
const splitRaw = 32 << 20

// handsPerNode is how many batches are planned at once for each node that lives.
const handsPerNode = 2

// share is a run of partitions [from, to) that become one batch.
type share struct{ from, to int }

// shares divides what waits between next and ends among hands, by contiguous
// partitions with about as many offsets each. w is the survey of one batch, of which the
// size of all that waits is told. One share, or none, means that one batch is best.
func shares(next, ends stream.Position, w waiting, l limits, hands int) []share {
	var total int64
	busy := 0
	for p := range ends {
		if n := int64(ends[p] - next[p]); n > 0 {
			total += n
			busy++
		}
	}
	if w.events <= 0 {
		return nil
	}
	// Blocks may be larger than they were where the survey stopped, or smaller.
	scale := max(1, float64(total)/float64(w.events))
	n := int(float64(w.raw) * scale / float64(min(l.raw, splitRaw)))
	if l.packed > 0 {
		n = max(n, int(float64(w.packed)*scale/float64(l.packed)))
	}
	if l.events > 0 {
		n = max(n, int(float64(w.events)*scale/float64(l.events)))
	}
	n = min(n, hands, busy)
	if n < 2 {
		return nil
	}
	var out []share
	var had int64
	from := 0
	for p := range ends {
		had += max(0, int64(ends[p]-next[p]))
		if had*int64(n) >= total*int64(len(out)+1) || p == len(ends)-1 {
			out = append(out, share{from, p + 1})
			from = p + 1
		}
	}
	return out
}

// surveyShares surveys every share on its own, within the limits of a batch each.
func (r *Runner) surveyShares(ctx context.Context, e stream.Exporter, ends stream.Position, all []share, div layout.Division) ([][]stream.BlockHeader, error) {
	var out [][]stream.BlockHeader
	for _, s := range all {
		to := e.Next.Clone()
		copy(to[s.from:s.to], ends[s.from:s.to])
		blocks, _, err := survey(ctx, r.log, e.StreamID, e.Next, to, limitsOf(e.Cut), div)
		if err != nil {
			return nil, err
		}
		if len(blocks) > 0 {
			out = append(out, blocks)
		}
	}
	return out, nil
}
