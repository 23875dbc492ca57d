package test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	"github.com/dunlin-network/dunlin/p2p"
)

// tap listens to a network as an observer does: it decodes every block that is gossiped or that it can fetch,
// makes the order by itself, and looks for what must not be there.
type tap struct {
	t         *testing.T
	committee *dag.Committee
	network   *p2p.Network
	engine    *ordering.Engine
	tracker   *reveal.Tracker
	start     time.Time
	done      chan struct{}

	mu       sync.Mutex
	blocks   map[dag.Ref]bool
	waiting  map[crypto.Digest]*dag.Sealed // ciphertexts in blocks that no commit has brought in
	shares   []heardShare                  // every share message
	public   *seal.Public                  // nil before there is a key
	batches  map[dag.CommitIndex]*seal.Batch
	commits  map[dag.CommitIndex]crypto.Digest
	claims   []dag.CommitRef // what blocks say about their authors' newest commit
	markers  [][]byte
	faults   []string
	revealed int
}

// heardShare is a share message in a block of its author.
type heardShare struct {
	author  dag.Author
	commit  dag.CommitIndex
	payload []byte
}

// noBlocks serves nothing: the tap only listens.
type noBlocks struct{}

func (noBlocks) Block(dag.Ref) ([]byte, bool, error) { return nil, false, nil }
func (noBlocks) BlocksInRounds(_, to dag.Round, _ int) ([][]byte, dag.Round, error) {
	return nil, to + 1, nil
}

// startTap listens from genesis on until the test ends, as an observer whom validators gossip to.
func startTap(f *fleet, validators int) *tap {
	f.t.Helper()
	identity, err := crypto.GenerateIdentityKey(rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	return startTapAs(f, identity, validators)
}

// startTapAs listens with an identity: to one of the committee validators push their blocks.
func startTapAs(f *fleet, identity *crypto.IdentityKey, validators int) *tap {
	f.t.Helper()
	genesis, err := node.LoadGenesis(filepath.Join(f.network.Dir(), devnet.GenesisFile))
	if err != nil {
		f.t.Fatal(err)
	}
	p := &tap{
		t: f.t, start: time.Now(), done: make(chan struct{}), blocks: make(map[dag.Ref]bool),
		waiting: make(map[crypto.Digest]*dag.Sealed), commits: make(map[dag.CommitIndex]crypto.Digest),
		batches: make(map[dag.CommitIndex]*seal.Batch),
	}
	if p.committee, err = genesis.Committee(); err != nil {
		f.t.Fatal(err)
	}
	p.tracker = reveal.New(p.committee, ordering.Observer, 0)
	p.engine, err = ordering.NewEngine(ordering.Config{
		Committee: p.committee, Registry: genesis.Registry(), Self: ordering.Observer, Created: genesis.Created,
		Sealing: ordering.WithSealing, Certification: ordering.WithCertificates,
	}, ordering.Restored{})
	if err != nil {
		f.t.Fatal(err)
	}
	var peers []peer.AddrInfo
	for _, n := range f.network.Nodes[:validators] {
		info, err := peer.AddrInfoFromString(n.P2P)
		if err != nil {
			f.t.Fatal(err)
		}
		peers = append(peers, *info)
	}
	listen := multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")
	p.network, err = p2p.New(p2p.Config{Identity: identity, Committee: p.committee, Listen: []multiaddr.Multiaddr{listen}, Peers: peers, Blocks: noBlocks{}})
	if err != nil {
		f.t.Fatal(err)
	}
	go p.run()
	f.t.Cleanup(p.close)
	return p
}

// close ends the listening. It may be called again.
func (p *tap) close() {
	p.network.Close()
	<-p.done
}

// run drives the engine until the network is closed.
func (p *tap) run() {
	defer close(p.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case ev, open := <-p.network.Events():
			if !open {
				return
			}
			p.tick()
			if b, ok := ev.(ordering.BlockReceived); ok {
				p.look(b.Block)
			}
			p.engine.Step(ev)
		case <-timer.C:
			p.tick()
		}
		ready := p.engine.Ready()
		for _, s := range ready.Sends {
			_ = p.network.Send(s) // whoever is away gets it later
		}
		for _, f := range ready.Fetches {
			p.network.Fetch(f)
		}
		p.take(&ready)
		timer.Reset(time.Until(p.start.Add(ready.WakeAt)))
	}
}

func (p *tap) tick() {
	p.engine.Step(ordering.Tick{Now: time.Since(p.start), Wall: uint64(time.Now().UnixMilli())})
}

// look holds a block against what may stand in it, the moment that it comes: no marker, and no share for a
// commit that its author did not have when it made the block.
func (p *tap) look(v *dag.Verified) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blocks[v.Ref()] {
		return
	}
	p.blocks[v.Ref()] = true
	b := v.Block()
	for _, m := range p.markers {
		if bytes.Contains(v.Bytes(), m) {
			p.faults = append(p.faults, fmt.Sprintf("%v holds the marker %q", v.Ref(), m))
		}
	}
	for i := range b.Items {
		if b.Items[i].Kind == dag.KindSealed {
			s := b.Items[i].Sealed()
			p.waiting[b.Items[i].ID] = &s
		}
	}
	p.claims = append(p.claims, b.LastCommit)
	for _, m := range b.System {
		if m.Kind != ordering.KindShare {
			continue
		}
		at, ok := reveal.ShareCommit(m.Payload)
		p.shares = append(p.shares, heardShare{v.Author(), at, m.Payload})
		if !ok || at > b.LastCommit.Index {
			p.faults = append(p.faults, fmt.Sprintf("%s shares for commit %d in %v, when it had commit %d",
				p.committee.Validator(v.Author()).Name, at, v.Ref(), b.LastCommit.Index))
		}
	}
}

