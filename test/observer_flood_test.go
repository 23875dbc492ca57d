package test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
)

// The flood by strangers, and what it may cost.
const (
	strangePairs = 3         // of windows, with and without the flood
	strangeShare = 0.15      // of the commits go on at least, whatever else the machine does
	shareOfLong  = 0.70      // where DUNLIN_FLOOD_SECONDS is given, which wants a machine that does nothing else
	strangeTime  = 6         // seconds of flood in all, unless DUNLIN_FLOOD_SECONDS says otherwise
	strangeLimit = 640 << 20 // bytes of memory, and extraMemory beyond what a validator takes that is left alone
	honestRate   = 3500      // transactions a second of honestBytes: a tenth of what two cores order
	honestBytes  = 512
	honestEvery  = 25 * time.Millisecond // a batch to each node
)

// Strangers flood a validator: its memory stays bounded, nobody is accused, what honest clients submit is
// committed at a rate that is near to the one without the flood, and an honest observer is still served. Windows
// with and without the flood take turns; in those without it the strangers' process burns as much of the
// processors as the flood takes of it, so that what is lost is what the flood costs the validators.
func TestStrangersFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("floods a network for a while")
	}
	t.Parallel()
	share := strangeShare
	if os.Getenv("DUNLIN_FLOOD_SECONDS") != "" {
		share = shareOfLong
	}
	during := time.Duration(number(t, "DUNLIN_FLOOD_SECONDS", strangeTime)) * time.Second / strangePairs
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	observer := f.addObserver(freeAddress(t))
	f.start(observer)
	f.until(observer, "follows", func(s status) bool { return s.Commit > 0 && s.Peers == 4 })
	l := startPacedLoad(f, honestRate)
	l.untilMore(200)
	c := newStrangers(f, 0)
	memory, others := watchMemory(f, 0), watchMemory(f, 1)
	var alone, burnt, flooded []window
	for range strangePairs {
		flooded = append(flooded, c.during(flooding, during, l))
		burnt = append(burnt, c.during(burning, during, l))
		alone = append(alone, c.during(resting, during, l))
	}
	peak, other := memory(), others()
	for i := range flooded {
		t.Logf("flood %v | same processors %v | alone %v", flooded[i], burnt[i], alone[i])
	}
	of, raw := median(flooded, burnt), median(flooded, alone)
	t.Logf("%.0f %% of the commits go on under %d messages; %.0f %% of those without the strangers' own use of the processors; at most %d MiB of memory, and one that is left alone %d",
		100*raw, c.sent, 100*of, peak>>20, other>>20)
	if peak > strangeLimit {
		t.Errorf("the flooded validator took %d bytes of memory, limit %d", peak, strangeLimit)
	}
	if peak > other+extraMemory && other > 0 {
		t.Errorf("the flooded validator took %d bytes of memory, %d more than one that is left alone; limit %d", peak, peak-other, extraMemory)
	}
	if of < share {
		t.Errorf("%.0f %% of the commits go on, want %.0f %%", 100*of, 100*share)
	}
	head := f.commitOf(1)
	f.untilPast(observer, head-1)
	l.stop()
	f.checkCommitted(l.promised())
	f.checkHonest()
}

// window is what happened in a while.
type window struct {
	commits dag.CommitIndex
	taken   int // honest transactions
	seconds float64
	nodes   []float64 // processors that each node used, and the strangers
}

func (w window) String() string {
	return fmt.Sprintf("%.0f/s with %.0f tx/s, cores %.2f", float64(w.commits)/w.seconds, float64(w.taken)/w.seconds, w.nodes)
}

// median is the share of commits in the middle of the pairs.
func median(with, without []window) float64 {
	var shares []float64
	for i := range with {
		shares = append(shares, float64(with[i].commits)/with[i].seconds/(float64(without[i].commits)/without[i].seconds))
	}
	slices.Sort(shares)
	return shares[len(shares)/2]
}

