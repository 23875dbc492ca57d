package test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// twice is how often the same payload goes to two validators in the same moment.
const twice = 50

// One of four nodes has a planted error: it accepts what it has accepted before. The digests show
// it, and say from which commit on; the others are not harmed.
func TestPlantedDedupe(t *testing.T) {
	t.Parallel()
	broken := brokenDunlin(t)
	f := newFleet(t, devnet.Plan{Validators: 4})
	const odd = 3
	f.command[odd] = func(home string) []string { return []string{broken, "run", "--home", home} }
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	ids := submitTwice(t, f.clients[0], f.clients[1])

	eventually(t, "the digests of the node with the error differ", func() error {
		odd, plain := f.read(odd), f.read(0)
		for _, id := range ids {
			if plain.items[id] != 1 {
				return fmt.Errorf("%s has %s %d times", plain.name, id, plain.items[id])
			}
		}
		at := divergence(odd, plain)
		if at == 0 {
			return fmt.Errorf("no difference in %d commits", len(odd.digests))
		}
		t.Logf("%s and %s differ from commit %d on", odd.name, plain.name, at)
		return nil
	})
	checkAgreement(t, []*order{f.read(0), f.read(1), f.read(2)})
}

// The same node in a devnet: it exits as a network at fault and names the commit.
func TestDevnetNoticesPlantedDedupe(t *testing.T) {
	t.Parallel()
	broken := brokenDunlin(t)
	d := startDevnet(t, program(t), "--validators", "4", "--rate", "20")
	network := d.network()
	victim := network.Nodes[1]
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.untilNode(1, "is gone", func(n devnet.Node) error {
		if n.PID != 0 {
			return fmt.Errorf("process %d", n.PID)
		}
		return nil
	})
	odd := exec.Command(broken, "run", "--home", victim.Home)
	odd.SysProcAttr = childAttributes()
	if err := odd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- odd.Wait() }()
	t.Cleanup(func() { _ = odd.Process.Kill() })
	d.untilNode(1, "runs again", func(n devnet.Node) error {
		if n.PID != odd.Process.Pid {
			return fmt.Errorf("process %d, want %d", n.PID, odd.Process.Pid)
		}
		return nil
	})
	network = d.network()
	var clients []*client.Client
	for _, n := range network.Nodes {
		c, err := client.New(n.API)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		clients = append(clients, c)
	}
	submitTwice(t, clients[0], clients[2])
	eventually(t, "the second copies are ordered", func() error {
		plain, err := clients[0].Commit(t.Context(), 0)
		if err != nil {
			return err
		}
		same, err := clients[1].Commit(t.Context(), dag.CommitIndex(plain.GetIndex()))
		if err != nil {
			return err
		}
		if bytes.Equal(plain.GetDigest(), same.GetDigest()) {
			return fmt.Errorf("no difference up to commit %d", plain.GetIndex())
		}
		return nil
	})
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	const refused = 3
	result := d.result(refused)
	if result.Agreement || !strings.HasPrefix(result.Disagreement, "commit ") || !strings.Contains(result.Disagreement, victim.Name) {
		t.Errorf("agreement %v, disagreement %q; want the commit where %s differs", result.Agreement, result.Disagreement, victim.Name)
	}
	if !strings.Contains(d.errors.String(), "validators disagree") {
		t.Errorf("devnet said:\n%s", d.errors.String())
	}
	t.Log(result.Disagreement)
	<-ended
}

// submitTwice gives the same payloads to two nodes in the same moment, so that both propose them,
// and returns once both have acknowledged all.
func submitTwice(t *testing.T, clients ...*client.Client) []crypto.Digest {
	t.Helper()
	ids := make([]crypto.Digest, twice)
	for i := range ids {
		var both sync.WaitGroup
		for _, c := range clients {
			both.Go(func() {
				results, err := c.Submit(t.Context(), client.Submission{
					Namespace: devnet.Open, Payloads: [][]byte{fmt.Appendf(nil, "to both, number %d", i)}, Wait: client.WaitNone,
				})
				if err != nil || results[0].Err != nil {
					t.Errorf("submit: %v %+v", err, results)
					return
				}
				if c == clients[0] {
					ids[i] = results[0].ID
				}
			})
		}
		both.Wait()
	}
	return ids
}
