package test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
)

// readersPairs is how many pairs of windows TestManyReaders measures.
const readersPairs = 5

// readersLate is how many items may come while the readers are stopped one after the other: those of two seconds.
const readersLate = 40

// TestManyReaders measures what DUNLIN_READERS streams of one namespace with 20 transactions a second, all on one
// node, do to the commits of the network: windows with and without them, in turn. DUNLIN_READERS_SECONDS is a
// window's length (15). Every reader must get every item. What the readers themselves take of the machine's CPU is
// told beside what the node that serves them takes: elsewhere they would be on other machines.
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
	var without, with, ratios []float64
	for range readersPairs {
		without = append(without, f.commitsPerSecond("without readers", window))
		readersNow := startAudience(t, f.network.Nodes[0].API, readers)
		with = append(with, f.commitsPerSecond("with readers", window))
		readersNow.stop()
		ratios = append(ratios, with[len(with)-1]/without[len(without)-1])
	}
	slices.Sort(ratios)
	t.Logf("%d readers: commits a second without %.1f, with %.1f; median ratio of pairs %.3f", readers, without, with, ratios[readersPairs/2])
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

// commitsPerSecond watches the third node for a while, and logs who took how much CPU in it.
func (f *fleet) commitsPerSecond(name string, window time.Duration) float64 {
	f.t.Helper()
	commit := func() (uint64, time.Time) {
		status, err := f.clients[2].NodeStatus(f.t.Context())
		if err != nil {
			f.t.Fatal(err)
		}
		return uint64(status.Commit), time.Now()
	}
	pids := []int{os.Getpid(), f.running[0].cmd.Process.Pid, f.running[1].cmd.Process.Pid, f.running[2].cmd.Process.Pid, f.running[3].cmd.Process.Pid}
	var cores []float64
	for _, pid := range pids {
		cores = append(cores, -cpuSeconds(f.t, pid))
	}
	from, begun := commit()
	time.Sleep(window) // what is measured is how much happens in it
	to, ended := commit()
	seconds := ended.Sub(begun).Seconds()
	for i, pid := range pids {
		cores[i] = (cores[i] + cpuSeconds(f.t, pid)) / seconds
	}
	f.t.Logf("%s: %.1f commits/s; cores of this process %.3f, of the node with the readers %.3f, of the others %.3f",
		name, float64(to-from)/seconds, cores[0], cores[1], cores[2:])
	return float64(to-from) / seconds
}

// cpuSeconds is how much CPU a process has used, from /proc/PID/stat in hundredths.
func cpuSeconds(t *testing.T, pid int) float64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, behindName, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(behindName)
	ticks := 0
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return float64(ticks) / 100
}

// audience is many readers of one stream. They do as little as can be done: the first, which comes before the others
// and leaves after them, is what they are compared with.
type audience struct {
	t       *testing.T
	seed    maphash.Seed
	conns   []net.Conn
	done    sync.WaitGroup
	cursors [][]uint64 // hashes of each one's items' cursors
}

// startAudience connects readers, and returns once all have had a sign of life.
func startAudience(t *testing.T, api string, readers int) *audience {
	t.Helper()
	a := &audience{t: t, seed: maphash.MakeSeed(), cursors: make([][]uint64, readers+1)}
	ready := make(chan error, 1)
	for i := range a.cursors {
		conn, err := net.Dial("tcp", strings.TrimPrefix(api, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		a.conns = append(a.conns, conn)
		a.done.Go(func() { a.read(i, ready) })
		if err := <-ready; err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// read follows the stream until its connection is closed.
func (a *audience) read(i int, ready chan<- error) {
	if _, err := fmt.Fprintf(a.conns[i], "GET /v1/stream?namespace=open HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		ready <- err
		return
	}
	lines := bufio.NewReaderSize(a.conns[i], 16<<10)
	for begun, item := false, false; ; {
		line, err := lines.ReadSlice('\n')
		for err == bufio.ErrBufferFull { // the rest of a long line is of no use
			_, err = lines.ReadSlice('\n')
		}
		if err != nil {
			if !begun {
				ready <- fmt.Errorf("reader %d: %w", i, err)
			}
			return
		}
		switch {
		case bytes.HasPrefix(line, []byte("event: ")):
			if item = bytes.HasPrefix(line, []byte("event: item")); !begun {
				begun = true
				ready <- nil
			}
		case item && bytes.HasPrefix(line, []byte("id: ")):
			a.cursors[i] = append(a.cursors[i], maphash.Bytes(a.seed, bytes.TrimSpace(line)))
		}
	}
}

// stop ends the readers. Each must have got what the first has, from where it began to where it or the first ended, and
// none may have ended early.
func (a *audience) stop() {
	for i := len(a.conns) - 1; i >= 0; i-- {
		a.conns[i].Close()
	}
	a.done.Wait()
	all, least := a.cursors[0], len(a.cursors[0])
	for i, got := range a.cursors[1:] {
		least = min(least, len(got))
		from := -1
		if len(got) > 0 {
			from = slices.Index(all, got[0])
		}
		if from < 0 {
			a.t.Errorf("reader %d got %d items, of which the first is none that the first reader got", i+1, len(got))
			return
		}
		both := min(len(got), len(all)-from)
		if late := len(all) - from - len(got); late > readersLate || late < -readersLate || !slices.Equal(got[:both], all[from:from+both]) {
			a.t.Errorf("reader %d got %d items from item %d on, the first reader %d in all: not the same ones", i+1, len(got), from, len(all))
			return
		}
	}
	a.t.Logf("%d readers got every item from where they began, %d to %d", len(a.conns), least, len(all))
}
