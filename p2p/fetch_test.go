package p2p

import (
	"bufio"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

func refsOf(blocks []*dag.Verified) []dag.Ref {
	refs := make([]dag.Ref, len(blocks))
	for i, b := range blocks {
		refs[i] = b.Ref()
	}
	return refs
}

// chain is one block of each author in each of the rounds 1 to rounds.
func chain(t *testing.T, c *dag.Committee, rounds, payload int) []*dag.Verified {
	var out []*dag.Verified
	for round := range rounds {
		for a := range c.Size() {
			out = append(out, blockAt(t, c, dag.Author(a), dag.Round(round+1), 5, payload))
		}
	}
	return out
}

func TestFetch(t *testing.T) {
	c := committee(t, 4)
	nodes := cluster(t, c)
	asker, server := nodes[0], nodes[1]
	blocks := chain(t, c, 20, 100)
	unknown := block(t, c, 3, 999, 5).Ref()
	server.source.put(blocks...)
	big := blockAt(t, c, 2, 500, 1, 500_000)
	var large []*dag.Verified
	for salt := range uint64(10) {
		large = append(large, blockAt(t, c, 2, 600, salt, 500_000))
	}
	server.source.put(append(large, big)...)
	for i, test := range []struct {
		name  string
		fetch ordering.Fetch
		want  []dag.Ref
	}{
		{"refs", ordering.Fetch{To: 1, Refs: refsOf(blocks[3:60])}, refsOf(blocks[3:60])},
		{"refs, one unknown", ordering.Fetch{To: 1, Refs: []dag.Ref{blocks[0].Ref(), unknown, blocks[1].Ref()}}, refsOf(blocks[:2])},
		{"unknown alone", ordering.Fetch{To: 1, Refs: []dag.Ref{unknown}}, nil},
		{"a large block", ordering.Fetch{To: 1, Refs: []dag.Ref{big.Ref()}}, []dag.Ref{big.Ref()}},
		{"rounds", ordering.Fetch{To: 1, FromRound: 3, ToRound: 5}, refsOf(blocks[8:20])},
		{"rounds beyond", ordering.Fetch{To: 1, FromRound: 21, ToRound: 30}, nil},
		{"as much as one answer holds", ordering.Fetch{To: 1, Refs: refsOf(large)}, refsOf(large[:8])},
		{"twice the same", ordering.Fetch{To: 1, Refs: []dag.Ref{blocks[0].Ref(), blocks[0].Ref()}}, refsOf(blocks[:1])},
		{"too many refs", ordering.Fetch{To: 1, Refs: make([]dag.Ref, maxFetchRefs+1)}, nil},
		{"rounds backwards", ordering.Fetch{To: 1, FromRound: 5, ToRound: 4}, nil},
		{"nobody", ordering.Fetch{To: 77, FromRound: 1, ToRound: 4}, nil},
		{"itself", ordering.Fetch{To: 0, FromRound: 1, ToRound: 4}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			asker.mu.Lock()
			from := len(asker.events)
			asker.mu.Unlock()
			test.fetch.ID = uint64(i + 1)
			asker.Fetch(test.fetch)
			end := asker.endOf(t, test.fetch.ID)
			asker.mu.Lock()
			var got []dag.Ref
			for _, e := range asker.events[from:] {
				if b, ok := e.(ordering.BlockReceived); ok && b.From == 1 {
					got = append(got, b.Block.Ref())
				}
			}
			asker.mu.Unlock()
			if !slices.Equal(got, test.want) || end.Blocks != len(test.want) {
				t.Errorf("got %d blocks, told of %d, want %d", len(got), end.Blocks, len(test.want))
			}
		})
	}
	if s := asker.Stats(); s.Faults+server.Stats().Faults != 0 || s.Unasked != 0 {
		t.Errorf("faults %d and %d, unasked %d", s.Faults, server.Stats().Faults, s.Unasked)
	}
}

