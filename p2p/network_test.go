package p2p

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

func TestValidatorsPushToEachOther(t *testing.T) {
	for name, addrs := range map[string][]string{"tcp": {tcpAny}, "quic": {quicAny}, "both": {tcpAny, quicAny}} {
		t.Run(name, func(t *testing.T) {
			c := committee(t, 4)
			nodes := cluster(t, c, listen(addrs...))
			const each = 20
			var refs []dag.Ref
			for salt := range uint64(each) {
				for _, n := range nodes {
					b := block(t, c, dag.Author(n.index), salt, 10_000)
					refs = append(refs, b.Ref())
					n.Broadcast(b)
				}
			}
			for _, n := range nodes {
				for _, o := range nodes {
					if o != n {
						eventually(t, "all blocks", func() bool { return n.blocksFrom(ordering.Peer(o.index)) == each })
					}
				}
			}
			for _, n := range nodes {
				for _, ref := range refs {
					if own := int(ref.Author) == n.index; n.has(ref) == own {
						t.Errorf("node %d, block %v: has it %v", n.index, ref, !own)
					}
				}
			}
		})
	}
}

func TestMessages(t *testing.T) {
	c := committee(t, 4)
	nodes := cluster(t, c)
	newest := block(t, c, 1, 7, 10)
	frontier := []dag.Ref{newest.Ref(), c.Genesis(2)}
	send := func(m ordering.Message, to ordering.Peer) {
		t.Helper()
		if err := nodes[0].Send(ordering.Send{To: to, Message: m}); err != nil {
			t.Fatal(err)
		}
	}
	send(ordering.FrontierMessage{Newest: frontier}, ordering.Everyone)
	send(ordering.AskNewest{}, 1)
	send(ordering.AnswerNewest{Newest: newest, Signed: 9}, 1)
	send(ordering.AnswerNewest{Signed: 3, Lost: true}, 1)
	send(ordering.BlockMessage{Block: newest}, 2)
	for _, n := range nodes[1:] {
		eventually(t, "frontier", func() bool {
			return n.seen(func(e ordering.Event) bool {
				f, ok := e.(ordering.FrontierReceived)
				return ok && f.From == 0 && cmp.Equal(f.Newest, frontier)
			}) == 1
		})
	}
	eventually(t, "block", func() bool { return nodes[2].has(newest.Ref()) })
	for what, match := range map[string]func(ordering.Event) bool{
		"question": func(e ordering.Event) bool { return e == ordering.Event(ordering.NewestAsked{From: 0}) },
		"answer": func(e ordering.Event) bool {
			a, ok := e.(ordering.NewestAnswered)
			return ok && a.Signed == 9 && !a.Lost && a.Newest != nil && a.Newest.Ref() == newest.Ref()
		},
		"empty answer": func(e ordering.Event) bool {
			a, ok := e.(ordering.NewestAnswered)
			return ok && a.Signed == 3 && a.Lost && a.Newest == nil
		},
	} {
		eventually(t, what, func() bool {
			return nodes[1].seen(func(e ordering.Event) bool {
				if _, block := e.(ordering.BlockReceived); block {
					return false
				}
				if _, frontier := e.(ordering.FrontierReceived); frontier {
					return false
				}
				return match(e)
			}) == 1
		})
	}
	if n := nodes[2].seen(func(e ordering.Event) bool { _, ok := e.(ordering.NewestAsked); return ok }); n != 0 {
		t.Errorf("a question for one peer reached another %d times", n)
	}
	if err := nodes[0].Send(ordering.Send{To: ordering.FirstStranger, Message: ordering.AskNewest{}}); err == nil {
		t.Error("sending to nobody is no error")
	}
	eventually(t, "round trip", func() bool { return nodes[0].Peers()[0].RTT > 0 })
}

