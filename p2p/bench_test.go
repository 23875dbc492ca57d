package p2p

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// BenchmarkAllToAll lets each of four nodes broadcast blocks with at most 4 (64 KiB) or 64 (1 KiB)
// on the way, every block verified at its three receivers. MB/s is what is delivered; CPU is that of
// the whole process, both ends of every stream.
func BenchmarkAllToAll(b *testing.B) {
	for _, transport := range []string{tcpAny, quicAny} {
		for _, size := range []struct{ payload, window int }{{1 << 10, 64}, {64 << 10, 4}, {500 << 10, 4}} {
			name := "tcp"
			if transport == quicAny {
				name = "quic"
			}
			b.Run(fmt.Sprintf("%s/%dKiB", name, size.payload>>10), func(b *testing.B) {
				benchmarkAllToAll(b, transport, size.payload, size.window)
			})
		}
	}
}

func benchmarkAllToAll(b *testing.B, transport string, payload, window int) {
	c := committee(b, 4)
	nodes := benchNodes(b, c, transport)
	var delivered atomic.Uint64
	credits := make([]chan struct{}, len(nodes)) // a token per delivery
	for i := range credits {
		credits[i] = make(chan struct{}, 3*window)
	}
	for _, n := range nodes {
		go func() {
			for e := range n.Events() {
				if r, ok := e.(ordering.BlockReceived); ok {
					delivered.Add(1)
					credits[r.From] <- struct{}{}
				}
			}
		}()
	}
	for _, n := range nodes {
		eventually(b, "connected", func() bool {
			return !slices.ContainsFunc(n.Peers(), func(p PeerInfo) bool { return !p.Connected })
		})
	}
	blocks := make([]*dag.Verified, len(nodes))
	for i := range blocks {
		blocks[i] = block(b, c, dag.Author(i), 1, payload)
	}
	b.ResetTimer()
	began, cpu := time.Now(), cpuTime(b)
	var work sync.WaitGroup
	for i, n := range nodes {
		work.Go(func() {
			for sent, got := 0, 0; got < 3*b.N; got++ {
				for ; sent < b.N && 3*sent-got < 3*window; sent++ {
					n.Broadcast(blocks[i])
				}
				<-credits[i]
			}
		})
	}
	work.Wait()
	elapsed, used := time.Since(began), cpuTime(b)-cpu
	b.StopTimer()
	megabytes := float64(delivered.Load()) * float64(len(blocks[0].Bytes())) / 1e6
	b.ReportMetric(megabytes/elapsed.Seconds(), "MB/s")
	b.ReportMetric(used.Seconds()*1000/megabytes, "cpu-ms/MB")
	b.ReportMetric(float64(delivered.Load())/elapsed.Seconds(), "blocks/s")
	b.ReportMetric(used.Seconds()*1e6/float64(delivered.Load()), "cpu-µs/block")
}

func benchNodes(b *testing.B, c *dag.Committee, transport string) []*Network {
	b.Helper()
	nodes := make([]*Network, c.Size())
	for i := range nodes {
		cfg := Config{Identity: key(i), Committee: c, Blocks: &source{}, Listen: []ma.Multiaddr{ma.StringCast(transport)}}
		for _, o := range nodes[:i] {
			info, err := AddrInfo(o.own, o.Addrs()...)
			if err != nil {
				b.Fatal(err)
			}
			cfg.Peers = append(cfg.Peers, info)
		}
		n, err := New(cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(n.Close)
		nodes[i] = n
	}
	return nodes
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
