package test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/freeport"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// addObserver is addNode under the usual name.
func (f *fleet) addObserver(api string) int {
	f.t.Helper()
	return f.addNode("observer", api)
}

// addNode writes the home of a node without a place in the committee and returns its number. It listens on
// api for clients, and for other nodes where none finds it: it dials them.
func (f *fleet) addNode(name, api string) int {
	f.t.Helper()
	genesis := f.genesis()
	keys, err := crypto.GenerateKeys(rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	config := node.DefaultConfig()
	config.Name, config.P2P.Listen, config.API.Listen = name, []string{"/ip4/127.0.0.1/tcp/0"}, api
	config.API.Insecure = true // outside of loopback: in a namespace of this machine
	config.P2P.Peers = make(map[string][]string)
	for _, n := range f.network.Nodes[:len(genesis.Validators)] {
		config.P2P.Peers[n.Name] = []string{n.P2P}
	}
	home := filepath.Join(f.network.Dir(), fmt.Sprintf("%s-%d", config.Name, len(f.network.Nodes)))
	if err := node.WriteHome(home, config, genesis, keys); err != nil {
		f.t.Fatal(err)
	}
	c, err := client.New("http://" + api)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.Close)
	binary := program(f.t)
	f.command = append(f.command, func(home string) []string { return []string{binary, "run", "--home", home} })
	f.network.Nodes = append(f.network.Nodes, devnet.Node{Name: config.Name, Home: home, API: "http://" + api})
	f.running, f.clients = append(f.running, nil), append(f.clients, c)
	return len(f.network.Nodes) - 1
}

// genesis is that of the network.
func (f *fleet) genesis() *dag.Genesis {
	f.t.Helper()
	genesis, err := node.LoadGenesis(filepath.Join(f.network.Dir(), devnet.GenesisFile))
	if err != nil {
		f.t.Fatal(err)
	}
	return genesis
}

// freeAddress is an address that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := freeport.Listen("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// An observer that joins late makes the same commits from genesis on, byte by byte, and opens the same
// sealed items. It only dials. What is submitted to it is committed once, sealed or not, also what falls to
// a validator that is dead.
func TestObserver(t *testing.T) {
	t.Parallel()
	const dead = 3
	f := newFleet(t, devnet.Plan{Validators: 4})
	observer := f.addObserver(freeAddress(t))
	validators := []int{0, 1, 2, 3}
	f.start(validators...)
	f.untilProposing(validators...)
	early := f.submitSealed(0, "before the observer")
	at := f.commitOf(0)
	f.untilPast(0, at+100)
	f.start(observer)
	f.until(observer, "follows", func(s status) bool { return s.Commit > at && s.Peers == len(validators) })

	sealed := []crypto.Digest{early, f.submitSealed(observer, "to the observer")}
	ids := append(f.submitOpen(observer, "while all are there", 8), sealed...)
	f.kill(dead)
	ids = append(ids, f.submitOpen(observer, "while one is dead", 24)...)
	sealed = append(sealed, f.submitSealed(observer, "while one is dead"))
	f.start(dead)
	f.untilProposing(dead)
	f.checkCommitted(append(ids, sealed[2]))
	f.sameReveals(observer, 0, sealed)
	f.checkHonest()
}

// submitOpen submits payloads one by one and waits until they are committed.
func (f *fleet) submitOpen(to int, what string, count int) []crypto.Digest {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	var ids []crypto.Digest
	for i := range count {
		r, err := f.clients[to].SubmitAndWait(ctx, client.Submission{Namespace: devnet.Open, Payloads: [][]byte{fmt.Appendf(nil, "%s, %d", what, i)}})
		if err != nil {
			f.t.Fatalf("submit to %s %s: %v", f.network.Nodes[to].Name, what, err)
		}
		ids = append(ids, r.ID)
	}
	return ids
}

// submitSealed submits a sealed payload and waits until it is revealed.
func (f *fleet) submitSealed(to int, payload string) crypto.Digest {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	r, err := f.clients[to].SealAndSubmit(ctx, client.Plain{Legs: []dag.Leg{{Namespace: devnet.Open, Payload: []byte(payload)}}}, client.WaitRevealed)
	if err != nil || r.State != client.Revealed {
		f.t.Fatalf("submit sealed to %s: %s, %v", f.network.Nodes[to].Name, r.State, err)
	}
	return r.ID
}

// sameReveals wants two nodes to tell the same of sealed items, openings included.
func (f *fleet) sameReveals(a, b int, ids []crypto.Digest) {
	f.t.Helper()
	read := func(i int) []client.Item {
		ctx, cancel := context.WithTimeout(f.t.Context(), patience)
		defer cancel()
		missing := make(map[crypto.Digest]bool)
		for _, id := range ids {
			missing[id] = true
		}
		var out []client.Item
		all := errors.New("all are read")
		err := f.clients[i].FollowEvents(ctx, client.Selection{Cursor: "genesis", MinState: client.Revealed}, func(e client.Event) error {
			for _, item := range e.Items {
				if missing[item.ID] {
					delete(missing, item.ID)
					out = append(out, item)
				}
			}
			if len(missing) == 0 {
				return all
			}
			return nil
		})
		if !errors.Is(err, all) {
			f.t.Fatalf("read reveals of %s: %v; %d are missing", f.network.Nodes[i].Name, err, len(missing))
		}
		return out
	}
	got, want := read(a), read(b)
	if diff := cmp.Diff(want, got); diff != "" {
		f.t.Errorf("%s and %s reveal differently (-%[2]s):\n%[3]s", f.network.Nodes[a].Name, f.network.Nodes[b].Name, diff)
	}
	for _, item := range got {
		if len(item.Legs) == 0 {
			f.t.Errorf("%v was not opened: %v", item.ID, item.Verdict)
		}
	}
}
