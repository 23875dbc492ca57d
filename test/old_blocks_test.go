package test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/p2p"
)

const (
	oldBlockRate = 1 << 20 // bytes a second to each of the others
	oldBlocks    = 200     // different ones, again and again
	oldRounds    = 100     // that they are of: the first ones of the network
)

// A validator says nothing but old blocks, valid ones, a megabyte of them a second: the others go on without it
// nearly as fast as they do when it is silent, in bounded memory, and hold nothing against anybody. Then the real
// one takes part again.
func TestOldBlocks(t *testing.T) {
	if testing.Short() {
		t.Skip("floods a network for a while")
	}
	t.Parallel()
	const liar = 3
	window := time.Duration(number(t, "DUNLIN_FLOOD_SECONDS", strangeTime)) * time.Second / strangePairs
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	l := startLoad(f, 0, 1, 2)
	f.untilPast(0, 4*oldRounds)
	f.kill(liar)
	r := newRepeater(f, liar)
	memory := watchMemory(f, 0)
	commits := func() float64 {
		before, began := f.commitOf(1), time.Now()
		time.Sleep(window)
		return float64(f.commitOf(1)-before) / time.Since(began).Seconds()
	}
	var shares []float64
	for range strangePairs {
		silent := commits()
		r.speaking.Store(true)
		spoken := commits()
		r.speaking.Store(false)
		t.Logf("%.0f commits a second while it is silent, %.0f while it repeats old blocks", silent, spoken)
		shares = append(shares, spoken/silent)
	}
	r.end()
	peak := memory()
	t.Logf("%d MiB of old blocks to each; at most %d MiB of memory", r.said>>20, peak>>20)
	slices.Sort(shares)
	if share := shares[len(shares)/2]; share < strangeShare {
		t.Errorf("%.0f %% of the commits go on, want %.0f %%", 100*share, 100*strangeShare)
	}
	if peak > strangeLimit {
		t.Errorf("a validator took %d bytes of memory, limit %d", peak, strangeLimit)
	}
	f.start(liar)
	f.untilProposing(liar)
	l.stop()
	f.checkCommitted(l.promised())
	f.checkHonest()
}

// repeater is in the place of a validator and repeats old blocks while it speaks.
type repeater struct {
	speaking atomic.Bool
	said     int // bytes, to each; to be read after end
	end      func()
}

func newRepeater(f *fleet, who int) *repeater {
	f.t.Helper()
	home, err := node.LoadHome(f.network.Nodes[who].Home)
	if err != nil {
		f.t.Fatal(err)
	}
	committee, err := f.genesis().Committee()
	if err != nil {
		f.t.Fatal(err)
	}
	network, err := p2p.New(p2p.Config{Identity: home.Keys.Identity, Committee: committee, Listen: home.Listen, Peers: home.Peers, Blocks: nothing{}})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &repeater{}
	var all sync.WaitGroup
	r.end = sync.OnceFunc(func() {
		cancel()
		network.Close()
		all.Wait()
	})
	f.t.Cleanup(r.end)
	blocks := make(chan *dag.Verified, oldBlocks)
	all.Go(func() {
		asked := false
		for e := range network.Events() {
			switch e := e.(type) {
			case ordering.PeerConnected:
				if !asked && e.Peer == 0 {
					asked = true
					network.Fetch(ordering.Fetch{ID: 1, To: 0, FromRound: 1, ToRound: oldRounds})
				}
			case ordering.BlockReceived:
				if e.Block.Round() <= oldRounds {
					select {
					case blocks <- e.Block:
					default: // there are enough
					}
				}
			}
		}
	})
	eventually(f.t, "the repeater has old blocks", func() error {
		if n := len(blocks); n < oldBlocks {
			return fmt.Errorf("%d of %d", n, oldBlocks)
		}
		return nil
	})
	known := make([]*dag.Verified, oldBlocks)
	for i := range known {
		known[i] = <-blocks
	}
	all.Go(func() { r.repeat(ctx, network, known) })
	return r
}

// repeat pushes block after block at oldBlockRate while it speaks, until ctx ends.
func (r *repeater) repeat(ctx context.Context, network *p2p.Network, blocks []*dag.Verified) {
	left, last := 0.0, time.Now()
	for n := 0; pause(ctx, time.Millisecond); {
		now := time.Now()
		if r.speaking.Load() {
			left += now.Sub(last).Seconds() * oldBlockRate
		}
		for last = now; left > 0; n++ {
			b := blocks[n%len(blocks)]
			network.Broadcast(b)
			left -= float64(len(b.Bytes()))
			r.said += len(b.Bytes())
		}
	}
}
