package sim

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"testing/cryptotest"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// defaultRuns keeps the package within seconds; make sim does more.
const defaultRuns = 4

func TestSimulation(t *testing.T) {
	first, runs := uint64(1), number(t, "STRM_SIM_RUNS", defaultRuns)
	if seed := number(t, "STRM_SIM_SEED", 0); seed != 0 {
		first, runs = seed, 1
	}
	for seed := first; seed < first+runs; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, seed) // ids of exporters are in the keys
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { simulate(t, seed, dir) })
			if t.Failed() {
				t.Logf("replay: STRM_SIM_SEED=%d go test -count=1 -run TestSimulation ./internal/sim", seed)
			}
		})
	}
}

func number(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// simulate is one run: trouble, then calm, then the count.
func simulate(t *testing.T, seed uint64, dir string) {
	w := newWorld(t, seed, dir)
	supervised := make(chan struct{})
	go func() {
		defer close(supervised)
		w.supervise()
	}()
	w.setUp()
	w.act()
	w.calmDown()
	w.settle()
	c := newCount(w)
	c.everything()
	close(w.over)
	<-supervised
	w.log("%s", c.summary())
}
