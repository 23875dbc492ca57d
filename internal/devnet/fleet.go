package devnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dunlin-network/dunlin/internal/node"
)

// stopPatience is how long a node may take to stop when asked; then it is killed.
const stopPatience = 20 * time.Second

// fleet is the processes of a network. It is safe for concurrent use.
type fleet struct {
	binary string

	mu      sync.Mutex
	network *Network
	members []member
	cpu     time.Duration // of the processes that have ended
}

// member is one validator's process.
type member struct {
	child  *exec.Cmd     // nil if somebody else started the process that runs now
	exited chan struct{} // closed once child has ended
	ended  string        // how the last process ended; empty while one runs
}

func newFleet(binary string, n *Network) *fleet {
	return &fleet{binary: binary, network: n, members: make([]member, len(n.Nodes))}
}

// start starts all nodes that do not run. Their output goes to node.log in each home.
func (f *fleet) start() error {
	for i := range f.members {
		if err := f.startOne(i); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.network.Save()
}

func (f *fleet) startOne(i int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := &f.network.Nodes[i]
	if pid := lockHolder(n.Home); pid != 0 && runsHome(pid, n.Home) {
		return &planError{fmt.Sprintf("%s runs already as process %d", n.Name, pid), fmt.Sprintf("kill %d", pid)}
	}
	log, err := os.OpenFile(filepath.Join(n.Home, node.LogFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	defer log.Close()
	child := exec.Command(f.binary, "run", "--home", n.Home)
	child.Stdout, child.Stderr = log, log
	// A group of its own: Ctrl-C at the terminal is for the devnet, which stops its nodes in order.
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := child.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	n.PID = child.Process.Pid
	exited := make(chan struct{})
	f.members[i] = member{child: child, exited: exited}
	go f.await(i, child, exited)
	return nil
}

// await notes how a child ends.
func (f *fleet) await(i int, child *exec.Cmd, exited chan struct{}) {
	defer close(exited)
	err := child.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cpu += child.ProcessState.UserTime() + child.ProcessState.SystemTime()
	m := &f.members[i]
	if m.child != child {
		return
	}
	m.ended = "stopped"
	if err != nil {
		m.ended = err.Error()
	}
}

// ended says how a node's process ended; empty while it runs.
func (f *fleet) ended(i int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.members[i].ended
}

// seen takes notice that a node answers. If its process had ended, somebody has started it again:
// network.json gets the new process, and it is stopped with the others.
func (f *fleet) seen(i int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := &f.network.Nodes[i]
	if f.members[i].ended == "" {
		return nil
	}
	pid := lockHolder(n.Home)
	if pid == 0 || !runsHome(pid, n.Home) {
		return nil
	}
	f.members[i] = member{}
	n.PID = pid
	return f.network.Save()
}

// gone takes notice that a node does not answer. If its process has ended, network.json says so.
func (f *fleet) gone(i int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, m := &f.network.Nodes[i], &f.members[i]
	runs := m.ended == "" && (m.child != nil || runsHome(n.PID, n.Home))
	if n.PID == 0 || runs {
		return nil
	}
	if m.ended == "" {
		m.ended = "gone"
	}
	n.PID = 0
	return f.network.Save()
}

// snapshot is the network as it is now.
func (f *fleet) snapshot() []Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Node(nil), f.network.Nodes...)
}

// stop asks every node to stop, kills by id what does not within stopPatience, and returns once
// all children have ended.
func (f *fleet) stop(ctx context.Context) error {
	f.mu.Lock()
	nodes := append([]Node(nil), f.network.Nodes...)
	members := append([]member(nil), f.members...)
	f.mu.Unlock()
	for i := range nodes {
		signalNode(&nodes[i], &members[i], syscall.SIGTERM)
	}
	patience, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	for i := range nodes {
		if !awaitEnd(patience, &nodes[i], &members[i]) {
			signalNode(&nodes[i], &members[i], syscall.SIGKILL)
			awaitEnd(context.Background(), &nodes[i], &members[i])
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.network.Nodes {
		f.network.Nodes[i].PID = 0
	}
	return f.network.Save()
}

func signalNode(n *Node, m *member, signal syscall.Signal) {
	switch {
	case m.child != nil:
		_ = m.child.Process.Signal(signal) // it may have ended already
	case n.PID != 0 && runsHome(n.PID, n.Home):
		_ = syscall.Kill(n.PID, signal)
	}
}

// awaitEnd waits until a node's process has ended; false if ctx ended first.
func awaitEnd(ctx context.Context, n *Node, m *member) bool {
	if m.child != nil {
		select {
		case <-m.exited:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for n.PID != 0 && runsHome(n.PID, n.Home) {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// cpuSeconds is the processor time of the nodes' processes that have ended and were ours.
func (f *fleet) cpuSeconds() float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cpu.Seconds()
}

// lockHolder is the process that last locked a home's data directory; 0 for none.
func lockHolder(home string) int {
	text, err := os.ReadFile(filepath.Join(home, node.DataDir, "LOCK"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return 0
	}
	return pid
}

// runsHome reports whether a process is alive and, where the system tells, was started with home
// on its command line: ids are used again.
func runsHome(pid int, home string) bool {
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return errors.Is(err, os.ErrNotExist) && !hasProc()
	}
	for arg := range strings.SplitSeq(string(line), "\x00") {
		if strings.HasSuffix(arg, home) || filepath.Base(arg) == filepath.Base(home) {
			return true
		}
	}
	return false
}

func hasProc() bool {
	_, err := os.Stat("/proc/self")
	return err == nil
}