func TestSlowPeerLagsAloneAndIsHinted(t *testing.T) {
	c := committee(t, 4)
	small := limited(func(l *Limits) { l.Events, l.QueueFrames, l.QueueBytes = 8, 64, 4<<20 })
	nodes := cluster(t, c, small)
	nodes[3].pause()
	const blocks = 200 // 100 MB: far more than queue, stream window and sockets hold
	var last *dag.Verified
	for salt := range uint64(blocks) {
		last = block(t, c, 0, salt, 500_000)
		nodes[0].Broadcast(last)
		for _, n := range nodes[1:3] {
			eventually(t, "blocks at the fast ones", func() bool { return n.has(last.Ref()) })
		}
	}
	if s := nodes[0].Stats(); s.Dropped == 0 {
		t.Fatalf("nothing dropped for the slow peer: %+v", s)
	}
	for _, p := range nodes[0].Peers() {
		if slow := p.Peer == 3; p.Lagging != slow {
			t.Errorf("peer %d: lagging %v", p.Peer, p.Lagging)
		}
		if p.QueueBytes > 4<<20 || p.QueueFrames > 64 {
			t.Errorf("peer %d: queue of %d frames, %d bytes over its limits", p.Peer, p.QueueFrames, p.QueueBytes)
		}
	}
	nodes[3].resume()
	eventually(t, "hint", func() bool {
		return nodes[3].seen(func(e ordering.Event) bool {
			f, ok := e.(ordering.FrontierReceived)
			return ok && cmp.Equal(f.Newest, []dag.Ref{last.Ref()})
		}) == 1
	})
	if got := nodes[3].blocksFrom(0); got == 0 || got == blocks || !nodes[3].has(last.Ref()) {
		t.Errorf("slow peer got %d of %d blocks, the newest: %v", got, blocks, nodes[3].has(last.Ref()))
	}
}

func TestInvalidBlockCostsItsSenderAlone(t *testing.T) {
	c := committee(t, 4)
	forged := block(t, c, 0, 1, 100)
	raw := append([]byte(nil), forged.Bytes()...)
	raw[len(raw)-1] ^= 1
	ofOther := encodeAnswer(ordering.AnswerNewest{Newest: block(t, c, 2, 1, 10)})
	for name, bad := range map[string]frame{
		"bad signature":     {kindBlock, raw},
		"no block":          {kindBlock, []byte("hello")},
		"request":           request{from: 1, to: 2}.encode(),
		"unknown kind":      {77, nil},
		"oversize":          {kindFrontier, make([]byte, dag.MaxBlockBytes)},
		"frontier too long": {kindFrontier, encodeRefs([]dag.Ref{{Author: 9}})},
		"answer not asked":  ofOther,
	} {
		t.Run(name, func(t *testing.T) {
			nodes := cluster(t, c)
			good := block(t, c, 0, 2, 100)
			nodes[0].enqueue(nodes[0].table.numbered(1), frame{kindBlock, good.Bytes()})
			nodes[0].enqueue(nodes[0].table.numbered(1), bad)
			gone := func(p ordering.Peer) func() bool {
				return func() bool {
					return nodes[1].seen(func(e ordering.Event) bool { return isEvent(e, ordering.PeerDisconnected{Peer: p}) }) > 0
				}
			}
			eventually(t, "sender disconnected", gone(0))
			if s := nodes[1].Stats(); s.Faults != 1 || !nodes[1].has(good.Ref()) || nodes[1].blocksFrom(0) != 1 {
				t.Errorf("faults %d, blocks of the sender %d; want 1 and 1", s.Faults, nodes[1].blocksFrom(0))
			}
			for p := range ordering.Peer(2) {
				if gone(p + 2)() {
					t.Errorf("peer %d was disconnected too", p+2)
				}
			}
			eventually(t, "sender forgiven", func() bool { _, ok := nodes[1].numberOf(nodes[0]); return ok })
			nodes[0].waitConnected(t, nodes[1])
		})
	}
}

func isEvent(e, want ordering.Event) bool {
	switch e.(type) {
	case ordering.PeerConnected, ordering.PeerDisconnected:
		return e == want
	}
	return false
}

// TestRestart replaces a validator by a new process on the same port with the same identity. The
// old one's sockets are cut from under it, as the kernel does, or left alone as if frozen.
func TestRestart(t *testing.T) {
	for name, addr := range map[string]string{"tcp": tcpAny, "quic": quicAny} {
		t.Run(name, func(t *testing.T) {
			c := committee(t, 4)
			nodes := cluster(t, c, listen(addr))
			at := nodes[3].Addrs()[0].String()
			nodes[3].stop()
			began := time.Now()
			again := start(t, c, 3, listen(at), knows(nodes[:3]...))
			for _, n := range nodes[:3] {
				again.waitConnected(t, n)
				n.waitConnected(t, again)
			}
			t.Logf("back after %v", time.Since(began))
			exchange(t, c, append(nodes[:3:3], again), 100)
		})
	}
}

