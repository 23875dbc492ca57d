package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
)

// More than f validators lose their disks at once, one of them its key too. The order stands still, the nodes
// say so, and docs/disaster.md, step by step, brings the network back behind the last commit that is proven.
func TestDisaster(t *testing.T) {
	t.Parallel()
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.submitEverywhere("before the disaster")
	committed := f.until(0, "answers", func(status) bool { return true }).Commit
	f.kill(f.all()...)
	for _, i := range []int{2, 3} {
		if err := os.RemoveAll(filepath.Join(f.network.Nodes[i].Home, node.DataDir)); err != nil {
			t.Fatal(err)
		}
	}
	f.start(f.all()...)
	f.until(2, "says what to do", func(s status) bool { return !s.Proposing && strings.Contains(s.Reason, "docs/disaster.md") })

	// 1. Halt, and 2. export what is left; the nodes whose disks are whole may run or not.
	dir := f.network.Dir()
	export := func(i int) string {
		path := filepath.Join(dir, f.network.Nodes[i].Name+".history")
		f.dunlin("log", "export", path, "--home", f.network.Nodes[i].Home)
		f.dunlin("log", "verify", path, "--genesis", filepath.Join(dir, devnet.GenesisFile))
		return path
	}
	f.until(0, "answers", func(status) bool { return true }) // else the export opens its store before it does
	running := export(0)
	for i := range f.running {
		f.stop(i)
	}
	stopped := export(1)

	// 3. A new genesis; n3's key is gone as well.
	fresh := filepath.Join(dir, "fresh")
	public := filepath.Join(dir, "n3.json")
	write(t, public, f.dunlin("init", "--home", fresh, "--name", "n3"))
	genesis := filepath.Join(dir, "genesis-2.json")
	write(t, genesis, f.dunlin("init", "genesis", "--from-export", running, "--from-export", stopped, "--replace", "n3="+public))
	next, err := node.LoadGenesis(genesis)
	if err != nil {
		t.Fatal(err)
	}
	if next.Continues == nil || next.Continues.Network != f.network.NetworkID || next.Continues.Commit < committed {
		t.Fatalf("the new genesis continues %+v, commit %d of %v was known", next.Continues, committed, f.network.NetworkID)
	}

	// 4. New homes, with the old keys and configs, and 5. start.
	for i := range f.network.Nodes {
		n := &f.network.Nodes[i]
		home := n.Home + "-2"
		if err := os.Mkdir(home, 0o700); err != nil {
			t.Fatal(err)
		}
		key := filepath.Join(n.Home, node.KeyFile)
		if i == 3 {
			key = filepath.Join(fresh, node.KeyFile)
		}
		for from, name := range map[string]string{key: node.KeyFile, filepath.Join(n.Home, node.ConfigFile): node.ConfigFile} {
			content, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(home, name), string(content))
		}
		f.dunlin("init", "--home", home, "--genesis", genesis)
		n.Home = home
	}
	for i := range f.network.Nodes {
		f.configure(i, func(c *node.Config) { // n3 has a new key, and its old id stands behind the addresses
			for name, addresses := range c.P2P.Peers {
				for j := range addresses {
					addresses[j], _, _ = strings.Cut(addresses[j], "/p2p/")
				}
				c.P2P.Peers[name] = addresses
			}
		})
	}
	f.start(f.all()...)
	f.submitEverywhere("after the disaster")
	for i := range f.network.Nodes {
		f.until(i, "is in the new network", func(s status) bool { return s.NetworkID == next.Network() && s.Proposing })
	}
	f.checkHonest()
}

// submitEverywhere has a transaction committed through every node.
func (f *fleet) submitEverywhere(payload string) {
	f.t.Helper()
	for _, n := range f.network.Nodes {
		f.dunlin("submit", "--api", n.API, "--namespace", "open", "--wait", "committed", payload+" by "+n.Name)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// dunlin runs the program and wants it to do what it is asked; it gives what it prints.
func (f *fleet) dunlin(args ...string) string {
	f.t.Helper()
	var out []byte
	eventually(f.t, "dunlin "+strings.Join(args, " "), func() error {
		c := exec.Command(program(f.t), args...)
		var complaint strings.Builder
		c.Stderr = &complaint
		var err error
		if out, err = c.Output(); err != nil {
			return fmt.Errorf("%w: %s", err, complaint.String())
		}
		return nil
	})
	return string(out)
}
