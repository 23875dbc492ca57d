package ordering

import (
	"time"

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

// sealing is the engine's state of it; nil in a network without.
type sealing struct {
	*generation
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
	g, err := newGeneration(cfg, keygen.Sealing)
	if err != nil {
		return nil, err
	}
	return &sealing{generation: g}, nil
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

// say puts as many shares into an own block as fit.
func (s *sealing) say(out *systemMessages) {
	for len(s.queue) > 0 && out.add(dag.SystemMessage{Kind: KindShare, Payload: s.queue[0].Payload}) {
		s.bytes -= len(s.queue[0].Payload)
		s.queue[0] = OwnShare{}
		s.queue = s.queue[1:]
	}
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