// exchange broadcasts blocks from each node until all others have got one: a connection that is
// replaced just then takes a block with it, of which PeerDisconnected tells the engine.
func exchange(t *testing.T, c *dag.Committee, nodes []*node, salt uint64) {
	t.Helper()
	for _, n := range nodes {
		for _, o := range nodes {
			if o == n {
				continue
			}
			eventually(t, "block after reconnect", func() bool {
				salt++
				b := block(t, c, dag.Author(n.index), salt, 100)
				n.Broadcast(b)
				time.Sleep(10 * time.Millisecond)
				return o.has(b.Ref())
			})
		}
	}
}

// TestRestartBehindStaleConnection starts a second host with the identity of one that still
// runs and holds its connections: what the others see after kill -9 over QUIC.
func TestRestartBehindStaleConnection(t *testing.T) {
	for name, addr := range map[string]string{"tcp": tcpAny, "quic": quicAny} {
		t.Run(name, func(t *testing.T) {
			c := committee(t, 4)
			nodes := cluster(t, c, listen(addr))
			others := nodes[1:] // node 0 knows nobody's address, so the old one does not dial again
			began := time.Now()
			again := start(t, c, 0, listen(addr), knows(others...))
			for _, n := range others {
				eventually(t, "one connection, to the new process", func() bool {
					conns := n.host.Network().ConnsToPeer(again.ID())
					back := again.host.Network().ConnsToPeer(n.ID())
					return len(conns) == 1 && len(back) == 1 && conns[0].RemoteMultiaddr().String() == back[0].LocalMultiaddr().String()
				})
				again.waitConnected(t, n)
				n.waitConnected(t, again)
			}
			t.Logf("back after %v", time.Since(began))
			exchange(t, c, append(others[:3:3], again), 100)
		})
	}
}

func TestSimultaneousDialKeepsOneConnection(t *testing.T) {
	for name, addr := range map[string]string{"tcp": tcpAny, "quic": quicAny} {
		t.Run(name, func(t *testing.T) {
			c := committee(t, 2)
			ports := make([]string, 2)
			for i := range ports { // learn free ports, so that each knows the other from the start
				probe := start(t, c, i, listen(addr))
				ports[i] = probe.Addrs()[0].String()
				probe.stop()
			}
			twice := 0
			for round := range 5 {
				nodes := make([]*node, 2)
				ready := make(chan struct{})
				for i := range nodes {
					go func() {
						id, _ := PeerID(key(1 - i).Public())
						nodes[i] = start(t, c, i, listen(ports[i]), func(cfg *Config) {
							info, _ := AddrInfo(key(1-i).Public(), ma.StringCast(ports[1-i]))
							info.ID = id
							cfg.Peers = append(cfg.Peers, info)
						})
						ready <- struct{}{}
					}()
				}
				<-ready
				<-ready
				settled := func() bool {
					a, b := nodes[0].host.Network().ConnsToPeer(nodes[1].ID()), nodes[1].host.Network().ConnsToPeer(nodes[0].ID())
					return len(a) == 1 && len(b) == 1 && a[0].RemoteMultiaddr().String() == b[0].LocalMultiaddr().String()
				}
				eventually(t, "one connection", settled)
				nodes[0].waitConnected(t, nodes[1])
				nodes[1].waitConnected(t, nodes[0])
				twice += int(nodes[0].Stats().Superseded)
				eventually(t, "one connection still", settled)
				exchange(t, c, nodes, uint64(round))
				nodes[0].stop()
				nodes[1].stop()
			}
			t.Logf("%d of 5 rounds had two connections", twice)
		})
	}
}

func TestCloseIsIdempotentAndEndsCalls(t *testing.T) {
	c := committee(t, 4)
	n := start(t, c, 0)
	n.stop()
	n.Close()
	n.Broadcast(block(t, c, 0, 1, 1))
	n.Fetch(ordering.Fetch{ID: 1, To: 1, FromRound: 1, ToRound: 1})
	if err := n.Send(ordering.Send{To: 1, Message: ordering.AskNewest{}}); err == nil {
		t.Error("sending after Close is no error")
	}
	if err := n.PublishTransaction(context.Background(), []byte{1}); err == nil {
		t.Error("publishing after Close is no error")
	}
}
