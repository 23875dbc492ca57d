package devnet

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBucketsAreInOrder(t *testing.T) {
	for i := 1; i < histogramBuckets; i++ {
		if lowest(i) <= lowest(i-1) {
			t.Fatalf("bucket %d begins at %v, bucket %d at %v", i, lowest(i), i-1, lowest(i-1))
		}
		if got := bucketOf(lowest(i)); got != i {
			t.Fatalf("%v falls into bucket %d, want %d", lowest(i), got, i)
		}
		if got := bucketOf(lowest(i) - time.Microsecond); got != i-1 {
			t.Fatalf("%v falls into bucket %d, want %d", lowest(i)-time.Microsecond, got, i-1)
		}
	}
	if got := bucketOf(math.MaxInt64); got != histogramBuckets-1 {
		t.Errorf("the longest duration falls into bucket %d", got)
	}
}

func TestQuantileAgainstSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, int64(10*time.Second)), 1, 200).Draw(t, "durations")
		q := rapid.SampledFrom([]float64{0, 0.5, 0.9, 0.99, 1}).Draw(t, "quantile")
		var one, two, h histogram
		for i, v := range values {
			if i%2 == 0 {
				one.add(time.Duration(v))
			} else {
				two.add(time.Duration(v))
			}
		}
		h.merge(&one)
		h.merge(&two)
		slices.Sort(values)
		want := time.Duration(values[min(int(q*float64(len(values))), len(values)-1)])
		got := h.quantile(q)
		if got > want || float64(want-got) > float64(want)/60+float64(time.Microsecond) {
			t.Fatalf("quantile %g is %v, want %v or up to 1.6%% less", q, got, want)
		}
	})
}