// take follows the order and opens what can be opened.
func (p *tap) take(ready *ordering.Ready) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range ready.Keys {
		if err := p.tracker.AddKey(k.Key, nil); err != nil {
			p.faults = append(p.faults, err.Error())
		}
		p.addKey(&k.Key)
	}
	for _, c := range ready.Commits {
		p.commits[c.Index] = c.Digest
		p.addBatch(c)
		p.tracker.Commit(c)
	}
	for _, s := range ready.Shares {
		_ = p.tracker.Share(s.Author, s.Payload) // what is wrong with it shows in Bad
	}
	p.tracker.Work()
	for _, r := range p.tracker.Take() {
		p.revealed += len(r.Outcomes)
	}
}

func (p *tap) addKey(k *keygen.Key) {
	sealing, err := seal.NewKey(p.committee.Network(), k.ID, k.Public[:])
	if err == nil {
		var shares [][]byte
		for i := range k.Shares {
			shares = append(shares, k.Shares[i][:])
		}
		p.public, err = seal.NewPublic(sealing, k.Threshold, shares)
	}
	if err != nil {
		p.faults = append(p.faults, err.Error())
	}
}

// addBatch notes what may be shared for a commit; all ciphertexts of these tests are well made.
func (p *tap) addBatch(c *ordering.Commit) {
	var members []*seal.Ciphertext
	for i := range c.Accepted {
		a := &c.Accepted[i]
		s := p.waiting[a.ID]
		delete(p.waiting, a.ID)
		if s == nil {
			continue
		}
		member, err := p.public.Key().Verify(s.Associated(), s.Ciphertext)
		if err != nil {
			p.faults = append(p.faults, err.Error())
			continue
		}
		members = append(members, member)
	}
	if len(members) == 0 {
		return
	}
	const firstPart = "\x00\x00" // no commit here needs a second one
	batch, err := seal.NewBatch(p.public.Key(), crypto.Hash(crypto.DomainSealPart, c.Digest[:], []byte(firstPart)), members)
	if err != nil {
		p.faults = append(p.faults, err.Error())
	}
	p.batches[c.Index] = batch
}

// shareFault says what is wrong with a share: it must be its author's for exactly the batch of its commit.
// Empty if nothing is, or if the tap does not have that commit.
func (p *tap) shareFault(s *heardShare) string {
	if _, known := p.commits[s.commit]; !known {
		return ""
	}
	const header = 8 + 2 // commit and part
	share, err := seal.DecodeShare(s.payload[header:])
	if err != nil {
		return err.Error()
	}
	batch := p.batches[s.commit]
	if batch == nil || share.Index() != int(s.author)+1 || len(p.public.VerifyShares(batch, []*seal.Share{share})) != 0 {
		return fmt.Sprintf("%s shares for commit %d what is not its batch", p.committee.Validator(s.author).Name, s.commit)
	}
	return ""
}

// watch makes blocks with these bytes in them a fault.
func (p *tap) watch(markers ...[]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.markers = append(p.markers, markers...)
}

// found is what must not have been there.
func (p *tap) found() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	faults := slices.Clone(p.faults)
	for _, c := range p.claims {
		if digest, known := p.commits[c.Index]; known && digest != c.Digest {
			faults = append(faults, fmt.Sprintf("a block names %v as commit %d, which is %v", c.Digest.Short(), c.Index, digest.Short()))
		}
	}
	for i := range p.shares {
		if fault := p.shareFault(&p.shares[i]); fault != "" {
			faults = append(faults, fault)
		}
	}
	return faults
}

// check wants nothing found, after the tap has opened so many items by itself.
func (p *tap) check(opened int) {
	p.t.Helper()
	eventually(p.t, "the tap opens what was sealed", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.revealed < opened {
			return fmt.Errorf("%d of %d items in %d blocks, %d commits", p.revealed, opened, len(p.blocks), len(p.commits))
		}
		return nil
	})
	for _, fault := range p.found() {
		p.t.Error(fault)
	}
}

// beyond is how many ciphertexts stand in blocks and in no commit, and how many shares are for commits that
// the tap does not have.
func (p *tap) beyond() (ciphertexts, shares int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.shares {
		if _, known := p.commits[p.shares[i].commit]; !known {
			shares++
		}
	}
	return len(p.waiting), shares
}

// pushed is how many blocks came directly from their authors.
func (p *tap) pushed() int { return int(p.network.Stats().BlocksIn) }

// settle waits until no new block has come for a while.
func (p *tap) settle(ctx context.Context) {
	const quiet = time.Second
	before := -1
	for ctx.Err() == nil {
		p.mu.Lock()
		now := len(p.blocks)
		p.mu.Unlock()
		if now == before {
			return
		}
		before = now
		time.Sleep(quiet)
	}
}
