package s3fault

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"time"
)

// Kind says how a request fails.
type Kind uint8

// The kinds.
const (
	None       Kind = iota
	Drop            // the connection ends without an answer
	Reset           // the connection is reset when half of the body has come
	Internal        // 500 InternalError
	Busy            // 503 SlowDown
	Conflict        // 409 ConditionalRequestConflict
	ErrorIn200      // 200 with an <Error> document as body
	Answer          // Fault.Status and Fault.Code
)

// Fault is what happens to one request.
type Fault struct {
	Kind   Kind
	After  bool          // the request is carried out first, its real answer is lost
	Delay  time.Duration // before anything else happens
	Status int           // of Answer
	Code   string        // of Answer
}

// Decide chooses the fault of a request. It must be safe for concurrent use.
type Decide func(Request) Fault

// Rates are probabilities between 0 and 1, tried in this order; their sum must
// not exceed 1. The JSON form serves to configure another process.
type Rates struct {
	Seed          uint64  `json:"seed"`
	Drop          float64 `json:"drop"`           // dropped before anything happens
	LostAnswer    float64 `json:"lost_answer"`    // carried out, then dropped
	Reset         float64 `json:"reset"`          // reset in the middle of the body
	Internal      float64 `json:"internal"`       // 500, not carried out
	InternalAfter float64 `json:"internal_after"` // 500, though carried out
	Busy          float64 `json:"busy"`           // 503, not carried out
	BusyAfter     float64 `json:"busy_after"`     // 503, though carried out
	Conflict      float64 `json:"conflict"`       // 409
	ErrorIn200    float64 `json:"error_in_200"`
	Slow          float64 `json:"slow"`        // answered after SlowMS
	SlowMS        int     `json:"slow_ms"`     // milliseconds
	Actions       string  `json:"actions"`     // comma separated; empty: s3:PutObject
	MaxPerKey     int     `json:"max_per_key"` // requests of a key after the first so many succeed; 0: no limit
}

// ReadRates reads the JSON form and refuses what it does not know.
func ReadRates(r io.Reader) (Rates, error) {
	var rates Rates
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&rates); err != nil {
		return Rates{}, fmt.Errorf("fault rates: %w", err)
	}
	sum := 0.0
	for _, s := range rates.steps() {
		if s.rate < 0 {
			return Rates{}, fmt.Errorf("fault rates: %v is negative", s.rate)
		}
		sum += s.rate
	}
	if sum > 1 {
		return Rates{}, fmt.Errorf("fault rates: the sum is %v, more than 1", sum)
	}
	return rates, nil
}

type step struct {
	rate  float64
	fault Fault
}

func (r Rates) steps() []step {
	return []step{
		{r.Drop, Fault{Kind: Drop}},
		{r.LostAnswer, Fault{Kind: Drop, After: true}},
		{r.Reset, Fault{Kind: Reset}},
		{r.Internal, Fault{Kind: Internal}},
		{r.InternalAfter, Fault{Kind: Internal, After: true}},
		{r.Busy, Fault{Kind: Busy}},
		{r.BusyAfter, Fault{Kind: Busy, After: true}},
		{r.Conflict, Fault{Kind: Conflict}},
		{r.ErrorIn200, Fault{Kind: ErrorIn200}},
		{r.Slow, Fault{Delay: time.Duration(r.SlowMS) * time.Millisecond}},
	}
}

// Decide returns the decision function. It depends on the seed and on the
// request's action, key and number alone, not on the order of arrival, so
// concurrent runs with the same requests meet the same faults.
func (r Rates) Decide() Decide {
	actions := strings.Split(r.Actions, ",")
	if r.Actions == "" {
		actions = []string{"s3:PutObject"}
	}
	wanted := map[string]bool{}
	for _, a := range actions {
		wanted[a] = true
	}
	steps := r.steps()
	return func(q Request) Fault {
		if !wanted[q.Action] || (r.MaxPerKey > 0 && q.N >= r.MaxPerKey) {
			return Fault{}
		}
		x := chance(r.Seed, q)
		for _, s := range steps {
			if x < s.rate {
				return s.fault
			}
			x -= s.rate
		}
		return Fault{}
	}
}

// chance hashes a request to a number in [0, 1).
func chance(seed uint64, q Request) float64 {
	h := fnv.New64a()
	// A hash never fails to write.
	_, _ = fmt.Fprintf(h, "%d|%s|%s|%s|%d", seed, q.Action, q.Bucket, q.Key, q.N)
	x := h.Sum64()
	x ^= x >> 33 // FNV mixes its last bytes badly into the high bits
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}