// strangersProcess is the process of the strangers.
type strangersProcess struct {
	fleet *fleet
	cmd   *exec.Cmd
	in    io.Writer
	out   *bufio.Scanner
	sent  int // messages
}

// newStrangers starts the strangers of one node.
func newStrangers(f *fleet, target int) *strangersProcess {
	f.t.Helper()
	p := &strangersProcess{fleet: f, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), strangersTarget+"="+f.network.Nodes[target].P2P,
		strangersGenesis+"="+filepath.Join(f.network.Dir(), devnet.GenesisFile))
	p.cmd.Stderr, p.cmd.SysProcAttr = os.Stderr, childAttributes()
	in, err := p.cmd.StdinPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = in.Close()
		if err := p.cmd.Wait(); err != nil {
			f.t.Errorf("strangers: %v", err)
		}
	})
	p.tell(resting)
	return p
}

func (p *strangersProcess) tell(m mode) {
	p.fleet.t.Helper()
	if _, err := fmt.Fprintln(p.in, m); err != nil {
		p.fleet.t.Fatal(err)
	}
	if !p.out.Scan() {
		p.fleet.t.Fatal("the strangers have ended")
	}
	var err error
	if p.sent, err = strconv.Atoi(p.out.Text()); err != nil {
		p.fleet.t.Fatal(err)
	}
}

// during lets the strangers be in a mode for a while.
func (p *strangersProcess) during(m mode, d time.Duration, l *load) window {
	p.fleet.t.Helper()
	p.tell(m)
	time.Sleep(d / 10) // until the network is in that state
	before, taken, began, used := p.fleet.commitOf(1), len(l.promised()), time.Now(), p.processors()
	time.Sleep(d)
	w := window{commits: p.fleet.commitOf(1) - before, taken: len(l.promised()) - taken, seconds: time.Since(began).Seconds()}
	for i, now := range p.processors() {
		w.nodes = append(w.nodes, (now-used[i]).Seconds()/w.seconds)
	}
	return w
}

// processors is what the nodes and the strangers have had of the processors.
func (p *strangersProcess) processors() []time.Duration {
	var out []time.Duration
	for _, r := range p.fleet.running {
		out = append(out, processors(r.cmd.Process.Pid))
	}
	return append(out, processors(p.cmd.Process.Pid))
}

// processors is the time that a process has had of the processors; 0 without /proc.
func processors(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	const tick, user = 10 * time.Millisecond, 11 // fields after the name, which ends with the last bracket
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var sum time.Duration
	for _, f := range fields[user : user+2] {
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0
		}
		sum += time.Duration(n) * tick
	}
	return sum
}

// startPacedLoad offers so many transactions a second to all validators together, as far as they answer.
func startPacedLoad(f *fleet, rate int) *load {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{fleet: f, cancel: cancel, acknowledged: make([][]crypto.Digest, len(f.network.Nodes))}
	f.t.Cleanup(l.stop)
	validators := f.genesis().Validators
	for i := range validators {
		perBatch := int(float64(rate) * honestEvery.Seconds() / float64(len(validators)))
		l.submitters.Go(func() { l.pace(ctx, i, perBatch) })
	}
	return l
}

// pace submits a batch every honestEvery, several at a time where answers take longer.
func (l *load) pace(ctx context.Context, node, size int) {
	const underWay = 8
	free := make(chan struct{}, underWay)
	defer func() {
		for range underWay {
			free <- struct{}{}
		}
	}()
	ticker := time.NewTicker(honestEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		batch := make([][]byte, size)
		for i := range batch {
			batch[i] = fmt.Appendf(nil, "%-*s", honestBytes, fmt.Sprintf("node %d, batch %d, item %d, of %d", node, n, i, time.Now().UnixNano()))
		}
		free <- struct{}{}
		go func() {
			defer func() { <-free }()
			results, err := l.fleet.clients[node].SubmitBatch(ctx, devnet.Open, batch)
			l.note(node, results, err)
		}()
	}
}
