package test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// patience is far more than anything here takes on a slow machine; nothing is asserted about time.
const patience = 2 * time.Minute

// fleet is the validators of one network, each a process of its own.
type fleet struct {
	t       *testing.T
	network *devnet.Network
	command []func(home string) []string // how each node is started
	running []*process                   // nil while a node does not run
	clients []*client.Client             // one per node
}

// process is one run of one node.
type process struct {
	cmd    *exec.Cmd
	log    string // the file that it writes to
	from   int64  // how long that was before
	exited chan struct{}
	err    error // of Wait, once exited is closed
}

// newFleet writes the homes of a network; the test may change them before start. All processes end
// with the test, and their logs are shown if it failed.
func newFleet(t *testing.T, plan devnet.Plan) *fleet {
	t.Helper()
	network, err := devnet.Create(filepath.Join(t.TempDir(), "net"), plan)
	if err != nil {
		t.Fatal(err)
	}
	return takeFleet(t, network)
}

// takeFleet handles a network that is there already.
func takeFleet(t *testing.T, network *devnet.Network) *fleet {
	t.Helper()
	f := &fleet{t: t, network: network, running: make([]*process, len(network.Nodes))}
	binary := program(t)
	for _, n := range network.Nodes {
		f.command = append(f.command, func(home string) []string { return []string{binary, "run", "--home", home} })
		c, err := client.New(n.API)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		f.clients = append(f.clients, c)
	}
	t.Cleanup(func() {
		for i := range f.running {
			f.kill(i)
		}
		if t.Failed() {
			for _, n := range network.Nodes {
				t.Logf("end of the log of %s:\n%s", n.Name, tailOf(filepath.Join(n.Home, node.LogFile)))
			}
		}
	})
	return f
}

// tailOf is the last lines of a file.
func tailOf(path string) []byte {
	const lines = 25
	text, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	at := len(text)
	for range lines + 1 {
		if at = bytes.LastIndexByte(text[:max(at, 0)], '\n'); at < 0 {
			return text
		}
	}
	return text[at+1:]
}

// configure changes the config of one node.
func (f *fleet) configure(i int, change func(*node.Config)) {
	f.t.Helper()
	path := filepath.Join(f.network.Nodes[i].Home, node.ConfigFile)
	text, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	config, err := node.ParseConfig(text)
	if err != nil {
		f.t.Fatal(err)
	}
	change(&config)
	if text, err = config.Encode(); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// found gives the network, which must not have run yet, another genesis.
func (f *fleet) found(change func(*dag.Genesis)) {
	f.t.Helper()
	genesis, err := node.LoadGenesis(filepath.Join(f.network.Dir(), devnet.GenesisFile))
	if err != nil {
		f.t.Fatal(err)
	}
	change(genesis)
	for _, n := range f.network.Nodes {
		err := errors.Join(os.RemoveAll(filepath.Join(n.Home, node.DataDir)), os.Remove(filepath.Join(n.Home, node.GenesisFile)))
		if err != nil {
			f.t.Fatal(err)
		}
		if err := node.WriteGenesis(n.Home, genesis); err != nil {
			f.t.Fatal(err)
		}
	}
}

// start starts nodes that do not run.
func (f *fleet) start(nodes ...int) {
	f.t.Helper()
	for _, i := range nodes {
		n := f.network.Nodes[i]
		log, err := os.OpenFile(filepath.Join(n.Home, node.LogFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			f.t.Fatal(err)
		}
		before, err := log.Stat()
		if err != nil {
			f.t.Fatal(err)
		}
		line := f.command[i](n.Home)
		p := &process{cmd: exec.Command(line[0], line[1:]...), log: log.Name(), from: before.Size(), exited: make(chan struct{})}
		p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = log, log, childAttributes()
		err = p.cmd.Start()
		log.Close()
		if err != nil {
			f.t.Fatal(err)
		}
		go func() {
			p.err = p.cmd.Wait()
			close(p.exited)
		}()
		f.running[i] = p
	}
}

// all is the numbers of all nodes.
func (f *fleet) all() []int {
	out := make([]int, len(f.network.Nodes))
	for i := range out {
		out[i] = i
	}
	return out
}

// kill ends nodes with SIGKILL, all of them before it waits for any.
func (f *fleet) kill(nodes ...int) {
	for _, i := range nodes {
		if p := f.running[i]; p != nil {
			_ = p.cmd.Process.Kill() // it may have ended already
		}
	}
	for _, i := range nodes {
		if p := f.running[i]; p != nil {
			<-p.exited
			f.running[i] = nil
		}
	}
}

// stop asks a node to stop, as an operator does, and wants it to end well.
func (f *fleet) stop(i int) {
	f.t.Helper()
	p := f.running[i]
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		f.t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		f.t.Fatalf("%s does not stop", f.network.Nodes[i].Name)
	}
	if p.err != nil {
		f.t.Errorf("%s stopped with %v", f.network.Nodes[i].Name, p.err)
	}
	f.running[i] = nil
}

// status is what a node says of itself.
type status = client.NodeStatus

// until asks a node until its status is as wanted. A node that has ended fails the test, unless
// another program had taken its port meanwhile: then it is started again.
func (f *fleet) until(i int, what string, ok func(status) bool) status {
	f.t.Helper()
	var last status
	name := f.network.Nodes[i].Name
	eventually(f.t, name+" "+what, func() error {
		select {
		case <-f.running[i].exited:
			end := tailOf(filepath.Join(f.network.Nodes[i].Home, node.LogFile))
			if !bytes.Contains(end, []byte("address already in use")) {
				f.t.Fatalf("%s has ended: %v", name, f.running[i].err)
			}
			time.Sleep(time.Second)
			f.start(i)
		default:
		}
		var err error
		if last, err = f.clients[i].NodeStatus(f.t.Context()); err != nil {
			return err
		}
		if !ok(last) {
			return fmt.Errorf("status is %+v", last)
		}
		return nil
	})
	return last
}

// untilProposing waits until nodes take part in the order.
func (f *fleet) untilProposing(nodes ...int) {
	f.t.Helper()
	for _, i := range nodes {
		f.until(i, "proposes", func(s status) bool { return s.Proposing && s.Commit > 0 })
	}
}

// untilPast waits until a node has committed more than it had.
func (f *fleet) untilPast(i int, commit dag.CommitIndex) {
	f.t.Helper()
	f.until(i, fmt.Sprintf("commits more than %d", commit), func(s status) bool { return s.Commit > commit })
}

// checkHonest wants no node to hold evidence against any.
func (f *fleet) checkHonest() {
	f.t.Helper()
	for i := range f.network.Nodes {
		s := f.until(i, "answers", func(status) bool { return true })
		if s.Equivocators != 0 {
			f.t.Errorf("%s holds evidence of equivocation against %d validators", s.Name, s.Equivocators)
		}
	}
}

// eventually tries until it works.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
