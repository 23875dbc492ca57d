package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/internal/devnet"
)

// Every validator has a network namespace and a 10.x address of its own, as on machines of their
// own: limits and penalties per address never show on loopback. Each is killed and comes back.
func TestNetworkNamespaces(t *testing.T) {
	needCurl(t)
	n := newSwitch(t, 4)
	t.Parallel()
	f := newFleet(t, devnet.Plan{Validators: 4, Hosts: n.hosts})
	for i := range f.command {
		inside := f.command[i]
		f.command[i] = func(home string) []string { return n.inside(n.nodes[i], inside(home)...) }
	}
	f.start(f.all()...)
	for i := range f.command {
		n.untilMeshed(t, f, i)
	}
	n.submit(t, f, 0, "before any was killed")
	for round := range 6 {
		victim := round % 2 // the same ones again and again, which is what penalties wait for
		f.kill(victim)
		n.submit(t, f, 3, fmt.Sprintf("without %d, round %d", victim, round))
		f.start(victim)
		started := time.Now()
		for i := range f.command {
			n.untilMeshed(t, f, i)
		}
		t.Logf("n%d is back with all others after %s", victim, time.Since(started).Round(time.Millisecond))
		n.submit(t, f, victim, fmt.Sprintf("to %d, round %d", victim, round))
	}
	head := n.status(t, f, 0).Commit
	var digests []string
	for i := range f.command {
		eventually(t, fmt.Sprintf("n%d reaches commit %d", i, head), func() error {
			s := n.status(t, f, i)
			if s.Commit < head {
				return fmt.Errorf("commit %d", s.Commit)
			}
			if s.Equivocators != 0 {
				t.Errorf("%s holds evidence against %d validators", s.Name, s.Equivocators)
			}
			return nil
		})
		digests = append(digests, n.digest(t, f, i, uint64(head)))
	}
	for i, d := range digests {
		if d != digests[0] { // digests are chained: equal ones stand for equal histories
			t.Errorf("commit %d: n%d has %s, n0 has %s", head, i, d, digests[0])
		}
	}
}

// ethernetSwitch joins network namespaces; everything of it lies inside them.
type ethernetSwitch struct {
	name  string   // what the names of its namespaces begin with
	hub   string   // the namespace of the bridge, with an address of its own
	nodes []string // namespaces
	hosts []string // their addresses
}

// switches counts them: tests that run at the same time have switches of their own.
var switches atomic.Int64

// newSwitch makes the namespaces, or skips the test where that is not possible.
func newSwitch(t *testing.T, nodes int) *ethernetSwitch {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("SKIPPED: validators on addresses of their own: there is no ip (iproute2) on this machine")
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: validators on addresses of their own: network namespaces need root")
	}
	name := fmt.Sprintf("dunlin-%d-%d", os.Getpid(), switches.Add(1))
	n := &ethernetSwitch{name: name, hub: name + "-hub"}
	if out, err := exec.Command("ip", "netns", "add", n.hub).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: validators on addresses of their own: no network namespaces here: %v: %s", err, out)
	}
	t.Cleanup(func() { deleteNamespace(t, n.hub) })
	n.ip(t, "-n %s link add br0 type bridge", n.hub)
	n.ip(t, "-n %s address add 10.77.0.254/24 dev br0", n.hub)
	n.ip(t, "-n %s link set br0 up", n.hub)
	for i := range nodes {
		name, host := fmt.Sprintf("%s-%d", n.name, i), fmt.Sprintf("10.77.0.%d", i+1)
		n.ip(t, "netns add %s", name)
		t.Cleanup(func() { deleteNamespace(t, name) })
		n.nodes, n.hosts = append(n.nodes, name), append(n.hosts, host)
		n.ip(t, "-n %s link add veth%d type veth peer name eth0 netns %s", n.hub, i, name)
		n.ip(t, "-n %s link set veth%d master br0 up", n.hub, i)
		n.ip(t, "-n %s address add %s/24 dev eth0", name, host)
		n.ip(t, "-n %s link set eth0 up", name)
		n.ip(t, "-n %s link set lo up", name)
	}
	return n
}

func (n *ethernetSwitch) ip(t *testing.T, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", line, err, out)
	}
}

func deleteNamespace(t *testing.T, name string) {
	if out, err := exec.Command("ip", "netns", "delete", name).CombinedOutput(); err != nil {
		t.Errorf("delete namespace: %v: %s; next: ip netns delete %s", err, out, name)
	}
}

// inside is the command line that runs another one inside a namespace, as the same process.
func (n *ethernetSwitch) inside(namespace string, line ...string) []string {
	return append([]string{"ip", "netns", "exec", namespace}, line...)
}

// run runs a program next to the bridge, from where all nodes can be reached.
func (n *ethernetSwitch) run(line ...string) ([]byte, error) {
	line = n.inside(n.hub, line...)
	out, err := exec.Command(line[0], line[1:]...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(line, " "), err, out)
	}
	return out, nil
}

func (n *ethernetSwitch) status(t *testing.T, f *fleet, i int) status {
	t.Helper()
	var s status
	eventually(t, fmt.Sprintf("n%d answers", i), func() error {
		out, err := n.run(program(t), "status", "--json", "--api", f.network.Nodes[i].API)
		if err != nil {
			return err
		}
		return json.Unmarshal(out, &s)
	})
	return s
}

// untilMeshed waits until a node proposes and is connected to all others.
func (n *ethernetSwitch) untilMeshed(t *testing.T, f *fleet, i int) {
	t.Helper()
	eventually(t, fmt.Sprintf("n%d is connected and proposes", i), func() error {
		if s := n.status(t, f, i); !s.Proposing || s.Commit == 0 || s.Peers != len(n.nodes)-1 {
			return fmt.Errorf("status is %+v", s)
		}
		return nil
	})
}

// submit sends a transaction to a node and waits until it is committed.
func (n *ethernetSwitch) submit(t *testing.T, f *fleet, i int, payload string) {
	t.Helper()
	eventually(t, payload, func() error {
		_, err := n.run(program(t), "submit", "--api", f.network.Nodes[i].API, "--namespace", "open", "--wait", "committed", payload)
		return err
	})
}

// digest is the digest of a commit as a node serves it.
func (n *ethernetSwitch) digest(t *testing.T, f *fleet, i int, commit uint64) string {
	t.Helper()
	out, err := n.run("curl", "--silent", "--show-error", fmt.Sprintf("%s/v1/commits/%d", f.network.Nodes[i].API, commit))
	if err != nil {
		t.Fatal(err)
	}
	var header struct {
		Digest string `json:"digest"`
	}
	decode(t, string(out), &header)
	if header.Digest == "" {
		t.Fatalf("n%d has no commit %d: %s", i, commit, out)
	}
	return header.Digest
}