// TestFetchFromLiar lets a validator answer with what was not asked.
func TestFetchFromLiar(t *testing.T) {
	c := committee(t, 4)
	asked, other := blockAt(t, c, 2, 5, 1, 10), blockAt(t, c, 2, 9, 2, 10)
	var flood []frame
	for salt := range uint64(20) {
		flood = append(flood, frame{kindBlock, blockAt(t, c, 2, 5, salt, 500_000).Bytes()})
	}
	garbage := frame{kindBlock, []byte("garbage")}
	end := trailer{}.encode()
	byRef := ordering.Fetch{To: 1, Refs: []dag.Ref{asked.Ref()}}
	byRound := ordering.Fetch{To: 1, FromRound: 5, ToRound: 8}
	for name, test := range map[string]struct {
		fetch                   ordering.Fetch
		answer                  []frame
		blocks, faults, unasked int
	}{
		"honest":            {byRef, []frame{{kindBlock, asked.Bytes()}, end}, 1, 0, 0},
		"another block":     {byRef, []frame{{kindBlock, asked.Bytes()}, {kindBlock, other.Bytes()}, end}, 1, 0, 1},
		"the block twice":   {byRef, []frame{{kindBlock, asked.Bytes()}, {kindBlock, asked.Bytes()}, end}, 1, 0, 1},
		"another round":     {byRound, []frame{{kindBlock, asked.Bytes()}, {kindBlock, other.Bytes()}, end}, 1, 0, 1},
		"an invalid block":  {byRef, []frame{garbage, {kindBlock, asked.Bytes()}, end}, 0, 1, 0},
		"more than allowed": {byRound, append(flood, end), 8, 1, 0},
		"no trailer":        {byRef, []frame{{kindBlock, asked.Bytes()}}, 1, 0, 0},
		"another frame":     {byRef, []frame{{kindPing, make([]byte, pingSize)}, end}, 0, 1, 0},
		"a wrong trailer":   {byRef, []frame{{kindTrailer, append([]byte{9}, make([]byte, trailerSize-1)...)}}, 0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := cluster(t, c)
			nodes[1].host.SetStreamHandler(nodes[1].names.fetch, func(s network.Stream) {
				defer func() { _ = s.Close() }()
				if _, err := readFrame(bufio.NewReader(s)); err != nil {
					t.Error(err)
				}
				for _, f := range test.answer {
					if f.writeTo(s) != nil {
						return // cut off
					}
				}
			})
			test.fetch.ID = 1
			nodes[0].Fetch(test.fetch)
			got := nodes[0].endOf(t, 1)
			s := nodes[0].Stats()
			if name == "more than allowed" { // how many come before the limit depends on what is verified together
				test.blocks = got.Blocks
			}
			if got.Blocks != test.blocks || s.Faults != uint64(test.faults) || s.Unasked != uint64(test.unasked) {
				t.Errorf("blocks %d, faults %d, unasked %d; want %d, %d, %d", got.Blocks, s.Faults, s.Unasked, test.blocks, test.faults, test.unasked)
			}
			if got.Blocks*500_000 > maxFetchBytes {
				t.Errorf("took %d large blocks", got.Blocks)
			}
			if nodes[0].blocksFrom(1) != got.Blocks {
				t.Errorf("%d blocks delivered, told of %d", nodes[0].blocksFrom(1), got.Blocks)
			}
		})
	}
}

func TestFetchEndsWithoutAnswer(t *testing.T) {
	c := committee(t, 4)
	nodes := cluster(t, c, limited(func(l *Limits) { l.FetchTimeout = 200 * time.Millisecond }))
	silent := func(s network.Stream) {
		_, _ = io.Copy(io.Discard, s)
		buffer := make([]byte, 1)
		_ = s.SetReadDeadline(time.Now().Add(patience))
		_, _ = s.Read(buffer)
	}
	nodes[1].host.SetStreamHandler(nodes[1].names.fetch, silent)
	for id := range uint64(fetchesPerPeer + 3) { // more than may be outstanding
		nodes[0].Fetch(ordering.Fetch{ID: id, To: 1, FromRound: 1, ToRound: 2})
	}
	for id := range uint64(fetchesPerPeer + 3) {
		if end := nodes[0].endOf(t, id); end.Blocks != 0 {
			t.Errorf("fetch %d brought %d blocks", id, end.Blocks)
		}
	}
	if s := nodes[0].Stats(); s.FetchesFailed != fetchesPerPeer+3 || s.Faults != 0 {
		t.Errorf("failed %d, faults %d", s.FetchesFailed, s.Faults)
	}
}

