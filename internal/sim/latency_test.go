package sim

import (
	"testing"
	"time"
)

func TestLatScratch(t *testing.T) {
	for _, c := range LatencyCases() {
		start := time.Now()
		l, err := MeasureLatency(c, 1, 150*time.Second, 60*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(c.Name, "mean", l.Mean, "p50", l.P50, "p99", l.P99, "floor", l.Floor, l.Blocks, l.Rounds, l.Active, time.Since(start))
	}
}
