package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dunlin-network/dunlin/dag"
)

// BenchmarkFourStores is what four validators on one machine do: each of four stores takes every
// round's four blocks of 64 KiB in 128 items with their commit, 25 rounds (100 blocks) a second,
// one sync per round. It gives the CPU of the process per stored MB, and Append with Sync. Blocks are
// made beforehand: give a fixed count, such as -benchtime 500x.
func BenchmarkFourStores(b *testing.B) {
	const (
		stores = 4
		items  = 128
		size   = 480
		rounds = 25 // a second
	)
	w := newNetwork(b)
	var open [stores]*Store
	for i := range open {
		o := w.options(fmt.Sprintf("%s/%d/data", b.TempDir(), i))
		o.Self, o.SegmentBytes, o.SyncEvery = dag.Author(i), 0, 0
		open[i], _ = w.create(o)
	}
	var latencies []time.Duration
	var stored int
	layers, commits := make([][]*dag.Verified, b.N), make([]*commitType, b.N)
	for i := range layers {
		layers[i] = w.layer(items, size)
		commits[i] = w.commit(layers[i])
	}
	pace := time.NewTicker(time.Second / rounds)
	defer pace.Stop()
	before := cpuTime(b)
	b.ResetTimer()
	for i, layer := range layers {
		<-pace.C
		for _, s := range open {
			began := time.Now()
			check(b, s.Append(layer))
			check(b, s.Sync())
			latencies = append(latencies, time.Since(began))
			check(b, s.PutCommits(commits[i:i+1]))
			for _, block := range layer {
				stored += len(block.Bytes())
			}
		}
	}
	b.StopTimer()
	for _, s := range open {
		copied(b, s)
	}
	cpu := cpuTime(b) - before
	slices.Sort(latencies)
	b.ReportMetric(float64(stored)/1e6/b.Elapsed().Seconds(), "MB/s")
	b.ReportMetric(float64(latencies[len(latencies)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(latencies[len(latencies)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(cpu.Seconds()*1e3/(float64(stored)/1e6), "cpu-ms/MB")
}

func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	check(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppendSync is one own block of 64 KiB made durable.
func BenchmarkAppendSync(b *testing.B) {
	w := newNetwork(b)
	o := w.options(b.TempDir() + "/data")
	o.SegmentBytes, o.SyncEvery = 0, 0
	s, _ := w.create(o)
	layers := make([][]*dag.Verified, b.N)
	for i := range layers {
		layers[i] = w.layer(128, 480)[:1]
	}
	b.ResetTimer()
	for _, l := range layers {
		check(b, s.Append(l))
		check(b, s.Sync())
	}
}

// BenchmarkLookup finds ids of old commits, in Badger.
func BenchmarkLookup(b *testing.B) {
	w := newNetwork(b)
	o := w.options(b.TempDir() + "/data")
	o.runs = runLimits{ids: 4096, commits: runCommits}
	s, _ := w.create(o)
	_, commits := w.feed(s, 100, 128, 100)
	copied(b, s)
	forget(s)
	b.ResetTimer()
	for i := range b.N {
		c := commits[i%50]
		if _, found, err := s.Lookup(c.Accepted[i%len(c.Accepted)].ID); err != nil || !found {
			b.Fatal(found, err)
		}
	}
}