func TestFetchEndsWhenThePeerIsGone(t *testing.T) {
	for name, end := range map[string]func(asker, server *node){
		"disconnect": func(_, server *node) { server.stop() },
		"close":      func(asker, _ *node) { asker.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			c := committee(t, 4)
			nodes := cluster(t, c, limited(func(l *Limits) { l.FetchTimeout = patience }))
			reached := make(chan struct{})
			nodes[1].host.SetStreamHandler(nodes[1].names.fetch, func(s network.Stream) {
				close(reached)
				_, _ = io.Copy(io.Discard, s)
				<-nodes[1].ctx.Done()
			})
			nodes[0].Fetch(ordering.Fetch{ID: 1, To: 1, FromRound: 1, ToRound: 2})
			<-reached
			end(nodes[0], nodes[1])
			nodes[0].endOf(t, 1)
			nodes[0].stop()
			if n := nodes[0].seen(func(e ordering.Event) bool { _, ok := e.(ordering.FetchEnded); return ok }); n != 1 {
				t.Errorf("%d ends", n)
			}
		})
	}
}

func TestServerLimits(t *testing.T) {
	c := committee(t, 4)
	nodes := cluster(t, c)
	blocks := chain(t, c, 2, 10)
	nodes[1].source.put(blocks...)
	r := nodes[1].table.numbered(0)
	fetch := func(id uint64) int {
		nodes[0].Fetch(ordering.Fetch{ID: id, To: 1, FromRound: 1, ToRound: 2})
		return nodes[0].endOf(t, id).Blocks
	}
	if got := fetch(1); got != len(blocks) {
		t.Fatalf("%d blocks, want %d", got, len(blocks))
	}
	r.served.charge(10 * validatorByteRate)
	if got := fetch(2); got != 0 {
		t.Errorf("%d blocks though the asker is over its rate of bytes", got)
	}
	r.served.charge(-10 * validatorByteRate)
	r.requests.charge(10 * validatorRequestRate)
	if got := fetch(3); got != 0 {
		t.Errorf("%d blocks though the asker is over its rate of requests", got)
	}
	r.requests.charge(-10 * validatorRequestRate)
	for range servedPerPeer {
		r.serving <- struct{}{}
	}
	if got := fetch(4); got != 0 {
		t.Errorf("%d blocks though %d fetches are being served", got, servedPerPeer)
	}
	for range servedPerPeer {
		<-r.serving
	}
	nodes[1].source.mu.Lock()
	nodes[1].source.broken = true
	nodes[1].source.mu.Unlock()
	if got := fetch(5); got != 0 {
		t.Errorf("%d blocks from a broken disk", got)
	}
	if s := nodes[1].Stats(); s.FetchesRefused != 3 || s.Faults+nodes[0].Stats().Faults != 0 {
		t.Errorf("refused %d, want 3; faults %d", s.FetchesRefused, s.Faults)
	}
}

// All strangers together are served at one rate; members are served beside it.
func TestStrangersShareARate(t *testing.T) {
	c := committee(t, 4)
	nodes := cluster(t, c)
	blocks := chain(t, c, 2, 10)
	nodes[1].source.put(blocks...)
	observer := start(t, c, 10, knows(nodes[1]))
	observer.waitConnected(t, nodes[1])
	fetch := func(from *node, id uint64) int {
		from.Fetch(ordering.Fetch{ID: id, To: 1, FromRound: 1, ToRound: 2})
		return from.endOf(t, id).Blocks
	}
	if got := fetch(observer, 1); got != len(blocks) {
		t.Fatalf("%d blocks, want %d", got, len(blocks))
	}
	nodes[1].outside.charge(10 * strangersByteRate)
	if got := fetch(observer, 2); got != 0 {
		t.Errorf("%d blocks though strangers are over their rate", got)
	}
	if got := fetch(nodes[0], 3); got != len(blocks) {
		t.Errorf("a member gets %d blocks, want %d", got, len(blocks))
	}
}
