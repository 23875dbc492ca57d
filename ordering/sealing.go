package ordering

import (
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// The engine's part of sealing: it runs the key generation on the commits, puts this validator's
// messages and shares into own blocks, and hands out the shares of others. It neither makes nor
// checks a share: that takes time, and is done beside it.

// KindShare is the system message that carries a validator's share of a commit's sealed items; see
// package reveal. Kinds 1 and 2 are package keygen's.
const KindShare dag.SystemKind = 3

// Sealing says whether a network hides contents. All its nodes must say the same.
type Sealing uint8

// A network without sealing makes no key; sealed items in it never open.
const (
	Unsealed Sealing = iota
	WithSealing
)

// maxShareQueue bounds the shares that wait for own blocks, in bytes. What does not fit is refused;
// whoever made it offers it again later, since its commit stays unrevealed.
const maxShareQueue = 8 << 20

// SharesMade offers this validator's shares for own blocks, oldest commit first.
type SharesMade struct{ Shares []OwnShare }

// OwnShare is a share for a commit that this node has made.
type OwnShare struct {
	Commit  dag.CommitIndex
	Payload []byte
}

func (SharesMade) event() {}

// ShareSeen is a share that stands in an accepted block. Nobody has checked it.
type ShareSeen struct {
	Author  dag.Author
	Payload []byte
}

// KeyReady is a sealing key that the log has made.
type KeyReady struct {
	Key     keygen.Key
	Origins []keygen.Origin
	Share   *dkg.Share // this validator's; nil for an observer
	Lost    error      // why a validator has no share
}

// sealing is the engine's state of it; nil in a network without.
type sealing struct {
	keygen  *keygen.State
	member  *keygen.Member              // nil for an observer
	said    map[crypto.Digest]dag.Round // own messages, by the round of the block that carries them
	queue   []OwnShare
	bytes   int
	prompt  bool            // the last shares came in time
	awaited dag.CommitIndex // newest commit with sealed items
	hold    time.Duration   // until when the own block waits for its shares
}

func newSealing(cfg Config) (*sealing, error) {
	if cfg.Sealing == Unsealed {
		return nil, nil
	}
	state, err := keygen.New(cfg.Committee, keygen.Sealing)
	if err != nil {
		return nil, err
	}
	s := &sealing{keygen: state, said: make(map[crypto.Digest]dag.Round)}
	if cfg.Self != Observer {
		s.member = keygen.NewMember(cfg.Self, cfg.KEM)
	}
	return s, nil
}

// applySystem takes the system messages of one ordered block.
func (e *Engine) applySystem(c *Commit, b *dag.Verified) {
	if e.sealing == nil {
		return
	}
	for _, m := range b.Block().System {
		if e.sealing.keygen.Apply(c.Index, b.Author(), m) != nil {
			continue // its author's fault, and without consequence
		}
	}
}

// closeSealing ends a commit for the key generation, and notes what is to be revealed.
func (e *Engine) closeSealing(c *Commit) {
	s := e.sealing
	if s == nil {
		return
	}
	if key := s.keygen.Close(c.Index); key != nil {
		e.ready.Keys = append(e.ready.Keys, s.ready(*key))
	}
	if s.member != nil && e.holdsSealed(c) {
		s.awaited = c.Index
		if s.prompt {
			s.hold = e.now + e.cfg.Timing.ShareWait
		}
	}
}

// holdsSealed reports whether a commit accepted a sealed item.
func (e *Engine) holdsSealed(c *Commit) bool {
	for i := range c.Accepted {
		a := &c.Accepted[i]
		if c.Bodies[a.Block].Block().Items[a.Item].Kind == dag.KindSealed {
			return true
		}
	}
	return false
}

func (s *sealing) ready(key keygen.Key) KeyReady {
	k := KeyReady{Key: key, Origins: s.keygen.Origins(key.ID)}
	if s.member == nil {
		return k
	}
	if share, err := s.member.Share(s.keygen, key.ID); err != nil {
		k.Lost = err
	} else {
		k.Share = &share
	}
	return k
}

// restoreSealing hands out the keys that the restored state holds.
func (e *Engine) restoreSealing() {
	if e.sealing == nil {
		return
	}
	for _, key := range e.sealing.keygen.Keys() {
		e.ready.Keys = append(e.ready.Keys, e.sealing.ready(key))
	}
}

// sharesMade queues shares for the next own blocks. Only commits of this engine's own order can be
// shared for: a share opens.
func (e *Engine) sharesMade(ev SharesMade) {
	s := e.sealing
	if s == nil || s.member == nil {
		return
	}
	for _, o := range ev.Shares {
		if o.Commit > e.head.Index && !mutant.Planted(mutant.ShareEarly) {
			continue
		}
		if len(o.Payload)+systemCost > dag.MaxSystemBytes || s.bytes+len(o.Payload) > maxShareQueue {
			continue
		}
		if o.Commit >= s.awaited {
			s.hold, s.prompt = 0, true
		}
		s.queue, s.bytes = append(s.queue, o), s.bytes+len(o.Payload)
	}
}

// systemCost is more than what stands around a system message in a block.
const systemCost = 16

// system is the messages that the next own block carries: those of the key generation first, then
// as many shares as fit.
func (e *Engine) system(next dag.Round) []dag.SystemMessage {
	s := e.sealing
	if s == nil || s.member == nil {
		return nil
	}
	var out []dag.SystemMessage
	size := 0
	fits := func(payload []byte) bool {
		if len(out) == dag.MaxSystemMessages || size+systemCost+len(payload) > dag.MaxSystemBytes {
			return false
		}
		size += systemCost + len(payload)
		return true
	}
	for _, m := range s.member.Messages(s.keygen) {
		id := crypto.Hash(crypto.DomainState, []byte{byte(m.Kind)}, m.Payload)
		if at, said := s.said[id]; (!said || at <= e.graph.Floor()) && fits(m.Payload) {
			s.said[id] = next
			out = append(out, m)
		}
	}
	for len(s.queue) > 0 && fits(s.queue[0].Payload) {
		out = append(out, dag.SystemMessage{Kind: KindShare, Payload: s.queue[0].Payload})
		s.bytes -= len(s.queue[0].Payload)
		s.queue[0] = OwnShare{}
		s.queue = s.queue[1:]
	}
	return out
}

// saysMore reports whether shares wait for an own block.
func (s *sealing) saysMore() bool { return s != nil && len(s.queue) > 0 }

// holdUntil is until when the next own block waits for shares of the newest commit, so that they
// travel one block earlier. Who let one wait for nothing does not wait again before it has made some.
func (e *Engine) holdUntil() time.Duration {
	s := e.sealing
	if s == nil {
		return 0
	}
	if s.hold > 0 && e.now >= s.hold {
		s.hold, s.prompt = 0, false
	}
	return s.hold
}

// shareSeen hands out the shares of an accepted block.
func (e *Engine) shareSeen(b *dag.Verified) {
	if e.sealing == nil {
		return
	}
	for _, m := range b.Block().System {
		if m.Kind == KindShare {
			e.ready.Shares = append(e.ready.Shares, ShareSeen{Author: b.Author(), Payload: m.Payload})
		}
	}
}
