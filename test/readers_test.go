package test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
)

// readersPairs is how many pairs of windows TestManyReaders measures.
const readersPairs = 3

// TestManyReaders measures what DUNLIN_READERS streams of one namespace with 20 transactions a second, all on one
// node, do to the commits of the network: windows with and without them, in turn. DUNLIN_READERS_SECONDS is a
// window's length (15). Every reader must get every item.
func TestManyReaders(t *testing.T) {
	readers, _ := strconv.Atoi(os.Getenv("DUNLIN_READERS"))
	if readers == 0 {
		t.Skip("a measurement: DUNLIN_READERS=1000 runs it")
	}
	window := 15 * time.Second
	if n, err := strconv.Atoi(os.Getenv("DUNLIN_READERS_SECONDS")); err == nil {
		window = time.Duration(n) * time.Second
	}
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.configure(0, func(c *node.Config) { c.Limits.Streams = readers + 16 })
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	ctx, cancel := context.WithCancel(t.Context())
	var sender sync.WaitGroup
	defer sender.Wait()
	defer cancel()
	sender.Go(func() { f.sendSteadily(ctx) })
	var without, with []float64
	for range readersPairs {
		without = append(without, f.commitsPerSecond(window))
		readersNow := startAudience(t, f.network.Nodes[0].API, readers)
		with = append(with, f.commitsPerSecond(window))
		readersNow.stop()
	}
	slices.Sort(without)
	slices.Sort(with)
	t.Logf("%d readers: commits a second without %.1f, with %.1f; medians' ratio %.3f", readers, without, with, with[readersPairs/2]/without[readersPairs/2])
}

// sendSteadily submits 20 transactions a second to the second node.
func (f *fleet) sendSteadily(ctx context.Context) {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	var calls sync.WaitGroup
	defer calls.Wait()
	for n := 0; ; n++ {
		select {
		case <-ticker.C:
			calls.Go(func() { _, _ = f.clients[1].SubmitBatch(ctx, devnet.Open, [][]byte{fmt.Appendf(nil, "tx %d", n)}) })
		case <-ctx.Done():
			return
		}
	}
}

// commitsPerSecond watches the third node for a while.
func (f *fleet) commitsPerSecond(window time.Duration) float64 {
	f.t.Helper()
	commit := func() (uint64, time.Time) {
		status, err := f.clients[2].NodeStatus(f.t.Context())
		if err != nil {
			f.t.Fatal(err)
		}
		return uint64(status.Commit), time.Now()
	}
	from, begun := commit()
	time.Sleep(window) // what is measured is how much happens in it
	to, ended := commit()
	return float64(to-from) / ended.Sub(begun).Seconds()
}

// audience is many readers of one stream.
type audience struct {
	t      *testing.T
	cancel context.CancelFunc
	done   sync.WaitGroup
	items  []atomic.Int64
}

// startAudience connects readers, and returns once all have had a sign of life.
func startAudience(t *testing.T, api string, readers int) *audience {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &audience{t: t, cancel: cancel, items: make([]atomic.Int64, readers)}
	transport := &http.Transport{MaxConnsPerHost: 0, DisableCompression: true}
	web := &http.Client{Transport: transport}
	ready := make(chan error, readers)
	for i := range readers {
		c.done.Go(func() { ready <- c.read(ctx, web, api, i) })
	}
	for range readers {
		if err := <-ready; err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return c
}

// read follows the stream in a goroutine of its own once it has begun.
func (c *audience) read(ctx context.Context, web *http.Client, api string, i int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, api+"/v1/stream?namespace=open", nil)
	if err != nil {
		return err
	}
	response, err := web.Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.Join(fmt.Errorf("reader %d: status %d", i, response.StatusCode), response.Body.Close())
	}
	c.done.Go(func() {
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "event: item") {
				c.items[i].Add(1)
			}
		}
		if ctx.Err() == nil {
			c.t.Errorf("reader %d was closed: %v", i, lines.Err())
		}
	})
	return nil
}

// stop ends the readers. Each must have got about as much as the others.
func (c *audience) stop() {
	c.cancel()
	c.done.Wait()
	least, most := c.items[0].Load(), c.items[0].Load()
	for i := range c.items {
		least, most = min(least, c.items[i].Load()), max(most, c.items[i].Load())
	}
	c.t.Logf("%d readers got %d to %d items each", len(c.items), least, most)
	if least == 0 || least < most*9/10-20 {
		c.t.Errorf("a reader got %d items, another %d", least, most)
	}
}
