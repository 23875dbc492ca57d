package devnet

import (
	"math/bits"
	"time"
)

// Buckets of a histogram: every power of two of microseconds is cut into 64, so that a figure is
// right to 1.6 %. The last bucket takes everything from about 70 minutes on.
const (
	histogramFine    = 6
	histogramPowers  = 32
	histogramBuckets = histogramPowers << histogramFine
)

// histogram counts durations. The zero value is empty. Not safe for concurrent use.
type histogram struct {
	counts [histogramBuckets]uint32
	total  uint64
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.total++
}

func bucketOf(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < 1<<histogramFine {
		return int(us)
	}
	power := bits.Len64(us) - 1 - histogramFine // how far right the fine part stands
	bucket := (power+1)<<histogramFine + int(us>>power&(1<<histogramFine-1))
	return min(bucket, histogramBuckets-1)
}

// lowest is the shortest duration that falls into a bucket.
func lowest(bucket int) time.Duration {
	if bucket < 1<<histogramFine {
		return time.Duration(bucket) * time.Microsecond
	}
	power := bucket>>histogramFine - 1
	return time.Duration(1<<histogramFine+bucket&(1<<histogramFine-1)) << power * time.Microsecond
}

// quantile is the duration that a share q of all does not pass; 0 if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := uint64(q * float64(h.total))
	var below uint64
	for i, n := range h.counts {
		below += uint64(n)
		if below > rank || below == h.total {
			return lowest(i)
		}
	}
	return lowest(histogramBuckets - 1)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
