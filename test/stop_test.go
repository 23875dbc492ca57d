package test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// defaultStops is how often a validator is stopped while it starts unless DUNLIN_STOPS says otherwise.
const defaultStops = 4

// A validator is asked to stop in every phase: while it starts, while the network makes its key, under load with
// streams open, while it catches up. Every time it ends in order and its log is whole at the next start.
func TestStopInEveryPhase(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and stops processes for a while")
	}
	t.Parallel()
	const victim = 3
	random, stops := chance(t), int(number(t, "DUNLIN_STOPS", defaultStops))
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)

	f.untilReached(victim, 0) // its API is there, the key is not
	f.stopped(victim, "while the key is made")
	f.start(victim)
	f.untilProposing(f.all()...)
	l := startLoad(f)
	l.untilMore(100)

	end := f.openStreams(victim, 20)
	f.stopped(victim, "under load, with streams open")
	end()
	for i := range stops {
		f.untilPast(0, f.commitOf(0)+20)
		f.start(victim)
		// The first half is asked while it opens its store or joins; the others while it catches up.
		if i >= stops/2 {
			f.untilReached(victim, 1)
		}
		time.Sleep(time.Duration(random.IntN(250)) * time.Millisecond)
		f.stopped(victim, "while it starts or catches up")
	}
	f.start(victim)
	f.untilProposing(victim)
	f.untilCaughtUp(victim, 0)
	f.stoppedTwice(victim, random)
	f.start(victim)
	f.untilProposing(victim)
	l.untilMore(100)
	l.stop()
	f.checkCommitted(l.promised())
	f.checkHonest()
	for _, i := range f.all() {
		f.stopped(i, "in the end")
	}
	f.checkWhole(victim)
}

// stopped asks a node to stop and wants it to end in order: with code 0, or by the signal where that came before
// the program had got to listen for it, and then nothing has been opened.
func (f *fleet) stopped(i int, when string) {
	f.t.Helper()
	p, name := f.running[i], f.network.Nodes[i].Name
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		f.t.Fatal(err)
	}
	began := time.Now()
	select {
	case <-p.exited:
	case <-time.After(patience):
		f.t.Fatalf("%s does not stop %s", name, when)
	}
	f.running[i] = nil
	ended := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	f.t.Logf("%s asked to stop %s: ended after %v, code %d", name, when, time.Since(began).Round(time.Millisecond), ended.ExitStatus())
	if ended.ExitStatus() != 0 && !(ended.Signaled() && ended.Signal() == syscall.SIGTERM && p.silent()) {
		f.t.Errorf("%s, asked to stop %s, ended with %v:\n%s", name, when, p.err, tailOf(filepath.Join(f.network.Nodes[i].Home, node.LogFile)))
	}
}

// silent reports whether the process has said nothing.
func (p *process) silent() bool {
	info, err := os.Stat(p.log)
	return err == nil && info.Size() == p.from
}

// stoppedTwice asks again at once: the node ends at the second signal at the latest.
func (f *fleet) stoppedTwice(i int, random *rand.Rand) {
	f.t.Helper()
	p := f.running[i]
	for range 2 {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			f.t.Fatal(err)
		}
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		f.t.Fatalf("%s does not stop when asked twice", f.network.Nodes[i].Name)
	}
	f.running[i] = nil
}

// openStreams opens streams of a node's events from genesis on, and returns once each has had one. The result
// ends them.
func (f *fleet) openStreams(i, count int) (end func()) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	var streams sync.WaitGroup
	opened := make(chan struct{}, count)
	for range count {
		streams.Go(func() {
			first := sync.OnceFunc(func() { opened <- struct{}{} })
			_ = f.clients[i].FollowEvents(ctx, client.Selection{Cursor: "genesis"}, func(client.Event) error { // ends with ctx
				first()
				return nil
			})
		})
	}
	for range count {
		<-opened
	}
	end = func() { cancel(); streams.Wait() }
	f.t.Cleanup(end)
	return end
}

// checkWhole wants every start of a node, as its log tells, to have found its store whole, but for the one after
// it was asked twice.
func (f *fleet) checkWhole(i int) {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.network.Nodes[i].Home, node.LogFile))
	if err != nil {
		f.t.Fatal(err)
	}
	opened, torn := 0, 0
	for line := range bytes.Lines(text) {
		if bytes.Contains(line, []byte("store_opened")) {
			opened++
			if !bytes.Contains(line, []byte("log=whole")) {
				torn++
			}
		}
	}
	if opened == 0 || torn > 1 {
		f.t.Errorf("%s opened its store %d times, %d times it was not whole", f.network.Nodes[i].Name, opened, torn)
	}
}
